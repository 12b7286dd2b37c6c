//! Everything that speaks Envoy's protobufs: what a proxy should have ([`ProxyConfig`]) becomes resources ([`render()`]), and a server
//! hands them out and learns what was acknowledged ([`serve`], [`Fleet`]).

pub mod bootstrap;
pub mod fleet;
pub mod proxy_config;
pub mod publisher;
pub mod render;
pub mod resource;
pub mod server;
mod session;
pub mod snapshot;
mod static_bootstrap;

pub use bootstrap::{Bootstrap, ProxyTls, bootstrap};
pub use fleet::{Fleet, Nack, NodeStatus};
pub use proxy_config::{NodeInfo, ProxyConfig};
pub use publisher::{Gate, Publisher};
pub use render::render;
pub use server::{serve, serve_on};
pub use snapshot::{Inconsistent, Snapshot};
pub use static_bootstrap::static_bootstrap;
