//! `shunt-demo`: what `cargo xtask demo` runs.

use clap::Parser;
use shunt_testbed::demo;

/// The main job on real Envoy, live.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask demo", version)]
struct Args {
    #[command(flatten)]
    options: demo::Options,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    tokio::select! {
        outcome = demo::run(&args.options) => outcome,
        _ = tokio::signal::ctrl_c() => {
            // Everything started is dropped with the future above, and so ended.
            eprintln!("\nended; nothing is left running");
            Ok(())
        }
    }
}
