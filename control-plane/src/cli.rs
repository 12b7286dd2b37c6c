//! The command line: one file per verb in `cli/`.

mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use serve::ServeArgs;

#[derive(Debug, Parser)]
#[command(name = "shunt", version, about = "Progressive delivery for Envoy and Istio")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the control plane
    Serve(ServeArgs),
}

/// Reads the arguments and does what they say.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Serve(args) => serve(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: ServeArgs) -> anyhow::Result<()> {
    crate::telemetry::start();
    tokio::runtime::Runtime::new()?.block_on(crate::serve::run(args))
}
