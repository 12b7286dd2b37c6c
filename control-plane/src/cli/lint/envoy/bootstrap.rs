//! The bootstrap as a whole: who the proxy is, where the control plane is, and its listeners.

use std::collections::BTreeSet;

use shunt_spec::Plan;

use super::tree::At;
use super::{Findings, filter, manager};

/// The cluster that filters post their reports to.
pub(super) const REPORTS: &str = "shunt-api";

const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
const MANAGER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// What checks of parts need to know of the whole.
pub(super) struct Whole<'v> {
    pub(super) root: At<'v>,
    /// Clusters of the bootstrap.
    pub(super) clusters: BTreeSet<&'v str>,
    /// Whether more clusters come from a control plane.
    pub(super) more_clusters: bool,
    /// Rollouts that the control plane drives.
    pub(super) plans: &'v [Plan],
}

pub(super) fn check<'v>(root: &At<'v>, plans: &'v [Plan], found: &mut Findings) {
    let clusters = root.list("static_resources.clusters");
    let whole = Whole {
        root: root.clone(),
        clusters: clusters.iter().map(|cluster| cluster.text("name")).collect(),
        more_clusters: root.field("dynamic_resources.cds_config").is_some(),
        plans,
    };
    admin(root, found);
    let managers = managers(root);
    let managed = root.field("node.metadata.shunt");
    let mut controlled = managed.is_some();
    if let Some(ours) = managed.as_ref().filter(|_| managers.is_empty()) {
        listen(root, ours, found);
    }
    for one in &managers {
        manager::check(one, &whole, found);
        controlled |= filter::is_controlled(one);
    }
    if managers.is_empty() && managed.is_none() {
        let elsewhere = root.field("dynamic_resources.lds_config").is_some();
        let message = if elsewhere {
            "listeners come from elsewhere, and node.metadata.shunt.listen does not ask Shunt for one: lint the listener's own configuration, or print a bootstrap with `shunt envoy-bootstrap`"
        } else {
            "no listener with an HTTP connection manager: nothing is routed here"
        };
        found.missing(root, "static_resources.listeners", message);
    }
    if !managers.is_empty() && !managers.iter().any(filter::is_there) {
        let at = root.field("static_resources.listeners").unwrap_or_else(|| root.clone());
        found.error(&at, "no listener has Shunt's filter: add it before the router, as in envoy/own-routes/envoy.yaml [3]");
    }
    if controlled {
        node(root, found);
        reports(&whole, found);
    }
}

fn admin(root: &At<'_>, found: &mut Findings) {
    let address = root.field("admin.address.socket_address.address");
    if let Some(at) = address.filter(|at| at.value().as_str().is_some_and(|text| !is_loopback(text))) {
        found.warn(&at, "the admin interface can stop this Envoy and shows everything: bind it to 127.0.0.1");
    }
}

fn is_loopback(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback()) || text == "localhost"
}

/// Every HTTP connection manager of static listeners.
fn managers<'v>(root: &At<'v>) -> Vec<At<'v>> {
    let listeners = root.list("static_resources.listeners");
    let chains = listeners.iter().flat_map(|listener| {
        let default = listener.field("default_filter_chain");
        listener.list("filter_chains").into_iter().chain(default)
    });
    let filters = chains.flat_map(|chain| chain.list("filters"));
    filters.filter_map(|filter| filter.field("typed_config")).filter(|config| config.is(MANAGER)).collect()
}

/// A proxy whose listener is ours.
fn listen(root: &At<'_>, ours: &At<'_>, found: &mut Findings) {
    match ours.field("listen") {
        None => found.missing(ours, "listen", "where should the listener be? Write for example \"0.0.0.0:10000\""),
        Some(at) if at.value().as_str().is_none_or(|text| text.parse::<std::net::SocketAddr>().is_err()) => {
            found.error(&at, "this is not ADDRESS:PORT: write for example \"0.0.0.0:10000\"");
        }
        Some(_) => {}
    }
    for name in ["dynamic_resources.lds_config", "dynamic_resources.cds_config"] {
        if root.field(name).is_none_or(|source| source.field("ads").is_none()) {
            found.missing(root, name, "listener and clusters come from Shunt by ADS: write {resource_api_version: V3, ads: {}}");
        }
    }
    match root.field("dynamic_resources.ads_config") {
        Some(source) => api(&Whole { root: root.clone(), clusters: names(root), more_clusters: false, plans: &[] }, &source, found),
        None => found.missing(
            root,
            "dynamic_resources.ads_config",
            "where does the configuration come from? `shunt envoy-bootstrap` prints a whole one",
        ),
    }
}

fn names<'v>(root: &At<'v>) -> BTreeSet<&'v str> {
    root.list("static_resources.clusters").iter().map(|cluster| cluster.text("name")).collect()
}

fn node(root: &At<'_>, found: &mut Findings) {
    for (field, message) in [
        ("node.id", "name this proxy, one name per Envoy: proofs and `shunt proxies` go by it"),
        ("node.cluster", "Envoy asks for configuration only with node.id and node.cluster: write any name, for example edge"),
    ] {
        if root.text(field).is_empty() {
            found.missing(root, field, message);
        }
    }
}

fn reports(whole: &Whole<'_>, found: &mut Findings) {
    if whole.clusters.contains(REPORTS) {
        return;
    }
    let message = format!(
        "no cluster {REPORTS}: the filter cannot report, so no step is ever proved; add one to the control plane's API (HTTP/1.1, port 18080), as in envoy/own-routes/envoy.yaml [5]"
    );
    found.missing(&whole.root, "static_resources.clusters", message);
}

/// A gRPC source of configuration: its cluster must be there, and speak HTTP/2.
pub(super) fn api(whole: &Whole<'_>, source: &At<'_>, found: &mut Findings) {
    if !matches!(source.text("api_type"), "GRPC" | "DELTA_GRPC") {
        found.missing(source, "api_type", "Shunt speaks gRPC: write DELTA_GRPC (or GRPC)");
    }
    if source.text("transport_api_version") != "V3" {
        found.missing(source, "transport_api_version", "write V3: Envoy's default is long gone");
    }
    let services = source.list("grpc_services");
    let Some(name) = services.first().and_then(|service| service.field("envoy_grpc.cluster_name")) else {
        return found.missing(source, "grpc_services", "name the control plane's cluster: [{envoy_grpc: {cluster_name: shunt-xds}}]");
    };
    let cluster =
        whole.root.list("static_resources.clusters").into_iter().find(|cluster| Some(cluster.text("name")) == name.value().as_str());
    match cluster {
        None => found.error(&name, format!("there is no cluster {} in static_resources.clusters", name.value())),
        Some(cluster) if !speaks_http2(&cluster) => {
            let field = format!("typed_extension_protocol_options[\"{OPTIONS}\"]");
            found.missing(&cluster, &field, "gRPC needs HTTP/2: write explicit_http_config: {http2_protocol_options: {connection_keepalive: {interval: 10s, timeout: 5s}}}");
        }
        Some(_) => {}
    }
}

fn speaks_http2(cluster: &At<'_>) -> bool {
    let options = ["typed_extension_protocol_options", "typedExtensionProtocolOptions"]
        .iter()
        .find_map(|name| cluster.value().get(*name)?.get(OPTIONS));
    let options = options.map(At::root);
    let new = options.is_some_and(|options| options.field("explicit_http_config.http2_protocol_options").is_some());
    new || cluster.field("http2_protocol_options").is_some()
}
