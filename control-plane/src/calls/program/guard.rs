//! A command that dies with the control plane, however that dies: between the two stands this program, and reads. As long as the
//! control plane lives the pipe stays open; the kernel closes it also for one that was killed with SIGKILL, and then the whole
//! process group goes. Otherwise a migration would go on beside the one that the next control plane starts.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitCode, ExitStatus, Stdio};

use rustix::process::{Signal, getpgrp, getpid, kill_process, kill_process_group};
use tokio::process::Command;

/// The argument that makes this program the guard; then the length of the input, the program and its arguments.
const GUARD: &str = "__call";

/// What a shell says of a program that it cannot run.
const CANNOT_RUN: u8 = 127;

/// Whether a guard stands between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// This program itself, also when its file was replaced meanwhile.
    Own,
    /// None: the program of unit tests is none.
    Missing,
}

impl Guard {
    pub(super) fn here() -> Self {
        if cfg!(test) { Self::Missing } else { Self::Own }
    }

    /// The command, which finds so many bytes on its standard input.
    pub(super) fn command(self, program: &str, arguments: &[String], input: usize) -> Command {
        let mut command = match self {
            Self::Missing => Command::new(program),
            Self::Own => {
                let mut command = Command::new("/proc/self/exe");
                command.arg(GUARD).arg(input.to_string()).arg(program);
                command
            }
        };
        command.args(arguments);
        command
    }
}

/// When this program was started as the guard: runs the command, and ends as it does.
pub(crate) fn guard() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    args.next().filter(|first| first == GUARD)?;
    let input = args.next()?.to_str()?.parse().ok()?;
    let program = args.next()?;
    Some(watch(input, &program, args))
}

fn watch(input: usize, program: &OsString, args: impl Iterator<Item = OsString>) -> ExitCode {
    let mut body = vec![0; input];
    if io::stdin().read_exact(&mut body).is_err() {
        // The control plane that started it is gone already.
        return ExitCode::FAILURE;
    }
    let spawned = std::process::Command::new(program).args(args).stdin(Stdio::piped()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            eprintln!("{} cannot be started: {error}", program.display());
            return ExitCode::from(CANNOT_RUN);
        }
    };
    std::thread::spawn(end_with_the_starter);
    feed(&mut child, body);
    match child.wait() {
        Ok(status) => as_it_did(status),
        Err(_) => ExitCode::FAILURE,
    }
}

/// Nothing more is ever written: what ends the reading is the starter's end.
fn end_with_the_starter() {
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
    let _ = kill_process_group(getpgrp(), Signal::KILL);
}

/// A process that does not read its input is no error.
fn feed(child: &mut Child, body: Vec<u8>) {
    if let Some(mut pipe) = child.stdin.take() {
        std::thread::spawn(move || drop(pipe.write_all(&body)));
    }
}

fn as_it_did(status: ExitStatus) -> ExitCode {
    if let Some(signal) = status.signal().and_then(Signal::from_named_raw) {
        let _ = kill_process(getpid(), signal);
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
