//! `shunt sample-server`: a version of a service to try releases with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use clap::Args;
use shunt_spec::Span;
use tokio::net::TcpListener;

use super::console::Console;
use super::exit::Exit;

const EXAMPLES: &str = "Answers every request with its version, also in the header x-version; for trying Shunt, not for users.

Examples:
  shunt sample-server v1 --listen 127.0.0.1:9001
  shunt sample-server v2 --listen 127.0.0.1:9002 --fail 30      a bad release
  shunt sample-server v2 --listen 127.0.0.1:9002 --delay 80ms   a slow one";

/// How it answers.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SampleServerArgs {
    /// What it calls itself
    #[arg(value_name = "VERSION")]
    name: String,

    /// Where it listens; loopback only
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9001", value_parser = loopback)]
    listen: SocketAddr,

    /// Percent of answers that are 500
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent)]
    fail: f64,

    /// How long each answer takes: a whole number with its unit (ms, s)
    #[arg(long, value_name = "TIME", default_value = "0s")]
    delay: Span,
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = text.parse().map_err(|_| format!("{text:?} is not an address: write for example 127.0.0.1:9001"))?;
    if address.ip().is_loopback() { Ok(address) } else { Err("a sample serves this machine only: write 127.0.0.1 or [::1]".to_owned()) }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse::<f64>().ok().filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| format!("{text:?} is not a percentage: write 0 to 100"))
}

/// What each answer is made of.
struct Sample {
    version: String,
    fail: f64,
    delay: Duration,
}

/// `shunt sample-server`: until it is interrupted.
pub(crate) async fn run(args: &SampleServerArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let listener = TcpListener::bind(args.listen).await.with_context(|| format!("{} cannot be listened at", args.listen))?;
    console.line(&format!("{} answers at http://{}", super::paint::tame(&args.name), listener.local_addr()?))?;
    console.out.flush()?;
    let sample = Sample { version: args.name.clone(), fail: args.fail, delay: Duration::from_millis(args.delay.0) };
    axum::serve(listener, Router::new().fallback(answer).with_state(Arc::new(sample))).await?;
    Ok(Exit::Done)
}

async fn answer(State(sample): State<Arc<Sample>>) -> Response {
    tokio::time::sleep(sample.delay).await;
    let failed = fastrand::f64() * 100.0 < sample.fail;
    let status = if failed { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    (status, [("x-version", sample.version.clone())], format!("{}\n", sample.version)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_served() {
        assert!(loopback("127.0.0.1:9001").is_ok() && loopback("[::1]:0").is_ok());
        assert!(loopback("0.0.0.0:9001").is_err() && loopback("9001").is_err());
        assert_eq!((percent("30").ok(), percent("30%").ok(), percent("101").ok()), (Some(30.0), Some(30.0), None));
    }
}
