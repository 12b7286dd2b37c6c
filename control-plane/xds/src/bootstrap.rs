//! The bootstrap of a proxy that the control plane owns: who it is, where it listens, where the control plane is.

use std::net::SocketAddr;

use serde_json::{Value, json};
use shunt_filter_core::metric::Label;

/// What a bootstrap is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// Node id, one per proxy.
    pub node: String,
    /// Where the proxy should listen.
    pub listen: SocketAddr,
    /// Where its admin interface should listen; loopback unless you know why not.
    pub admin: SocketAddr,
    /// `host:port` of the control plane's xDS.
    pub xds: String,
    /// `host:port` of the control plane's API, for the filter's reports.
    pub api: String,
    /// Path of the filter's module on the proxy's disk; none: the control plane sends it.
    pub module: Option<String>,
    /// State of the world instead of delta.
    pub state_of_the_world: bool,
}

/// YAML that `envoy --mode validate` accepts (JSON is YAML; it is printed with indentation).
pub fn bootstrap(of: &Bootstrap) -> String {
    let mut ours = json!({"listen": of.listen.to_string()});
    if let Some(module) = &of.module {
        ours["module"] = json!(module);
    }
    let api_type = if of.state_of_the_world { "GRPC" } else { "DELTA_GRPC" };
    let source = json!({"resource_api_version": "V3", "ads": {}});
    let bootstrap = json!({
        "node": {"id": of.node, "cluster": "shunt", "metadata": {"shunt": ours}},
        "admin": {"address": address(&of.admin.ip().to_string(), of.admin.port())},
        "dynamic_resources": {
            "ads_config": {
                "api_type": api_type,
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "shunt-xds"}}],
            },
            "cds_config": source,
            "lds_config": source,
        },
        "static_resources": {"clusters": [cluster("shunt-xds", &of.xds, true), cluster("shunt-api", &of.api, false)]},
        "stats_config": {"stats_tags": tags()},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": {"re2.max_program_size.error_level": 1000}}]},
    });
    format!("{bootstrap:#}\n")
}

fn cluster(name: &str, endpoint: &str, http2: bool) -> Value {
    let (host, port) = endpoint.rsplit_once(':').unwrap_or((endpoint, "0"));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let protocol = if http2 {
        // A dead control plane is noticed in 15 s, not when TCP gives up.
        json!({"http2_protocol_options": {"connection_keepalive": {"interval": "10s", "timeout": "5s"}}})
    } else {
        json!({"http_protocol_options": {}})
    };
    json!({
        "name": name,
        "type": "STRICT_DNS",
        // `localhost` should not be ::1 alone: the control plane listens on 127.0.0.1 by default.
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": protocol,
            },
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(host, port.parse().unwrap_or(0))}}]}],
        },
    })
}

fn address(host: &str, port: u16) -> Value {
    json!({"socket_address": {"address": host, "port_value": port}})
}

/// Labels of the filter's stats.
fn tags() -> Vec<Value> {
    Label::ALL.iter().map(|label| json!({"tag_name": label.name(), "regex": label.regex()})).collect()
}
