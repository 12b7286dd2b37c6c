//! Everything that speaks Envoy's protobufs: what a proxy should have ([`World`]) becomes resources ([`render()`]), and a server hands
//! them out and learns what was acknowledged ([`serve`], [`Fleet`]).

pub mod bootstrap;
pub mod fleet;
pub mod publisher;
pub mod render;
pub mod resource;
pub mod server;
mod session;
pub mod snapshot;
mod standing;
pub mod world;

pub use bootstrap::{Bootstrap, ProxyTls, bootstrap};
pub use fleet::{Fleet, Nack, NodeStatus};
pub use publisher::{Gate, Publisher};
pub use render::render;
pub use server::{serve, serve_on};
pub use snapshot::{Inconsistent, Snapshot};
pub use standing::standing;
pub use world::{NodeInfo, World};
