//! Routes in Envoy's JSON: the fields that `render/route.rs` sets.

use envoy_types::pb::envoy::config::common::mutation_rules::v3::HeaderMutation;
use envoy_types::pb::envoy::config::common::mutation_rules::v3::header_mutation::Action as Mutation;
use envoy_types::pb::envoy::config::core::v3::HeaderValueOption;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::retry_policy::{retry_host_predicate, retry_priority};
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::{ClusterSpecifier, RequestMirrorPolicy};
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::{
    DirectResponseAction, HeaderMatcher, RetryPolicy, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
};
use envoy_types::pb::envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::google::protobuf::Any;
use prost::Message;
use serde_json::{Value, json};

use super::{brief, number, seconds};

pub(super) fn configuration(routes: &RouteConfiguration) -> Value {
    json!({
        "name": routes.name,
        "virtual_hosts": routes.virtual_hosts.iter().map(virtual_host).collect::<Vec<_>>(),
        "ignore_port_in_host_matching": routes.ignore_port_in_host_matching,
    })
}

fn virtual_host(host: &VirtualHost) -> Value {
    json!({"name": host.name, "domains": host.domains, "routes": host.routes.iter().map(route).collect::<Vec<_>>()})
}

fn route(route: &Route) -> Value {
    let mut value = json!({
        "name": route.name,
        "match": route.r#match.as_ref().map(matches),
        "response_headers_to_add": route.response_headers_to_add.iter().map(header_to_add).collect::<Vec<_>>(),
    });
    match &route.action {
        Some(Action::Route(action)) => value["route"] = forward(action),
        Some(Action::DirectResponse(action)) => value["direct_response"] = direct(action),
        _ => {}
    }
    brief(value)
}

fn matches(matches: &RouteMatch) -> Value {
    let prefix = match &matches.path_specifier {
        Some(PathSpecifier::Prefix(prefix)) => prefix.as_str(),
        _ => "/",
    };
    brief(json!({"prefix": prefix, "headers": matches.headers.iter().map(header).collect::<Vec<_>>()}))
}

fn header(header: &HeaderMatcher) -> Value {
    let pattern = match &header.header_match_specifier {
        Some(HeaderMatchSpecifier::StringMatch(string)) => string.match_pattern.as_ref(),
        _ => None,
    };
    let string = match pattern {
        Some(MatchPattern::Exact(text)) => json!({"exact": text}),
        Some(MatchPattern::Suffix(text)) => json!({"suffix": text}),
        Some(MatchPattern::SafeRegex(regex)) => json!({"safe_regex": {"regex": regex.regex}}),
        _ => Value::Null,
    };
    json!({"name": header.name, "string_match": string})
}

fn forward(action: &RouteAction) -> Value {
    let cluster = match &action.cluster_specifier {
        Some(ClusterSpecifier::Cluster(cluster)) => cluster.as_str(),
        _ => "",
    };
    brief(json!({
        "cluster": cluster,
        "request_mirror_policies": action.request_mirror_policies.iter().map(mirror).collect::<Vec<_>>(),
        "retry_policy": action.retry_policy.as_ref().map(retries),
        "timeout": action.timeout.as_ref().map(seconds),
        "idle_timeout": action.idle_timeout.as_ref().map(seconds),
        "max_stream_duration": action.max_stream_duration.as_ref().map(|most| json!({"max_stream_duration": most.max_stream_duration.as_ref().map(seconds)})),
    }))
}

fn direct(action: &DirectResponseAction) -> Value {
    let text = match action.body.as_ref().and_then(|body| body.specifier.as_ref()) {
        Some(Specifier::InlineString(text)) => text.as_str(),
        _ => "",
    };
    json!({"status": action.status, "body": {"inline_string": text}})
}

fn header_to_add(option: &HeaderValueOption) -> Value {
    let (key, value) = option.header.as_ref().map(|header| (header.key.as_str(), header.value.as_str())).unwrap_or_default();
    json!({"header": {"key": key, "value": value}, "append_action": option.append_action})
}

fn mirror(mirror: &RequestMirrorPolicy) -> Value {
    let mutation = |mutation: &HeaderMutation| match &mutation.action {
        Some(Mutation::Append(option)) => json!({"append": header_to_add(option)}),
        _ => Value::Null,
    };
    brief(json!({
        "cluster": mirror.cluster,
        "disable_shadow_host_suffix_append": mirror.disable_shadow_host_suffix_append,
        "request_headers_mutations": mirror.request_headers_mutations.iter().map(mutation).collect::<Vec<_>>(),
        "trace_sampled": mirror.trace_sampled.as_ref().map(|sampled| sampled.value),
    }))
}

fn retries(policy: &RetryPolicy) -> Value {
    let priority = policy.retry_priority.as_ref().map(|priority| {
        let config = match &priority.config_type {
            Some(retry_priority::ConfigType::TypedConfig(config)) => typed(config),
            None => Value::Null,
        };
        json!({"name": priority.name, "typed_config": config})
    });
    let predicates = policy.retry_host_predicate.iter().map(|predicate| {
        let config = match &predicate.config_type {
            Some(retry_host_predicate::ConfigType::TypedConfig(config)) => typed(config),
            None => Value::Null,
        };
        json!({"name": predicate.name, "typed_config": config})
    });
    brief(json!({
        "retry_on": policy.retry_on,
        "num_retries": number(policy.num_retries.as_ref()),
        "retry_priority": priority,
        "retry_host_predicate": predicates.collect::<Vec<_>>(),
        "host_selection_retry_max_attempts": policy.host_selection_retry_max_attempts,
    }))
}

fn typed(config: &Any) -> Value {
    match PreviousPrioritiesConfig::decode(config.value.as_slice()) {
        Ok(priorities) if config.type_url.ends_with("PreviousPrioritiesConfig") => {
            json!({"@type": config.type_url, "update_frequency": priorities.update_frequency})
        }
        _ => json!({"@type": config.type_url}),
    }
}
