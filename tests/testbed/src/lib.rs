//! Real processes for tests, demo and benchmarks: Envoy, the sample shop, load with users, the control plane.
//!
//! Nothing here is linked by the product. Everything started here is a child of the caller, listens on loopback on a port
//! chosen at run time, and is gone when its handle is dropped or its starter dies, however that happens.

pub mod bench;
pub mod client;
pub mod control_plane;
pub mod demo;
pub mod envoy;
pub mod events;
pub mod grpc;
pub mod load;
pub mod locate;
pub mod port;
pub mod process;
pub mod prometheus;
pub mod receiver;
pub mod scenario;
pub mod shop;
pub mod tally;
pub mod until;
pub mod upstream;
pub mod webhooks;
pub mod websocket;

pub use client::{Client, Reply, Wire};
pub use control_plane::ControlPlane;
pub use envoy::{Envoy, EnvoyOptions};
pub use load::{Load, RunningLoad, Users};
pub use port::free_port;
pub use prometheus::Prometheus;
pub use receiver::Receiver;
pub use scenario::Scenario;
pub use shop::{Counts, Fault, LocalShop};
pub use tally::Tally;
pub use until::until;
pub use upstream::Shop;
