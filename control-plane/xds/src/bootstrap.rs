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
    /// How it proves who it is, and knows the control plane; none: clear text, over loopback addresses.
    pub tls: Option<ProxyTls>,
}

/// Files on the proxy's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyTls {
    /// Envoy's secrets files as `shunt certs proxy` writes them. Envoy reads them, and what they name, again when it is replaced.
    pub secrets: Secrets<String>,
}

/// Envoy takes one secret from a file, so there are two: the certificate that names the node, and whom the proxy trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets<T> {
    /// The proxy's own certificate and key.
    pub own: T,
    /// The authority of the control plane's certificate.
    pub ca: T,
}

/// Names of the secrets.
const SECRETS: Secrets<&str> = Secrets { own: "shunt-proxy", ca: "shunt-ca" };

/// YAML that `envoy --mode validate` accepts (JSON is YAML; it is printed with indentation).
pub fn bootstrap(of: &Bootstrap) -> String {
    format!("{:#}\n", document(of))
}

/// The same as a document.
pub(crate) fn document(of: &Bootstrap) -> Value {
    let mut ours = json!({"listen": of.listen.to_string()});
    if let Some(module) = &of.module {
        ours["module"] = json!(module);
    }
    let api_type = if of.state_of_the_world { "GRPC" } else { "DELTA_GRPC" };
    let source = json!({"resource_api_version": "V3", "ads": {}});
    json!({
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
        "static_resources": {"clusters": [cluster("shunt-xds", &of.xds, Wire::Http2, of.tls.as_ref()), cluster("shunt-api", &of.api, Wire::Http1, of.tls.as_ref())]},
        "stats_config": {"stats_tags": tags()},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": {"re2.max_program_size.error_level": 1000}}]},
    })
}

/// What is spoken to a cluster.
#[derive(Debug, Clone, Copy)]
enum Wire {
    Http1,
    Http2,
}

fn cluster(name: &str, endpoint: &str, wire: Wire, tls: Option<&ProxyTls>) -> Value {
    let (host, port) = endpoint.rsplit_once(':').unwrap_or((endpoint, "0"));
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let protocol = match wire {
        // A dead control plane is noticed in 15 s, not when TCP gives up.
        Wire::Http2 => json!({"http2_protocol_options": {"connection_keepalive": {"interval": "10s", "timeout": "5s"}}}),
        Wire::Http1 => json!({"http_protocol_options": {}}),
    };
    let mut cluster = json!({
        "name": name,
        "type": "STRICT_DNS",
        // `localhost` should not be ::1 alone: the control plane listens on 127.0.0.1 by default.
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "5s",
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
    });
    if let Some(tls) = tls {
        cluster["transport_socket"] = transport(host, wire, tls);
    }
    cluster
}

/// Both sides prove who they are: the control plane by the host or address that the proxy was told, the proxy by its node id.
fn transport(host: &str, wire: Wire, tls: &ProxyTls) -> Value {
    let kind = if host.parse::<std::net::IpAddr>().is_ok() { "IP_ADDRESS" } else { "DNS" };
    let protocol = match wire {
        Wire::Http1 => "http/1.1",
        Wire::Http2 => "h2",
    };
    let secret = |name: &str, path: &str| {
        let source = json!({"resource_api_version": "V3", "path_config_source": {"path": path}});
        json!({"name": name, "sds_config": source})
    };
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": if kind == "DNS" { host } else { "" },
            "common_tls_context": {
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"},
                "alpn_protocols": [protocol],
                "tls_certificate_sds_secret_configs": [secret(SECRETS.own, &tls.secrets.own)],
                "combined_validation_context": {
                    "default_validation_context": {
                        "match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": host}}],
                    },
                    "validation_context_sds_secret_config": secret(SECRETS.ca, &tls.secrets.ca),
                },
            },
        },
    })
}

/// What Envoy reads as secrets: names of files on its machine, and the folder in which a replaced one is noticed.
pub fn secrets(folder: &str, certificate: &str, key: &str, ca: &str) -> Secrets<String> {
    let own = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": SECRETS.own,
        "tls_certificate": {
            "certificate_chain": {"filename": certificate},
            "private_key": {"filename": key},
            "watched_directory": {"path": folder},
        },
    });
    let trusted = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": SECRETS.ca,
        "validation_context": {"trusted_ca": {"filename": ca}, "watched_directory": {"path": folder}},
    });
    let file = |secret| format!("{:#}\n", json!({"resources": [secret]}));
    Secrets { own: file(own), ca: file(trusted) }
}

fn address(host: &str, port: u16) -> Value {
    json!({"socket_address": {"address": host, "port_value": port}})
}

/// Labels of the filter's stats.
fn tags() -> Vec<Value> {
    Label::ALL.iter().map(|label| json!({"tag_name": label.name(), "regex": label.regex()})).collect()
}
