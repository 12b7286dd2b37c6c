//! A child process that cannot outlive its starter, with its output in files.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, kill_process};
use tokio::sync::watch;

pub use rustix::process::Signal;

use crate::locate;
use crate::until::until_some;

/// Sends a signal to a process that another process started for the caller; nothing happens when it has ended.
pub fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let _ = pid.map(|pid| kill_process(pid, signal));
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Spec {
    /// For messages and for the names of the output files.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Set in its environment, beside what it inherits.
    pub env: Vec<(String, String)>,
    /// Where its output files go (`<name>.out`, `<name>.log`); appended to when they exist.
    pub folder: PathBuf,
}

impl Spec {
    /// A program without arguments.
    pub fn new(name: &str, program: PathBuf, folder: &Path) -> Self {
        Self { name: name.to_owned(), program, args: Vec::new(), env: Vec::new(), folder: folder.to_path_buf() }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }
}

/// A running child. Dropping it kills it; so does the death of this process, by the kernel's hand.
///
/// It runs in a process group of its own, so that a terminal's Ctrl-C reaches only the starter, which then stops things in order.
#[derive(Debug)]
pub struct Child {
    name: String,
    pid: u32,
    out: PathBuf,
    log: PathBuf,
    out_start: u64,
    exit: watch::Receiver<Option<ExitStatus>>,
}

impl Child {
    /// Starts it. Errors when the program cannot be run.
    pub fn spawn(spec: &Spec) -> Result<Self> {
        fs::create_dir_all(&spec.folder).with_context(|| format!("making {}", spec.folder.display()))?;
        let out = spec.folder.join(format!("{}.out", spec.name));
        let log = spec.folder.join(format!("{}.log", spec.name));
        let append = |path: &Path| File::options().create(true).append(true).open(path).with_context(|| path.display().to_string());
        let out_file = append(&out)?;
        let out_start = out_file.metadata().map_or(0, |meta| meta.len());
        let mut command = Command::new(locate::leash()?);
        command.arg(std::process::id().to_string()).arg(&spec.program).args(&spec.args);
        command.envs(spec.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(out_file).stderr(append(&log)?);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let (pid, exit) = watched(command, &spec.name)?;
        Ok(Self { name: spec.name.clone(), pid, out, log, out_start, exit })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended; none while it runs.
    pub fn exited(&self) -> Option<ExitStatus> {
        *self.exit.borrow()
    }

    /// Sends a signal; nothing happens when it has ended.
    pub fn signal(&self, signal: Signal) {
        if self.exited().is_none() {
            let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
            // It may end in this very moment; then there is no process to signal, which is what was wanted.
            let _ = pid.map(|pid| kill_process(pid, signal));
        }
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let start = Instant::now();
        while self.exited().is_none() && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// SIGTERM, and waits until it has ended. An error when it has not within `grace`; then it is killed.
    pub async fn stop(&mut self, grace: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM);
        match self.wait(grace).await {
            Ok(status) => Ok(status),
            Err(error) => {
                self.kill();
                Err(error.context(format!("{} did not stop by itself", self.name)))
            }
        }
    }

    /// Waits until it ends by itself.
    pub async fn wait(&self, deadline: Duration) -> Result<ExitStatus> {
        let mut exit = self.exit.clone();
        let ended = tokio::time::timeout(deadline, exit.wait_for(Option::is_some)).await;
        match ended {
            Ok(Ok(status)) => status.context("ended without a status"),
            Ok(Err(_)) => bail!("{} was lost", self.name),
            Err(_) => bail!("{} still runs after {deadline:?}\n{}", self.name, self.log_tail(20)),
        }
    }

    /// Waits for the first whole line on its standard output since it was started.
    pub async fn first_line(&self, deadline: Duration) -> Result<String> {
        let line = until_some(format!("{} prints a line", self.name), deadline, || async {
            let text = self.output().split_once('\n').map(|(line, _)| line.to_owned());
            text.or_else(|| self.exited().map(|_| String::new()))
        });
        match line.await {
            Ok(line) if !line.is_empty() => Ok(line),
            Ok(_) => bail!("{} ended ({:?}) before it printed anything\n{}", self.name, self.exited(), self.log_tail(20)),
            Err(error) => Err(error.context(self.log_tail(20))),
        }
    }

    /// Its standard output since it was started.
    pub fn output(&self) -> String {
        let bytes = fs::read(&self.out).unwrap_or_default();
        let start = usize::try_from(self.out_start).unwrap_or(0).min(bytes.len());
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }

    /// Its standard error.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The last lines of its standard error, with a heading.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        let tail = &all[all.len().saturating_sub(lines)..];
        format!("--- last lines of {} ({}) ---\n{}", self.name, self.log.display(), tail.join("\n"))
    }

    /// CPU time its threads have used so far, user and system (`/proc/<pid>/task/*/schedstat`).
    /// Threads that have ended are missing. `thread` picks those whose name starts with it; empty: all.
    pub fn cpu(&self, thread: &str) -> Result<Duration> {
        let mut total = 0_u64;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid)).with_context(|| format!("{} runs no more", self.name))? {
            let path = task?.path();
            let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
            if name.starts_with(thread) {
                let stat = fs::read_to_string(path.join("schedstat")).unwrap_or_default();
                total += stat.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        Ok(Duration::from_nanos(total))
    }

    /// Anonymous memory that it has in RAM, bytes (`RssAnon` of `/proc/<pid>/status`): what it made itself, without files that others share.
    pub fn anonymous(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).with_context(|| format!("{} runs no more", self.name))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("the kernel does not tell RssAnon")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().context("RssAnon is no number")?;
        Ok(kibibytes * 1024)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tail(30));
        }
        self.kill();
    }
}

/// Spawns and waits on a thread of its own: the kernel's death signal belongs to the thread that spawned, not to the process,
/// so that thread must live as long as the child.
fn watched(mut command: Command, name: &str) -> Result<(u32, watch::Receiver<Option<ExitStatus>>)> {
    let (spawned, pid) = mpsc::channel();
    let (ended, exit) = watch::channel(None);
    let thread = std::thread::Builder::new().name(format!("child {name}")).stack_size(256 * 1024);
    thread.spawn(move || match command.spawn() {
        Ok(mut child) => {
            let _ = spawned.send(Ok(child.id()));
            ended.send_replace(child.wait().ok());
        }
        Err(error) => {
            let _ = spawned.send(Err(error));
        }
    })?;
    let pid = pid.recv().context("the spawning thread ended")?.with_context(|| format!("starting {name}"))?;
    Ok((pid, exit))
}
