//! Configuration -> snapshot, pure: what one proxy should have, in Envoy's words.

mod cluster;
mod endpoint;
mod extension;
mod hosts;
mod listener;
mod route;

use envoy_types::pb::google::protobuf::{BoolValue, Duration, UInt32Value};
use shunt_core::desired::Routes;
use shunt_spec::Span;

pub(crate) use self::listener::{REQUEST_HEADERS, STREAM_IDLE};
use crate::proxy_config::{NodeInfo, ProxyConfig};
use crate::resource::Kind;
use crate::snapshot::{Inconsistent, Snapshot};

/// Name of the listener, of the route configuration, and of the filter with its configuration.
pub const SHUNT: &str = "shunt";

/// Everything that one proxy should have. A proxy that asks for no listener of ours gets the filter's configuration only: its routes
/// and clusters are its own. Errors when names would lead nowhere.
pub fn render(config: &ProxyConfig, node: &NodeInfo) -> Result<Snapshot, Inconsistent> {
    let mut snapshot = Snapshot::default();
    snapshot.add(Kind::Extension, extension::extension(config, node));
    if let Some(listen) = node.listen {
        snapshot.add(Kind::Listener, listener::listener(listen));
        snapshot.add(Kind::Routes, route::configuration(&config.routes));
        for routes in &config.routes {
            add_service(&mut snapshot, routes);
        }
    }
    snapshot.consistent()
}

fn add_service(snapshot: &mut Snapshot, routes: &Routes) {
    for version in &routes.versions {
        for cluster in cluster::clusters(routes, version) {
            snapshot.add(Kind::Cluster, cluster);
        }
        for endpoints in endpoint::endpoints(routes, version) {
            snapshot.add(Kind::Endpoints, endpoints);
        }
    }
}

fn duration(span: Span) -> Option<Duration> {
    let nanos = i32::try_from(span.0 % 1_000 * 1_000_000).unwrap_or(0);
    Some(Duration { seconds: i64::try_from(span.0 / 1_000).unwrap_or(i64::MAX), nanos })
}

fn number(value: u32) -> Option<UInt32Value> {
    Some(UInt32Value { value })
}

fn boolean(value: bool) -> Option<BoolValue> {
    Some(BoolValue { value })
}
