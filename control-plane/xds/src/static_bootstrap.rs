//! A last-known-good bootstrap: what a proxy had, as one file with which Envoy starts while no control plane is there.
//!
//! It is the rendered snapshot, printed in Envoy's JSON: nothing is decided here. Listener, routes, clusters and endpoints are static.
//! The filter still asks the control plane for its configuration and starts with the policy in the file.

mod cluster;
mod route;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::google::protobuf::{Duration, UInt32Value};
use prost::Message;
use serde_json::{Value, json};
use shunt_spec::Span;

use crate::bootstrap::{Bootstrap, document};
use crate::proxy_config::{NodeInfo, ProxyConfig};
use crate::render;
use crate::resource::Kind;
use crate::snapshot::{Inconsistent, Snapshot};

/// The bootstrap, for `envoy -c FILE.yaml`. With [`Bootstrap::module`] the module is read from the proxy's disk, else it is in the file.
/// Errors when names would lead nowhere.
pub fn static_bootstrap(config: &ProxyConfig, of: &Bootstrap) -> Result<String, Inconsistent> {
    let node = NodeInfo { id: of.node.clone(), listen: Some(of.listen), module: of.module.clone() };
    let snapshot = render(config, &node)?;
    let mut whole = document(of);
    // Listener and clusters are here; the control plane still sends the filter's configuration.
    if let Some(dynamic) = whole["dynamic_resources"].as_object_mut() {
        dynamic.remove("lds_config");
        dynamic.remove("cds_config");
    }
    if let Some(ours) = whole["node"]["metadata"]["shunt"].as_object_mut() {
        ours.remove("listen");
    }
    whole["static_resources"]["listeners"] = json!([listener(config, of, &routes(&snapshot)?)]);
    if let Some(clusters) = whole["static_resources"]["clusters"].as_array_mut() {
        clusters.extend(cluster::clusters(
            &decode::<Cluster>(&snapshot, Kind::Cluster)?,
            &decode::<ClusterLoadAssignment>(&snapshot, Kind::Endpoints)?,
        ));
    }
    Ok(format!("{whole:#}\n"))
}

fn decode<M: Message + Default>(snapshot: &Snapshot, kind: Kind) -> Result<Vec<M>, Inconsistent> {
    let decoded =
        snapshot.of(kind).map(|resource| M::decode(resource.body.value.as_slice()).map_err(|_| Inconsistent::Body(resource.name.clone())));
    decoded.collect()
}

fn routes(snapshot: &Snapshot) -> Result<Value, Inconsistent> {
    let all: Vec<RouteConfiguration> = decode(snapshot, Kind::Routes)?;
    Ok(all.first().map(route::configuration).unwrap_or_default())
}

/// As `render/listener.rs` makes it, with the routes in it, and the last policy as the filter's first configuration.
fn listener(config: &ProxyConfig, of: &Bootstrap, routes: &Value) -> Value {
    let wasm = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
    let code = match &of.module {
        Some(path) => json!({"filename": path}),
        None => json!({"inline_bytes": STANDARD.encode(&config.module)}),
    };
    let filter = json!({
        "name": render::SHUNT,
        "config_discovery": {
            "config_source": {"resource_api_version": "V3", "ads": {}},
            "default_config": {
                "@type": wasm,
                "config": {
                    "name": render::SHUNT,
                    "root_id": render::SHUNT,
                    "failure_policy": "FAIL_OPEN",
                    "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": config.policy},
                    "vm_config": {"vm_id": render::SHUNT, "runtime": "envoy.wasm.runtime.v8", "code": {"local": code}},
                },
            },
            "apply_default_config_without_warming": true,
            "type_urls": [wasm],
        },
    });
    let strip = json!({
        "name": "envoy.http.early_header_mutation.header_mutation",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
            "mutations": [{"remove_on_match": {"key_matcher": {"prefix": shunt_filter_core::names::HEADER_PREFIX}}}],
        },
    });
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": render::SHUNT,
        "use_remote_address": true,
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST"},
        "early_header_mutation_extensions": [strip],
        "strip_trailing_host_dot": true,
        "http_filters": [filter, {
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }],
        "route_config": routes,
        "upgrade_configs": [{"upgrade_type": "websocket"}],
        "stream_idle_timeout": whole(render::STREAM_IDLE),
        "request_headers_timeout": whole(render::REQUEST_HEADERS),
    });
    json!({
        "name": render::SHUNT,
        "address": {"socket_address": {"address": of.listen.ip().to_string(), "port_value": of.listen.port()}},
        "filter_chains": [{"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}],
    })
}

/// `300s`
fn whole(span: Span) -> Value {
    json!(format!("{}s", span.0.div_euclid(1_000)))
}

/// `1.5s`
fn seconds(duration: &Duration) -> Value {
    json!(format!("{}.{:09}s", duration.seconds, duration.nanos))
}

fn number(value: Option<&UInt32Value>) -> Value {
    value.map_or(Value::Null, |value| json!(value.value))
}

/// Without fields that say nothing.
fn brief(mut value: Value) -> Value {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty()));
    }
    value
}
