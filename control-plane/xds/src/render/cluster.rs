//! The clusters of a version: its own, one that falls back to what the default route names, and a bounded one for copies.

use std::collections::HashMap;
use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, CommonLbConfig, CustomClusterType, DiscoveryType, DnsLookupFamily, EdsClusterConfig, LbPolicy,
};
use envoy_types::pb::envoy::config::cluster::v3::{CircuitBreakers, Cluster};
use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use envoy_types::pb::envoy::config::core::v3::health_check::{HealthChecker, HttpHealthCheck};
use envoy_types::pb::envoy::config::core::v3::{
    AggregatedConfigSource, ApiVersion, ConfigSource, HealthCheck, Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions,
};
use envoy_types::pb::envoy::extensions::clusters::aggregate::v3::ClusterConfig;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions as UpstreamOptions;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::http_protocol_options::{
    ExplicitHttpConfig, UpstreamProtocolOptions, explicit_http_config::ProtocolConfig,
};
use envoy_types::pb::envoy::r#type::v3::{CodecClientType, Percent};
use envoy_types::pb::google::protobuf::Any;
use shunt_core::desired::Routes;
use shunt_filter_core::names::{fallback_cluster, shadow_cluster, version_cluster};
use shunt_spec::Span;
use shunt_spec::plan::{Protocol, Version};

use super::{boolean, duration, endpoint, number};
use crate::resource::{Resource, any};

/// Envoy's own default. On a machine that is overloaded the connection stands long before Envoy comes to see it: with one second, every
/// attempt of a request timed out like that, one after the other, and users got 503 after four seconds instead of a slow answer.
const CONNECT_TIMEOUT: Span = Span::seconds(5);

/// Well below the minute or so after which upstreams close idle connections: a request on a connection that is just being closed fails.
const IDLE_TIMEOUT: Span = Span::seconds(30);

/// A copy may not live longer: a stalled shadow can hang the original (Envoy buffers for both).
const SHADOW_STREAM: Span = Span::seconds(15);

/// Copies beyond these are dropped, not queued.
const SHADOW_REQUESTS: u32 = 128;
const SHADOW_CONNECTIONS: u32 = 16;

/// Envoy's default of 1,024 answers 503 to whatever a slow moment piles up.
const REQUESTS: u32 = 100_000;

/// The default of 3 silently drops retries under load.
const RETRIES: u32 = 1_000;

const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// All clusters that a version needs.
pub(super) fn clusters(routes: &Routes, version: &Version) -> Vec<Arc<Resource>> {
    let mut made = vec![own(routes, version)];
    if version.name != routes.default {
        made.push(fallback(routes, version));
    }
    if routes.mirrors.iter().any(|(_, copy)| *copy == version.name) {
        made.push(shadow(routes, version));
    }
    made.iter().map(|cluster| Resource::new(&cluster.name, cluster)).collect()
}

fn own(routes: &Routes, version: &Version) -> Cluster {
    Cluster {
        circuit_breakers: breakers(primary()),
        health_checks: routes.health.iter().map(|check| health(check, routes)).collect(),
        // With active checks a removed host would go on getting traffic until a check fails.
        ignore_health_on_host_removal: routes.health.is_some(),
        typed_extension_protocol_options: protocol(routes.protocol, None),
        common_lb_config: last_resort(),
        ..base(version_cluster(&routes.id, &version.name), version)
    }
}

/// Aggregate of the version and what the default route names: an empty or dead version costs no request.
fn fallback(routes: &Routes, version: &Version) -> Cluster {
    let members = [&version.name, &routes.default].map(|name| version_cluster(&routes.id, name));
    let aggregate = CustomClusterType {
        name: "envoy.clusters.aggregate".to_owned(),
        typed_config: Some(any(&ClusterConfig { clusters: members.to_vec() })),
    };
    Cluster {
        name: fallback_cluster(&routes.id, &version.name),
        connect_timeout: duration(CONNECT_TIMEOUT),
        lb_policy: LbPolicy::ClusterProvided.into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::ClusterType(aggregate)),
        common_lb_config: no_panic(),
        circuit_breakers: breakers(primary()),
        ..Cluster::default()
    }
}

/// Where copies go: few, short-lived, and no retries.
fn shadow(routes: &Routes, version: &Version) -> Cluster {
    let bounds = Thresholds {
        max_requests: number(SHADOW_REQUESTS),
        max_pending_requests: number(SHADOW_REQUESTS),
        max_connections: number(SHADOW_CONNECTIONS),
        max_retries: number(0),
        ..Thresholds::default()
    };
    Cluster {
        circuit_breakers: breakers(bounds),
        typed_extension_protocol_options: protocol(routes.protocol, Some(SHADOW_STREAM)),
        ..base(shadow_cluster(&routes.id, &version.name), version)
    }
}

fn base(name: String, version: &Version) -> Cluster {
    let mut cluster = Cluster {
        name,
        connect_timeout: duration(CONNECT_TIMEOUT),
        lb_policy: LbPolicy::LeastRequest.into(),
        common_lb_config: no_panic(),
        ..Cluster::default()
    };
    if endpoint::by_dns(&version.backend) {
        cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(DiscoveryType::StrictDns.into()));
        // Envoy's default takes IPv6 alone when there is any: `localhost` would be ::1, where few servers listen.
        cluster.dns_lookup_family = DnsLookupFamily::V4Preferred.into();
        cluster.load_assignment = Some(endpoint::assignment(&cluster.name, version));
    } else {
        cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into()));
        cluster.eds_cluster_config = Some(EdsClusterConfig { eds_config: Some(ads()), service_name: String::new() });
    }
    cluster
}

/// "By this very stream."
pub(super) fn ads() -> ConfigSource {
    ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    }
}

/// In panic mode Envoy would spread requests over hosts that it knows to be down, instead of going to the next priority.
fn no_panic() -> Option<CommonLbConfig> {
    Some(CommonLbConfig { healthy_panic_threshold: Some(Percent { value: 0.0 }), ..CommonLbConfig::default() })
}

/// For requests of users: bounds that protect the proxy's memory, not an opinion on how much a service can take.
fn primary() -> Thresholds {
    Thresholds {
        max_connections: number(REQUESTS),
        max_pending_requests: number(REQUESTS),
        max_requests: number(REQUESTS),
        max_retries: number(RETRIES),
        ..Thresholds::default()
    }
}

/// When checks call every host of the default version unhealthy there is none left to fall back to: better all of them than none.
/// The same for every version, so that a promotion changes no cluster; the aggregate's own threshold decides when to fall back.
fn last_resort() -> Option<CommonLbConfig> {
    Some(CommonLbConfig { healthy_panic_threshold: Some(Percent { value: 1.0 }), ..CommonLbConfig::default() })
}

fn breakers(thresholds: Thresholds) -> Option<CircuitBreakers> {
    Some(CircuitBreakers { thresholds: vec![thresholds], ..CircuitBreakers::default() })
}

fn health(check: &shunt_spec::plan::HealthCheck, routes: &Routes) -> HealthCheck {
    let codec = match routes.protocol {
        Protocol::Http1 => CodecClientType::Http1,
        Protocol::Http2 => CodecClientType::Http2,
    };
    // Envoy's default is the cluster's name, which is no host: HTTP/2 servers and strict HTTP/1.1 servers refuse it.
    let host = routes.hosts.first().map(|host| host.trim_start_matches("*.").to_owned()).unwrap_or_default();
    let http = HttpHealthCheck { host, path: check.path.clone(), codec_client_type: codec.into(), ..HttpHealthCheck::default() };
    HealthCheck {
        timeout: duration(check.timeout),
        interval: duration(check.interval),
        // A version without traffic must be known to be up or down all the same: it may get some any time.
        no_traffic_interval: duration(check.interval),
        unhealthy_threshold: number(check.unhealthy_threshold),
        healthy_threshold: number(check.healthy_threshold),
        reuse_connection: boolean(true),
        health_checker: Some(HealthChecker::HttpHealthCheck(http)),
        ..HealthCheck::default()
    }
}

fn protocol(protocol: Protocol, longest: Option<Span>) -> HashMap<String, Any> {
    let config = match protocol {
        Protocol::Http1 => ProtocolConfig::HttpProtocolOptions(Http1ProtocolOptions::default()),
        Protocol::Http2 => ProtocolConfig::Http2ProtocolOptions(Http2ProtocolOptions::default()),
    };
    let options = UpstreamOptions {
        common_http_protocol_options: Some(HttpProtocolOptions {
            idle_timeout: duration(IDLE_TIMEOUT),
            max_stream_duration: longest.and_then(duration),
            ..HttpProtocolOptions::default()
        }),
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig { protocol_config: Some(config) })),
        ..UpstreamOptions::default()
    };
    HashMap::from([(OPTIONS.to_owned(), any(&options))])
}
