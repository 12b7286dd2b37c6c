//! `shunt-bench`: benchmarks on a real Envoy. `cargo xtask bench` builds what it needs and starts it.

use clap::{Parser, Subcommand};
use shunt_testbed::bench;

/// Benchmarks on a real Envoy.
#[derive(Debug, Parser)]
#[command(name = "shunt-bench")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What the filter costs Envoy per request, beside a no-op and Lua.
    Filter(bench::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Args::parse().what {
        What::Filter(options) => tokio::select! {
            done = bench::filter(&options) => done,
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        },
    }
}
