//! `shunt-bench`: benchmarks on a real Envoy, and of the control plane with simulated proxies. `cargo xtask bench` builds what it needs and starts it.

use clap::{Parser, Subcommand};
use shunt_testbed::bench;

/// Benchmarks on a real Envoy, and of the control plane with simulated proxies.
#[derive(Debug, Parser)]
#[command(name = "shunt-bench")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What the filter costs Envoy per request, beside a no-op and Lua.
    Filter(bench::filter::Options),
    /// How fast a bad release is over, and where the time goes.
    Live(bench::live::Options),
    /// What a large fleet costs the control plane.
    Controller(bench::controller::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let run = async {
        match Args::parse().what {
            What::Filter(options) => bench::filter::filter(&options).await,
            What::Live(options) => bench::live::live(&options).await,
            What::Controller(options) => bench::controller::controller(&options).await,
        }
    };
    tokio::select! {
        done = run => done,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
    }
}
