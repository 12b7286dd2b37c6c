//! Runs a program that dies with its starter: `shunt-leash <pid of the starter> <program> [argument]...`;
//! with `parent` instead of a process id the starter is the process that runs this.
//!
//! It asks the kernel for SIGKILL at the starter's death and then becomes the program, so the process id stays the same.
//! A program of its own because the safe way to ask is from inside the child, before `exec`.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let parent = || getppid().map(rustix::process::Pid::as_raw_nonzero).map(i32::from);
    let starter = args.next().and_then(|word| if word == "parent" { parent() } else { word.to_str()?.parse::<i32>().ok() });
    let (Some(starter), Some(program)) = (starter, args.next()) else {
        eprintln!("usage: shunt-leash <pid of the starter, or parent> <program> [argument]...");
        return ExitCode::from(2);
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        eprintln!("shunt-leash: cannot bind to the starter's life: {error}");
        return ExitCode::FAILURE;
    }
    // The starter may have died before the kernel knew of the wish.
    if parent() != Some(starter) {
        return ExitCode::FAILURE;
    }
    let error = Command::new(&program).args(args).exec();
    eprintln!("shunt-leash: cannot run {}: {error}", program.display());
    ExitCode::FAILURE
}
