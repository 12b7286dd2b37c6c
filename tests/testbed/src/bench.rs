//! Benchmarks: what the filter costs a real Envoy, how fast a bad release is over there, and what a large fleet costs the control plane.

pub mod controller;
pub mod filter;
pub mod live;
