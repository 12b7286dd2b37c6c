//! `shunt-shop`: one version of the sample shop. Prints one JSON line with its address, stops gracefully on SIGTERM or SIGINT.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use clap::Parser;
use shunt_testbed::shop::{Fault, LocalShop, ShopOptions};
use shunt_testbed::upstream::Hello;
use tokio::signal::unix::{SignalKind, signal};

/// One version of the sample shop: says what it was asked, with fault switches at /admin/fault.
#[derive(Debug, Parser)]
#[command(name = "shunt-shop", disable_version_flag = true)]
struct Args {
    /// Its version, in every reply.
    #[arg(long, default_value = "v1")]
    version: String,
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1")]
    address: IpAddr,
    /// Its port; 0: a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Share of requests answered with 500, percent.
    #[arg(long, default_value_t = 0.0)]
    error_percent: f64,
    /// Every answer comes later by this, milliseconds.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// How long it goes on taking requests after SIGTERM, milliseconds.
    #[arg(long, default_value_t = 0)]
    linger_ms: u64,
    /// How long requests in progress may take after that, milliseconds.
    #[arg(long, default_value_t = 10_000)]
    grace_ms: u64,
    /// A header whose values are counted; may be given several times.
    #[arg(long)]
    watch: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut shop = LocalShop::with(ShopOptions {
        version: args.version.clone(),
        address: SocketAddr::new(args.address, args.port),
        grace: Duration::from_millis(args.grace_ms),
        linger: Duration::from_millis(args.linger_ms),
        watch: args.watch,
        fault: Fault { error_percent: args.error_percent, delay_ms: args.delay_ms, ..Fault::default() },
    })
    .await?;
    println!("{}", serde_json::to_string(&Hello { version: args.version, address: shop.address() })?);
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    shop.stop().await;
    Ok(())
}
