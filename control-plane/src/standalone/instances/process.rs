//! Processes by who they are, not by their number alone: a number is used again.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, pidfd_send_signal};
use shunt_core::instance::Process;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What became of a recorded process.
#[derive(Debug)]
pub(super) enum Standing {
    /// It runs; this tells when it ends.
    Alive(OwnedFd),
    /// It ended.
    Ended,
    /// The machine was started anew meanwhile.
    OtherBoot,
}

/// Who has this number now.
pub(super) fn identify(pid: u32) -> io::Result<Process> {
    Ok(Process { pid, start: stat(pid)?.start, boot: boot()? })
}

/// Whether a recorded process still runs.
pub(super) fn standing(process: &Process) -> Standing {
    match boot() {
        Ok(boot) if boot == process.boot => {}
        Ok(_) | Err(_) => return Standing::OtherBoot,
    }
    // The handle first: the process that it names cannot change any more, so what is read next is about that process or about none.
    let Some(handle) = number(process.pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
        return Standing::Ended;
    };
    match stat(process.pid) {
        Ok(stat) if stat.start == process.start && !stat.ended => Standing::Alive(handle),
        Ok(_) | Err(_) => Standing::Ended,
    }
}

/// Sends a signal to a process and to what it started, unless it has ended.
pub(super) fn signal(process: &Process, signal: Signal) {
    let Standing::Alive(handle) = standing(process) else { return };
    let group = number(process.pid).map(|pid| kill_process_group(pid, signal));
    if !matches!(group, Some(Ok(()))) {
        // It may end in this very moment; then there is no process to signal, which is what was wanted.
        let _ = pidfd_send_signal(&handle, signal);
    }
}

/// Waits until a process ends; how, when it is a child of ours.
#[expect(deprecated, reason = "the handle is owned here until it is deregistered, and its successor is an unsafe function")]
pub(super) async fn ended(handle: OwnedFd, child: Option<Child>) -> String {
    match AsyncFd::with_interest(handle, Interest::READABLE) {
        Ok(handle) => drop(handle.readable().await),
        Err(error) => tracing::error!("a process cannot be watched: {error}"),
    }
    if let Some(group) = child.as_ref().and_then(|child| number(child.id())) {
        // What it started goes with it. It is not reaped yet, so its number is still its own.
        let _ = kill_process_group(group, Signal::KILL);
    }
    reaped(child)
}

/// How a process ended that has ended.
pub(super) fn reaped(child: Option<Child>) -> String {
    match child.map(|mut child| child.wait()) {
        Some(Ok(status)) => words(status),
        Some(Err(error)) => format!("ended, how is not known: {error}"),
        None => "ended, exit code unknown (started before the control plane)".to_owned(),
    }
}

fn words(status: ExitStatus) -> String {
    match (status.code(), std::os::unix::process::ExitStatusExt::signal(&status)) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

fn number(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

struct Stat {
    start: u64,
    ended: bool,
}

/// Fields 3 and 22 of `/proc/<pid>/stat`; the second one, the name, may hold anything, parentheses too.
fn stat(pid: u32) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let odd = || io::Error::other(format!("/proc/{pid}/stat is not as expected"));
    let mut fields = text.rsplit_once(')').ok_or_else(odd)?.1.split_ascii_whitespace();
    let state = fields.next().ok_or_else(odd)?;
    let start = fields.nth(18).and_then(|field| field.parse().ok()).ok_or_else(odd)?;
    Ok(Stat { start, ended: matches!(state, "Z" | "X") })
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_another_one_with_its_number() {
        let own = identify(std::process::id()).unwrap();
        assert!(matches!(standing(&own), Standing::Alive(_)));
        assert!(matches!(standing(&Process { start: own.start + 1, ..own.clone() }), Standing::Ended));
        assert!(matches!(standing(&Process { boot: "another".to_owned(), ..own }), Standing::OtherBoot));
    }

    #[tokio::test]
    async fn the_end_of_a_child_is_told_with_its_code() {
        let mut child =
            std::process::Command::new("sh").args(["-c", "read x; exit 7"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
        let Standing::Alive(handle) = standing(&identify(child.id()).unwrap()) else { panic!("it runs") };
        drop(child.stdin.take());
        assert_eq!(ended(handle, Some(child)).await, "exit code 7");
    }
}
