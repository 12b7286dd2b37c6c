//! Makes processes in two steps, so that none runs that is not recorded: a shim that waits for a word becomes the program when it
//! gets it, and ends when the control plane that started it dies before.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};

use shunt_core::instance::Process;
use shunt_spec::plan::CommandBackend;

use super::process::identify;

/// The argument that makes this program the shim.
const SHIM: &str = "__instance";

/// Which shim is used.
#[derive(Debug, Clone)]
pub(crate) struct Launcher {
    program: PathBuf,
    args: Vec<OsString>,
}

impl Default for Launcher {
    /// This program itself, also when its file was replaced meanwhile.
    fn default() -> Self {
        Self { program: PathBuf::from("/proc/self/exe"), args: vec![SHIM.into()] }
    }
}

/// A process that waits for its word. Dropped without it, the process ends.
#[derive(Debug)]
pub(super) struct Held {
    child: Child,
    word: ChildStdin,
    pub(super) process: Process,
}

impl Launcher {
    /// Another shim, for tests whose own program is none.
    #[cfg(test)]
    pub(crate) fn with(program: &str, args: &[&str]) -> Self {
        Self { program: program.into(), args: args.iter().map(OsString::from).collect() }
    }

    /// Makes the process; it runs nothing of the command's yet.
    pub(super) fn hold(&self, backend: &CommandBackend, port: u16, about: &[(&str, String)], log: File) -> io::Result<Held> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).args(&backend.command).envs(&backend.env).envs(about.iter().map(|(name, value)| (name, value)));
        command.env(&backend.port_env, port.to_string());
        if let Some(folder) = &backend.work_dir {
            if !std::path::Path::new(folder).is_dir() {
                return Err(io::Error::other(format!("workDir {folder} is not a folder")));
            }
            command.current_dir(folder);
        }
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        let mut child = command.spawn()?;
        let word = child.stdin.take().ok_or_else(|| io::Error::other("no pipe to the process"))?;
        let process = identify(child.id())?;
        Ok(Held { child, word, process })
    }
}

impl Held {
    /// Lets it become the program.
    pub(super) fn release(mut self) -> Child {
        // It may have been killed meanwhile; then its end is seen like any other.
        drop(self.word.write_all(b"\n"));
        self.child
    }
}

/// When this program was started as the shim: waits for the word, then becomes the program; returns only when it cannot.
pub(crate) fn shim() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    args.next().filter(|first| first == SHIM)?;
    let program = args.next()?;
    // A session of its own: no terminal's Ctrl-C or hang-up reaches it. It cannot fail: this process leads no group.
    let _ = rustix::process::setsid();
    if io::stdin().read_exact(&mut [0]).is_err() {
        return Some(ExitCode::FAILURE);
    }
    let error = Command::new(&program).args(args).stdin(Stdio::null()).exec();
    eprintln!("cannot run {}: {error}", program.display());
    Some(ExitCode::from(127))
}
