//! Clusters with their endpoints in Envoy's JSON: the fields that `render/cluster.rs` and `render/endpoint.rs` set.

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType};
use envoy_types::pb::envoy::config::core::v3::address::Address as Kind;
use envoy_types::pb::envoy::config::core::v3::health_check::HealthChecker;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, HealthCheck, Metadata};
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{ClusterLoadAssignment, LbEndpoint};
use envoy_types::pb::envoy::extensions::clusters::aggregate::v3::ClusterConfig;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::http_protocol_options::UpstreamProtocolOptions;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::http_protocol_options::explicit_http_config::ProtocolConfig;
use envoy_types::pb::google::protobuf::Any;
use envoy_types::pb::google::protobuf::value::Kind as ValueKind;
use prost::Message;
use serde_json::{Map, Value, json};

use super::{brief, number, seconds};

/// What came by EDS stands in the cluster itself.
pub(super) fn clusters(clusters: &[Cluster], endpoints: &[ClusterLoadAssignment]) -> Vec<Value> {
    let own = |name: &str| endpoints.iter().find(|endpoints| endpoints.cluster_name == name);
    clusters.iter().map(|one| cluster(one, one.load_assignment.as_ref().or_else(|| own(&one.name)))).collect()
}

fn cluster(cluster: &Cluster, endpoints: Option<&ClusterLoadAssignment>) -> Value {
    let breakers = cluster.circuit_breakers.iter().flat_map(|breakers| &breakers.thresholds).map(thresholds);
    let options = cluster.typed_extension_protocol_options.iter().map(|(name, options)| (name.clone(), protocol(options)));
    let panic = cluster.common_lb_config.as_ref().and_then(|config| config.healthy_panic_threshold.as_ref());
    let mut value = json!({
        "name": cluster.name,
        "connect_timeout": cluster.connect_timeout.as_ref().map(seconds),
        "lb_policy": cluster.lb_policy,
        "common_lb_config": panic.map(|panic| json!({"healthy_panic_threshold": {"value": panic.value}})),
        "circuit_breakers": {"thresholds": breakers.collect::<Vec<_>>()},
        "health_checks": cluster.health_checks.iter().map(health).collect::<Vec<_>>(),
        "ignore_health_on_host_removal": cluster.ignore_health_on_host_removal,
        "typed_extension_protocol_options": options.collect::<Map<_, _>>(),
        "dns_lookup_family": cluster.dns_lookup_family,
        "load_assignment": endpoints.map(assignment),
    });
    match &cluster.cluster_discovery_type {
        Some(ClusterDiscoveryType::ClusterType(custom)) => {
            let members = custom.typed_config.as_ref().and_then(|any| ClusterConfig::decode(any.value.as_slice()).ok()).unwrap_or_default();
            let url = custom.typed_config.as_ref().map(|any| any.type_url.as_str());
            value["cluster_type"] = json!({"name": custom.name, "typed_config": {"@type": url, "clusters": members.clusters}});
        }
        Some(ClusterDiscoveryType::Type(by)) if *by == i32::from(DiscoveryType::StrictDns) => value["type"] = json!("STRICT_DNS"),
        Some(ClusterDiscoveryType::Type(_)) | None => value["type"] = json!("STATIC"),
    }
    brief(value)
}

fn thresholds(thresholds: &Thresholds) -> Value {
    brief(json!({
        "max_connections": number(thresholds.max_connections.as_ref()),
        "max_pending_requests": number(thresholds.max_pending_requests.as_ref()),
        "max_requests": number(thresholds.max_requests.as_ref()),
        "max_retries": number(thresholds.max_retries.as_ref()),
    }))
}

fn health(check: &HealthCheck) -> Value {
    let http = match &check.health_checker {
        Some(HealthChecker::HttpHealthCheck(http)) => {
            json!({"host": http.host, "path": http.path, "codec_client_type": http.codec_client_type})
        }
        _ => Value::Null,
    };
    brief(json!({
        "timeout": check.timeout.as_ref().map(seconds),
        "interval": check.interval.as_ref().map(seconds),
        "no_traffic_interval": check.no_traffic_interval.as_ref().map(seconds),
        "unhealthy_threshold": number(check.unhealthy_threshold.as_ref()),
        "healthy_threshold": number(check.healthy_threshold.as_ref()),
        "reuse_connection": check.reuse_connection.as_ref().map(|reuse| reuse.value),
        "http_health_check": http,
    }))
}

fn protocol(options: &Any) -> Value {
    let decoded = HttpProtocolOptions::decode(options.value.as_slice()).unwrap_or_default();
    let common = decoded.common_http_protocol_options.as_ref().map(|common| {
        brief(json!({
            "idle_timeout": common.idle_timeout.as_ref().map(seconds),
            "max_stream_duration": common.max_stream_duration.as_ref().map(seconds),
        }))
    });
    let explicit = match &decoded.upstream_protocol_options {
        Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)) => match &explicit.protocol_config {
            Some(ProtocolConfig::Http2ProtocolOptions(_)) => json!({"http2_protocol_options": {}}),
            _ => json!({"http_protocol_options": {}}),
        },
        _ => Value::Null,
    };
    brief(json!({"@type": options.type_url, "common_http_protocol_options": common, "explicit_http_config": explicit}))
}

fn assignment(assignment: &ClusterLoadAssignment) -> Value {
    let localities =
        assignment.endpoints.iter().map(|locality| json!({"lb_endpoints": locality.lb_endpoints.iter().map(endpoint).collect::<Vec<_>>()}));
    let factor =
        assignment.policy.as_ref().map(|policy| json!({"overprovisioning_factor": number(policy.overprovisioning_factor.as_ref())}));
    brief(json!({"cluster_name": assignment.cluster_name, "endpoints": localities.collect::<Vec<_>>(), "policy": factor}))
}

fn endpoint(endpoint: &LbEndpoint) -> Value {
    let at = match &endpoint.host_identifier {
        Some(HostIdentifier::Endpoint(endpoint)) => endpoint.address.as_ref().map(address),
        _ => None,
    };
    brief(json!({"endpoint": {"address": at}, "metadata": endpoint.metadata.as_ref().map(metadata)}))
}

fn address(address: &Address) -> Value {
    let Some(Kind::SocketAddress(socket)) = &address.address else { return Value::Null };
    let port = match socket.port_specifier {
        Some(PortSpecifier::PortValue(port)) => port,
        _ => 0,
    };
    json!({"socket_address": {"address": socket.address, "port_value": port}})
}

/// Marks of the version: texts only.
fn metadata(metadata: &Metadata) -> Value {
    let of = |fields: &envoy_types::pb::google::protobuf::Struct| {
        let texts = fields.fields.iter().filter_map(|(name, value)| match &value.kind {
            Some(ValueKind::StringValue(text)) => Some((name.clone(), json!(text))),
            _ => None,
        });
        texts.collect::<Map<_, _>>()
    };
    json!({"filter_metadata": metadata.filter_metadata.iter().map(|(name, fields)| (name.clone(), Value::Object(of(fields)))).collect::<Map<_, _>>()})
}
