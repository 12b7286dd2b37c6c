//! A command: a process group of its own, the context in its environment and on its standard input, its output kept in bounds.

mod guard;

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use shunt_core::call::Reply;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::task::JoinSet;

use super::Message;
use super::post::one_line;
use guard::Guard;
pub(crate) use guard::guard;

/// Kept of each output, bytes, from its end.
const OUTPUT_MAX: usize = 4_096;
/// Between SIGTERM and SIGKILL, after the time-out.
const GRACE: Duration = Duration::from_secs(2);
/// How long output may take to arrive after the process has ended: what it left running may hold the pipe for ever.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// One try.
pub(super) async fn run(command: &[String], message: &Message) -> Reply {
    let mut child = match spawn(command, message) {
        Ok(child) => child,
        Err(error) => return Reply::Neither { note: format!("{} cannot be started: {error}", command.first().map_or("", String::as_str)) },
    };
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let mut outputs = Outputs::of(&mut child);
    outputs.feed(&mut child, message.body.clone());
    match tokio::time::timeout(message.patience(), child.wait()).await {
        Ok(status) => {
            // It is reaped: its number may be another process's from now on.
            group.0 = None;
            verdict(command, status, &outputs.end().await)
        }
        Err(_) => {
            group.signal(Signal::TERM);
            tokio::time::sleep(GRACE).await;
            // Not waited for before: as long as it is not reaped, its number is still its own.
            group.signal(Signal::KILL);
            group.0 = None;
            drop(child.wait().await);
            let said = outputs.end().await;
            Reply::Nothing { note: with(&format!("not done within {}, killed", message.timeout), &said) }
        }
    }
}

fn spawn(command: &[String], message: &Message) -> std::io::Result<Child> {
    let (program, arguments) = command.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    Guard::here()
        .command(program, arguments, message.body.len())
        .envs(message.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

fn verdict(command: &[String], status: std::io::Result<ExitStatus>, said: &str) -> Reply {
    let by = command.first().cloned().unwrap_or_default();
    match status {
        Ok(status) if status.success() => Reply::Yes { by, note: said.to_owned() },
        Ok(status) if status.code().is_some() => Reply::Neither { note: with(&status.to_string(), said) },
        Ok(status) => Reply::Nothing { note: with(&status.to_string(), said) },
        Err(error) => Reply::Nothing { note: error.to_string() },
    }
}

fn with(what: &str, said: &str) -> String {
    if said.is_empty() { what.to_owned() } else { format!("{what}: {said}") }
}

/// A process group that is killed when it is not waited for any more.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // It may have ended by itself.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

type Tail = Arc<Mutex<Vec<u8>>>;

/// What a process says, as it says it.
struct Outputs {
    out: Tail,
    err: Tail,
    readers: JoinSet<()>,
    feeder: JoinSet<()>,
}

impl Outputs {
    fn of(child: &mut Child) -> Self {
        let (out, err) = (Tail::default(), Tail::default());
        let mut readers = JoinSet::new();
        if let Some(pipe) = child.stdout.take() {
            readers.spawn(keep(pipe, out.clone()));
        }
        if let Some(pipe) = child.stderr.take() {
            readers.spawn(keep(pipe, err.clone()));
        }
        Self { out, err, readers, feeder: JoinSet::new() }
    }

    /// A process that does not read its input is no error. A guard's pipe stays open until it is not waited for any more.
    fn feed(&mut self, child: &mut Child, body: Vec<u8>) {
        if let Some(mut pipe) = child.stdin.take() {
            self.feeder.spawn(async move {
                drop(pipe.write_all(&body).await);
                if Guard::here() == Guard::Own {
                    std::future::pending::<()>().await;
                }
            });
        }
    }

    /// The last that it said: its errors, or else its output.
    async fn end(mut self) -> String {
        let all = async { while self.readers.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_WORDS, all).await;
        let text = |tail: &Tail| last_line(&tail.lock().unwrap_or_else(PoisonError::into_inner));
        Some(text(&self.err)).filter(|text| !text.is_empty()).unwrap_or_else(|| text(&self.out))
    }
}

fn last_line(bytes: &[u8]) -> String {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(one_line);
    lines.rfind(|line| !line.is_empty()).unwrap_or_default()
}

/// Reads to the end, keeps the last part.
async fn keep(mut pipe: impl AsyncRead + Unpin, tail: Tail) {
    let mut buffer = vec![0; OUTPUT_MAX];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend_from_slice(&buffer[..read]);
        let surplus = tail.len().saturating_sub(OUTPUT_MAX);
        tail.drain(..surplus);
    }
}

#[cfg(test)]
mod tests;
