//! `shunt-shop`: one version of the sample shop. Prints one JSON line with its address, stops gracefully on SIGTERM or SIGINT.

use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
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
    #[arg(long, env = "PORT", default_value_t = 0)]
    port: u16,
    /// Share of requests answered with an error, percent.
    #[arg(long, default_value_t = 0.0)]
    error_percent: f64,
    /// The status of those answers.
    #[arg(long, default_value_t = 500)]
    error_status: u16,
    /// The `grpc-status` of those answers to gRPC.
    #[arg(long, default_value_t = 14)]
    error_grpc: u8,
    /// Only requests of this method get them.
    #[arg(long)]
    error_method: Option<String>,
    /// Only requests whose cookies end like this get them.
    #[arg(long)]
    error_cookie: Option<String>,
    /// Their share grows from none to that in so many seconds.
    #[arg(long, default_value_t = 0)]
    error_ramp_seconds: u64,
    /// Share of requests answered with 200 and no body, percent.
    #[arg(long, default_value_t = 0.0)]
    empty_percent: f64,
    /// Share of requests that are never answered, percent.
    #[arg(long, default_value_t = 0.0)]
    hang_percent: f64,
    /// Every answer comes later by this, milliseconds.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Only requests that carry this feature flag get errors.
    #[arg(long)]
    error_flag: Option<String>,
    /// Never becomes ready: `/ready` says 503.
    #[arg(long)]
    unready: bool,
    /// Ends with this exit code at once.
    #[arg(long)]
    crash: Option<u8>,
    /// Ends when the process with this id is gone: an instance must not outlive its test, and what started it may be killed.
    #[arg(long)]
    while_alive: Option<u32>,
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
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if let Some(code) = args.crash {
        eprintln!("shunt-shop {}: ends with {code}, as it was asked to", args.version);
        return Ok(ExitCode::from(code));
    }
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut shop = LocalShop::with(ShopOptions {
        version: args.version.clone(),
        address: SocketAddr::new(args.address, args.port),
        grace: Duration::from_millis(args.grace_ms),
        linger: Duration::from_millis(args.linger_ms),
        watch: args.watch,
        fault: Fault {
            error_percent: args.error_percent,
            error_flag: args.error_flag,
            error_status: args.error_status,
            error_grpc: args.error_grpc,
            error_method: args.error_method,
            error_cookie: args.error_cookie,
            error_ramp_seconds: args.error_ramp_seconds,
            empty_percent: args.empty_percent,
            hang_percent: args.hang_percent,
            delay_ms: args.delay_ms,
            ready: !args.unready,
            ..Fault::default()
        },
    })
    .await?;
    println!("{}", serde_json::to_string(&Hello { version: args.version, address: shop.address() })?);
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
        () = gone(args.while_alive) => return Ok(ExitCode::SUCCESS),
    }
    shop.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Waits until the process is gone; for ever without one.
async fn gone(pid: Option<u32>) {
    let Some(pid) = pid else { return std::future::pending().await };
    let place = format!("/proc/{pid}");
    while std::path::Path::new(&place).exists() {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
