//! Runs a program that dies with its starter: this executable, called again, asks the kernel for that and becomes the program.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// The hidden first argument.
pub(crate) const VERB: &str = "__leash";

/// `xtask __leash <program> [argument]...`
pub(crate) fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(2);
    let Some(program) = args.next() else {
        eprintln!("usage: xtask {VERB} <program> [argument]...");
        return ExitCode::from(2);
    };
    let starter = getppid();
    let bound = set_parent_process_death_signal(Some(Signal::KILL));
    // The starter may have died before the kernel knew of the wish.
    if bound.is_err() || getppid() != starter {
        return ExitCode::FAILURE;
    }
    let error = Command::new(&program).args(args).exec();
    eprintln!("xtask: cannot run {}: {error}", program.display());
    ExitCode::from(127)
}
