//! The `shunt` binary.

mod access_store;
mod cadence;
mod calls;
mod cli;
mod crash;
mod edits;
mod hold;
mod http;
mod integrations;
mod keyring;
mod metrics;
mod module;
mod observe;
mod outbox;
mod pace;
mod platform;
mod policy_aggregator;
mod policy_publisher;
mod proxies;
mod reconcile;
mod recover;
mod requests;
mod rollouts;
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
