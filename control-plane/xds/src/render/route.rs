//! Routes: one per allowed value of the route header, twice where retries differ by method; the last one, without a match, is the default.

use std::sync::Arc;

use envoy_types::pb::envoy::config::common::mutation_rules::v3::HeaderMutation;
use envoy_types::pb::envoy::config::common::mutation_rules::v3::header_mutation::Action as Mutation;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::retry_policy::{RetryHostPredicate, RetryPriority, retry_host_predicate, retry_priority};
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::{ClusterSpecifier, RequestMirrorPolicy};
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::{
    HeaderMatcher, RetryPolicy, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
};
use envoy_types::pb::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use envoy_types::pb::envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher};
use shunt_core::desired::Routes;
use shunt_filter_core::names::{ROUTE_HEADER, SHADOW_HEADER, fallback_cluster, shadow_cluster, version_cluster};
use shunt_filter_core::{RouteHeader, VersionName};

use super::{SHUNT, boolean, duration, number};
use crate::resource::Resource;

/// May be sent twice (RFC 9110, 9.2.2).
const IDEMPOTENT: &str = "GET|HEAD|OPTIONS|PUT|DELETE|TRACE";

/// What a request may be sent again for.
#[derive(Clone, Copy)]
enum Retry {
    /// Also when a connection broke after the request was sent.
    Idempotent,
    /// Only when no upstream can have begun with it.
    NotSent,
}

/// All hosts of all services. A host that nobody owns gets Envoy's 404.
pub(super) fn configuration(services: &[Routes]) -> Arc<Resource> {
    let configuration = RouteConfiguration {
        name: SHUNT.to_owned(),
        virtual_hosts: services.iter().map(host).collect(),
        ..RouteConfiguration::default()
    };
    Resource::new(SHUNT, &configuration)
}

fn host(routes: &Routes) -> VirtualHost {
    let mut domains = Vec::new();
    for host in &routes.hosts {
        match routes.port {
            // Envoy matches domains with the port as it stands in the authority: `host:*` is every port.
            None => domains.extend([host.clone(), format!("{host}:*")]),
            Some(port @ (80 | 443)) => domains.extend([host.clone(), format!("{host}:{port}")]),
            Some(port) => domains.push(format!("{host}:{port}")),
        }
    }
    VirtualHost { name: routes.id.to_string(), domains, routes: all(routes), ..VirtualHost::default() }
}

fn all(routes: &Routes) -> Vec<Route> {
    let named = routes.versions.iter().flat_map(|version| {
        let copies = routes.mirrors.iter().filter(|(answering, _)| *answering == version.name).map(|(_, copy)| Some(copy));
        copies.chain([None]).map(|copy| (Some(&version.name), copy)).collect::<Vec<_>>()
    });
    let pairs = named.chain([(None, None)]);
    pairs.flat_map(|(version, copy)| [Retry::Idempotent, Retry::NotSent].map(|retry| route(routes, version, copy, retry))).collect()
}

/// `version` none: the default route.
fn route(routes: &Routes, version: Option<&VersionName>, copy: Option<&VersionName>, retry: Retry) -> Route {
    let mut headers = Vec::new();
    if let Some(version) = version {
        let value = RouteHeader { rollout: routes.id.clone(), version: version.clone(), mirror: copy.cloned() };
        headers.push(exact(ROUTE_HEADER, value.to_string()));
    }
    if matches!(retry, Retry::Idempotent) {
        headers.push(method(IDEMPOTENT));
    }
    let action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster(routes, version.unwrap_or(&routes.default)))),
        request_mirror_policies: copy.map(|copy| mirror(routes, copy)).into_iter().collect(),
        retry_policy: Some(retries(retry)),
        timeout: routes.timeout.and_then(duration),
        ..RouteAction::default()
    };
    Route {
        name: name(routes, version, copy, retry),
        r#match: Some(RouteMatch { path_specifier: Some(PathSpecifier::Prefix("/".to_owned())), headers, ..RouteMatch::default() }),
        action: Some(Action::Route(action)),
        ..Route::default()
    }
}

fn name(routes: &Routes, version: Option<&VersionName>, copy: Option<&VersionName>, retry: Retry) -> String {
    let target = version.map_or("default", VersionName::as_str);
    let copy = copy.map(|copy| format!("-mirror-{copy}")).unwrap_or_default();
    let retry = if matches!(retry, Retry::Idempotent) { "-idempotent" } else { "" };
    format!("shunt-{}-{}-{target}{copy}{retry}", routes.id.namespace(), routes.id.name())
}

fn cluster(routes: &Routes, version: &VersionName) -> String {
    if *version == routes.default { version_cluster(&routes.id, version) } else { fallback_cluster(&routes.id, version) }
}

fn exact(header: &str, value: String) -> HeaderMatcher {
    matcher(header, MatchPattern::Exact(value))
}

fn method(methods: &str) -> HeaderMatcher {
    matcher(":method", MatchPattern::SafeRegex(RegexMatcher { regex: methods.to_owned(), ..RegexMatcher::default() }))
}

fn matcher(header: &str, pattern: MatchPattern) -> HeaderMatcher {
    let string = StringMatcher { match_pattern: Some(pattern), ..StringMatcher::default() };
    HeaderMatcher {
        name: header.to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(string)),
        ..HeaderMatcher::default()
    }
}

/// A copy is marked, whatever the client said, and carries the original's headers otherwise.
fn mirror(routes: &Routes, copy: &VersionName) -> RequestMirrorPolicy {
    let marker = HeaderValueOption {
        header: Some(HeaderValue { key: SHADOW_HEADER.to_owned(), value: "1".to_owned(), ..HeaderValue::default() }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    };
    RequestMirrorPolicy {
        cluster: shadow_cluster(&routes.id, copy),
        // The marker tells copies apart; a changed Host would make upstreams answer differently.
        disable_shadow_host_suffix_append: true,
        request_headers_mutations: vec![HeaderMutation { action: Some(Mutation::Append(marker)) }],
        trace_sampled: boolean(false),
        ..RequestMirrorPolicy::default()
    }
}

/// A retry goes to another host, and when the version has none left, to what it falls back to.
fn retries(retry: Retry) -> RetryPolicy {
    let retry_on = match retry {
        Retry::Idempotent => "reset,connect-failure,refused-stream",
        Retry::NotSent => "connect-failure,refused-stream",
    };
    let priorities = PreviousPrioritiesConfig { update_frequency: 1 };
    RetryPolicy {
        retry_on: retry_on.to_owned(),
        num_retries: number(3),
        retry_priority: Some(RetryPriority {
            name: "envoy.retry_priorities.previous_priorities".to_owned(),
            config_type: Some(retry_priority::ConfigType::TypedConfig(crate::resource::any(&priorities))),
        }),
        retry_host_predicate: vec![RetryHostPredicate {
            name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
            config_type: Some(retry_host_predicate::ConfigType::TypedConfig(crate::resource::any(&PreviousHostsPredicate {}))),
        }],
        host_selection_retry_max_attempts: 3,
        ..RetryPolicy::default()
    }
}
