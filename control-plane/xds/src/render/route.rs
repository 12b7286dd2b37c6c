//! Routes: one per allowed value of the route header, twice where retries differ by method; the last one, without a match, is the default.

use std::sync::Arc;

use envoy_types::pb::envoy::config::common::mutation_rules::v3::HeaderMutation;
use envoy_types::pb::envoy::config::common::mutation_rules::v3::header_mutation::Action as Mutation;
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{DataSource, HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::retry_policy::{RetryHostPredicate, RetryPriority, retry_host_predicate, retry_priority};
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::{ClusterSpecifier, MaxStreamDuration, RequestMirrorPolicy};
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::{
    DirectResponseAction, HeaderMatcher, RetryPolicy, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
};
use envoy_types::pb::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use envoy_types::pb::envoy::extensions::retry::priority::previous_priorities::v3::PreviousPrioritiesConfig;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher};
use shunt_core::desired::Routes;
use shunt_filter_core::names::{HELD_HEADER, ROUTE_HEADER, SHADOW_HEADER, fallback_cluster, shadow_cluster, version_cluster};
use shunt_filter_core::{RouteHeader, VersionName};
use shunt_spec::Span;

use super::hosts::{self, Group};
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

/// A version's route, or the default one, within one host.
#[derive(Clone, Copy)]
struct Target<'w> {
    routes: &'w Routes,
    /// Only authorities with this port; none: all.
    port: Option<u16>,
    /// None: the default route.
    version: Option<&'w VersionName>,
    copy: Option<&'w VersionName>,
}

/// All hosts of all services. A host that no Rollout owns gets Envoy's 404.
pub(super) fn configuration(services: &[Routes]) -> Arc<Resource> {
    let configuration = RouteConfiguration {
        name: SHUNT.to_owned(),
        virtual_hosts: hosts::groups(services).iter().map(virtual_host).collect(),
        // Ports are matched by the routes: in a domain, a wildcard cannot have "any port".
        ignore_port_in_host_matching: true,
        ..RouteConfiguration::default()
    };
    Resource::new(SHUNT, &configuration)
}

fn virtual_host(group: &Group<'_>) -> VirtualHost {
    let routes = group.claims.iter().flat_map(|(port, routes)| match routes.held {
        true => vec![held_route(routes, *port)],
        false => targets(routes, *port)
            .into_iter()
            .flat_map(|target| [Retry::Idempotent, Retry::NotSent].map(|retry| route(target, retry)))
            .collect(),
    });
    VirtualHost {
        name: group.hosts.first().copied().unwrap_or_default().to_owned(),
        domains: group.hosts.iter().map(|host| (*host).to_owned()).collect(),
        routes: routes.collect(),
        ..VirtualHost::default()
    }
}

fn targets(routes: &Routes, port: Option<u16>) -> Vec<Target<'_>> {
    let mut targets = Vec::new();
    for version in &routes.versions {
        let target = Target { routes, port, version: Some(&version.name), copy: None };
        let copies = routes.mirrors.iter().filter(|(answering, _)| *answering == version.name);
        targets.extend(copies.map(|(_, copy)| Target { copy: Some(copy), ..target }));
        targets.push(target);
    }
    targets.push(Target { routes, port, version: None, copy: None });
    targets
}

fn route(target: Target<'_>, retry: Retry) -> Route {
    let Target { routes, port, version, copy } = target;
    let mut headers = Vec::new();
    if let Some(version) = version {
        let value = RouteHeader { rollout: routes.id.clone(), version: version.clone(), mirror: copy.cloned() };
        headers.push(matcher(ROUTE_HEADER, MatchPattern::Exact(value.to_string())));
    }
    headers.extend(port.map(|port| matcher(":authority", authority(port))));
    if matches!(retry, Retry::Idempotent) {
        headers.push(matcher(":method", regex(IDEMPOTENT.to_owned())));
    }
    let action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster(routes, version.unwrap_or(&routes.default)))),
        request_mirror_policies: copy.map(|copy| mirror(routes, copy)).into_iter().collect(),
        retry_policy: Some(retries(retry)),
        timeout: routes.timeout.and_then(duration),
        idle_timeout: routes.timeouts.idle.and_then(duration),
        max_stream_duration: routes.timeouts.stream.map(max_stream),
        ..RouteAction::default()
    };
    Route {
        name: name(routes, version, copy, retry),
        r#match: Some(RouteMatch { path_specifier: Some(PathSpecifier::Prefix("/".to_owned())), headers, ..RouteMatch::default() }),
        action: Some(Action::Route(action)),
        ..Route::default()
    }
}

fn max_stream(span: Span) -> MaxStreamDuration {
    MaxStreamDuration { max_stream_duration: duration(span), ..MaxStreamDuration::default() }
}

/// An authority with this port; one without a port (or an empty one, RFC 3986 §3.2.3) means a default port.
fn authority(port: u16) -> MatchPattern {
    if hosts::DEFAULT_PORTS.contains(&port) {
        regex(format!(r"(\[[^\]]*\]|[^:]*)(:({port})?)?"))
    } else {
        MatchPattern::Suffix(format!(":{port}"))
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

fn regex(regex: String) -> MatchPattern {
    MatchPattern::SafeRegex(RegexMatcher { regex, ..RegexMatcher::default() })
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

/// How often a retry looks for a host that it has not tried. A dead one has the fewest requests, so that the choice falls on it again
/// three times out of four when there are two; with 3 looks a third of the retries went to it, with 30 one in several thousand.
const HOST_ATTEMPTS: i64 = 30;

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
        host_selection_retry_max_attempts: HOST_ATTEMPTS,
        ..RetryPolicy::default()
    }
}

/// Seconds after which a client may try again (RFC 9110, 10.2.3): about as long as a small service takes to start.
const RETRY_AFTER: &str = "2";

/// Of a service whose requests are held: every request, whatever version was decided; the reply says when to come back. Envoy makes
/// UNAVAILABLE of it for gRPC.
fn held_route(routes: &Routes, port: Option<u16>) -> Route {
    let headers = port.map(|port| matcher(":authority", authority(port))).into_iter().collect();
    Route {
        name: format!("shunt-{}-{}-held", routes.id.namespace(), routes.id.name()),
        r#match: Some(RouteMatch { path_specifier: Some(PathSpecifier::Prefix("/".to_owned())), headers, ..RouteMatch::default() }),
        action: Some(Action::DirectResponse(DirectResponseAction {
            status: 503,
            body: Some(DataSource {
                specifier: Some(Specifier::InlineString(format!("{} is being replaced, try again in a moment\n", routes.id.name()))),
                ..DataSource::default()
            }),
            ..DirectResponseAction::default()
        })),
        response_headers_to_add: vec![response_header("retry-after", RETRY_AFTER), response_header(HELD_HEADER, "1")],
        ..Route::default()
    }
}

fn response_header(key: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key: key.to_owned(), value: value.to_owned(), ..HeaderValue::default() }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}
