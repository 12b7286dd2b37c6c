//! The `shunt` binary.

mod asks;
mod board;
mod cadence;
mod cli;
mod http;
mod module;
mod observe;
mod press;
mod proxies;
mod reconcile;
mod serve;
mod show;
mod standalone;
mod telemetry;
mod tls;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
