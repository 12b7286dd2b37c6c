//! The listener: removes what a client may not say, runs the filter, routes.

use std::net::SocketAddr;
use std::sync::Arc;

use envoy_types::pb::envoy::config::common::mutation_rules::v3::HeaderMutation;
use envoy_types::pb::envoy::config::common::mutation_rules::v3::header_mutation::{Action, RemoveOnMatch};
use envoy_types::pb::envoy::config::core::v3::http_protocol_options::HeadersWithUnderscoresAction;
use envoy_types::pb::envoy::config::core::v3::{ExtensionConfigSource, HttpProtocolOptions, TypedExtensionConfig};
use envoy_types::pb::envoy::config::listener::v3::filter::ConfigType;
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener};
use envoy_types::pb::envoy::extensions::filters::http::rbac::v3::Rbac;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::{
    RouteSpecifier, UpgradeConfig,
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds, http_filter,
};
use envoy_types::pb::envoy::extensions::http::early_header_mutation::header_mutation::v3::HeaderMutation as EarlyHeaderMutation;
use envoy_types::pb::envoy::r#type::matcher::v3::StringMatcher;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use prost::Name;
use shunt_filter_core::names::HEADER_PREFIX;
use shunt_spec::Span;

use super::cluster::ads;
use super::{SHUNT, boolean, duration, endpoint};
use crate::resource::{Resource, any};

/// A stream on which nothing is sent in either direction for so long ends, unless the service's `timeouts.idle` says otherwise: a
/// client that stops in the middle of a body would hold it for ever.
pub(crate) const STREAM_IDLE: Span = Span::seconds(300);
/// All headers of a request must have come so long after its first byte. There is no limit for its body as a whole (Envoy's
/// `request_timeout`): it holds for all services of a listener, and would end uploads and streams from clients.
pub(crate) const REQUEST_HEADERS: Span = Span::seconds(10);

pub(super) fn listener(listen: SocketAddr) -> Arc<Resource> {
    let manager = Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(&manager()))),
    };
    let listener = Listener {
        name: SHUNT.to_owned(),
        address: Some(endpoint::socket(&listen.ip().to_string(), listen.port())),
        filter_chains: vec![FilterChain { filters: vec![manager], ..FilterChain::default() }],
        ..Listener::default()
    };
    Resource::new(SHUNT, &listener)
}

fn manager() -> HttpConnectionManager {
    HttpConnectionManager {
        stat_prefix: SHUNT.to_owned(),
        // Clients are strangers: their address is taken from the connection, and their x-request-id is replaced, because without a
        // key it decides.
        use_remote_address: boolean(true),
        common_http_protocol_options: Some(HttpProtocolOptions {
            // `x_shunt_route` would pass the removal below, and some upstreams read it as x-shunt-route.
            headers_with_underscores_action: HeadersWithUnderscoresAction::RejectRequest.into(),
            ..HttpProtocolOptions::default()
        }),
        early_header_mutation_extensions: vec![strip()],
        // `shop.test.` is `shop.test`, for the routes as for the filter.
        strip_trailing_host_dot: true,
        http_filters: vec![filter(), router()],
        route_specifier: Some(RouteSpecifier::Rds(Rds { config_source: Some(ads()), route_config_name: SHUNT.to_owned() })),
        upgrade_configs: vec![UpgradeConfig { upgrade_type: "websocket".to_owned(), ..UpgradeConfig::default() }],
        stream_idle_timeout: duration(STREAM_IDLE),
        request_headers_timeout: duration(REQUEST_HEADERS),
        ..HttpConnectionManager::default()
    }
}

/// Every header of ours that a client sends goes before any filter runs, so also while ours is bypassed.
fn strip() -> TypedExtensionConfig {
    let ours = StringMatcher { match_pattern: Some(MatchPattern::Prefix(HEADER_PREFIX.to_owned())), ..StringMatcher::default() };
    let remove = HeaderMutation { action: Some(Action::RemoveOnMatch(RemoveOnMatch { key_matcher: Some(ours) })) };
    TypedExtensionConfig {
        name: "envoy.http.early_header_mutation.header_mutation".to_owned(),
        typed_config: Some(any(&EarlyHeaderMutation { mutations: vec![remove] })),
    }
}

/// By ECDS. Until it comes, and if it is refused: a filter that lets everything pass, to the default route.
fn filter() -> HttpFilter {
    let type_url = |name: String| format!("type.googleapis.com/{name}");
    let source = ExtensionConfigSource {
        config_source: Some(ads()),
        default_config: Some(any(&Rbac::default())),
        apply_default_config_without_warming: true,
        type_urls: vec![type_url(Wasm::full_name()), type_url(Rbac::full_name())],
    };
    HttpFilter { name: SHUNT.to_owned(), config_type: Some(http_filter::ConfigType::ConfigDiscovery(source)), ..HttpFilter::default() }
}

fn router() -> HttpFilter {
    HttpFilter {
        name: "envoy.filters.http.router".to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(any(&Router::default()))),
        ..HttpFilter::default()
    }
}
