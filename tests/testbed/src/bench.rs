//! Benchmarks on a real Envoy: what the filter costs, and how fast a bad release is over.

pub mod filter;
pub mod live;
