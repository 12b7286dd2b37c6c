//! Child processes: shown or silent, never left behind.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::{leash, place};

/// The running child's process group; 0: none.
static GROUP: AtomicI32 = AtomicI32::new(0);
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// How long a child may take to end after it was told to.
const GRACE: Duration = Duration::from_secs(15);

/// Hands Ctrl-C and SIGTERM on to the whole family of the running child, so that no process stays behind, wherever the signal came from.
pub(crate) fn watch_signals() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    std::thread::spawn(move || {
        for number in signals.forever() {
            INTERRUPTED.store(true, Ordering::Relaxed);
            let Some(group) = Pid::from_raw(GROUP.load(Ordering::Relaxed)) else { std::process::exit(130) };
            let signal = if number == SIGINT { Signal::INT } else { Signal::TERM };
            let _ = kill_process_group(group, signal);
            std::thread::spawn(move || {
                std::thread::sleep(GRACE);
                let _ = kill_process_group(group, Signal::KILL);
            });
        }
    });
}

/// A command in the making.
#[derive(Debug)]
pub(crate) struct Run {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(String, OsString)>,
    unset: Vec<String>,
}

impl Run {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self { program: program.as_ref().to_owned(), args: Vec::new(), env: Vec::new(), unset: Vec::new() }
    }

    /// Cargo of the toolchain that runs this.
    pub(crate) fn cargo() -> Self {
        Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn envs(self, pairs: impl IntoIterator<Item = (String, OsString)>) -> Self {
        pairs.into_iter().fold(self, |run, (name, value)| run.env(&name, value))
    }

    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.unset.push(name.to_owned());
        self
    }

    /// Runs it with its output shown. An error when it fails.
    pub(crate) fn show(self) -> Result<()> {
        let text = self.text();
        let status = self.status(Stdio::inherit(), Stdio::inherit())?;
        if status.success() { Ok(()) } else { bail!("{text}: {status}") }
    }

    /// Runs it silently; its output is shown only when it fails.
    pub(crate) fn quiet(self) -> Result<String> {
        let text = self.text();
        let log = place::target().join("xtask");
        std::fs::create_dir_all(&log)?;
        let log = log.join(format!("{}.log", std::process::id()));
        let file = std::fs::File::create(&log).with_context(|| log.display().to_string())?;
        let status = self.status(file.try_clone()?.into(), file.into());
        let output = String::from_utf8_lossy(&std::fs::read(&log).unwrap_or_default()).into_owned();
        let _ = std::fs::remove_file(&log);
        if status?.success() { Ok(output) } else { bail!("{text} failed:\n{}", tail(&output, 15)) }
    }

    fn text(&self) -> String {
        let program = Path::new(&self.program).file_name().unwrap_or(&self.program);
        let mut words = vec![program.to_string_lossy()];
        words.extend(self.args.iter().map(|arg| arg.to_string_lossy()));
        words.join(" ")
    }

    fn status(self, out: Stdio, err: Stdio) -> Result<ExitStatus> {
        // Not `current_exe`: a build may have replaced the file meanwhile.
        let mut command = Command::new("/proc/self/exe");
        command.arg(leash::VERB).arg(&self.program).args(&self.args);
        command.current_dir(place::root()).stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
        for name in &self.unset {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn().with_context(|| format!("starting {}", self.program.display()))?;
        GROUP.store(i32::try_from(child.id())?, Ordering::Relaxed);
        let status = child.wait()?;
        GROUP.store(0, Ordering::Relaxed);
        if INTERRUPTED.load(Ordering::Relaxed) {
            std::process::exit(status.signal().map_or(130, |signal| 128 + signal));
        }
        Ok(status)
    }
}

fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// One line of progress.
pub(crate) fn say(line: impl std::fmt::Display) {
    if std::io::stderr().is_terminal() {
        eprintln!("\x1b[1;32m{:>12}\x1b[0m {line}", "xtask");
    } else {
        eprintln!("{:>12} {line}", "xtask");
    }
}

/// A part that cannot run: a line, or an error with `CI` set.
pub(crate) fn skip(what: &str, why: &str) -> Result<()> {
    if place::ci() {
        bail!("{what} cannot run: {why}");
    }
    say(format_args!("left out: {what}: {why}"));
    Ok(())
}
