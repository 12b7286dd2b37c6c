//! The `shunt` binary.

mod access_store;
mod board;
mod cadence;
mod calls;
mod cli;
mod crash;
mod deploy;
mod hold;
mod http;
mod keyring;
mod metrics;
mod module;
mod observe;
mod outbox;
mod outside;
mod press;
mod proxies;
mod reconcile;
mod recover;
mod requests;
#[cfg(test)]
mod sample;
mod serve;
mod show;
mod standalone;
mod telemetry;
mod tls;
mod tokens;

use std::process::ExitCode;

fn main() -> ExitCode {
    // An instance that is about to be started is this program, too, until it becomes the other one; so is the guard of a command.
    standalone::shim().or_else(calls::guard).unwrap_or_else(cli::run)
}
