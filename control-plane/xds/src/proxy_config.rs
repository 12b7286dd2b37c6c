//! What the proxies should have, in our own words; [`crate::render()`] turns it into Envoy's.

use std::net::SocketAddr;
use std::sync::Arc;

use shunt_core::desired::Routes;

/// Everything the proxies should have.
#[derive(Debug, Clone, PartialEq)]
pub struct ProxyConfig {
    /// One entry per service whose routes, clusters and endpoints are ours.
    pub routes: Vec<Routes>,
    /// The routing policy: JSON of `RoutingPolicy`. Its meaning is the filter's; here it is text.
    pub policy: String,
    /// The filter's module: wasm bytes.
    pub module: Arc<[u8]>,
}

/// What a proxy says of itself in its bootstrap: `node.id`, and `node.metadata.shunt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// Node id.
    pub id: String,
    /// Where its listener should be (`listen`); none: it asks for no listener of ours.
    pub listen: Option<SocketAddr>,
    /// Where the module lies on its disk (`module`); none: the module goes with the configuration.
    pub module: Option<String>,
}
