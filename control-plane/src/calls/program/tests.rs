//! Real processes.

use std::time::{Duration, Instant};

use shunt_spec::plan::call::{Action, CallKind, CallSpec};
use shunt_spec::{Span, Time};

use super::*;

fn message(timeout: Span) -> Message {
    let spec = CallSpec { name: "x".to_owned(), kind: CallKind::Hook, action: Action::Manual, timeout, retries: 0 };
    Message {
        action: spec.action,
        timeout: spec.timeout,
        at: Time(0),
        content_type: "application/json",
        headers: Vec::new(),
        environment: vec![("SHUNT_CANDIDATE", "v2".to_owned())],
        body: br#"{"candidate":"v2"}"#.to_vec(),
    }
}

async fn shell(script: &str) -> Reply {
    let command = ["/bin/sh", "-c", script].map(str::to_owned);
    run(&command, &message(Span::seconds(20))).await
}

#[tokio::test]
async fn context_is_in_the_environment_and_on_standard_input() {
    let reply = shell("read -r line; echo ignored; echo \"$SHUNT_CANDIDATE $line\"").await;
    assert_eq!(reply, Reply::Yes { by: "/bin/sh".to_owned(), note: r#"v2 {"candidate":"v2"}"#.to_owned() });
}

#[tokio::test]
async fn exit_codes_are_answers_and_signals_are_none() {
    assert_eq!(shell("echo out; echo no luck >&2; exit 3").await, Reply::Neither { note: "exit status: 3: no luck".to_owned() });
    let killed = shell("kill -9 $$").await;
    assert!(matches!(&killed, Reply::Nothing { note } if note.contains("signal: 9")), "{killed:?}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_said_by_name() {
    let reply = run(&["/nowhere/migrate".to_owned()], &message(Span::seconds(20))).await;
    assert!(matches!(&reply, Reply::Neither { note } if note.contains("/nowhere/migrate cannot be started")), "{reply:?}");
}

#[tokio::test]
async fn a_flood_of_output_is_read_and_not_kept() {
    let reply =
        shell("i=0; while [ $i -lt 20000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done; echo the end").await;
    assert_eq!(reply, Reply::Yes { by: "/bin/sh".to_owned(), note: "the end".to_owned() });
}

#[tokio::test]
async fn what_it_leaves_running_is_not_waited_for() {
    let start = Instant::now();
    let reply = shell("sleep 30 & echo $!").await;
    let Reply::Yes { note, .. } = &reply else { panic!("{reply:?}") };
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    end(note.parse().unwrap());
}

/// A process of ours that a test left running.
fn end(pid: i32) {
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

fn is_running(pid: &str) -> bool {
    // A zombie that is not reaped yet is no longer running.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn after_the_time_out_the_whole_group_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("child");
    let script = format!("trap '' TERM; sleep 300 & echo $! > {}; echo stuck >&2; while :; do sleep 300; done", file.display());
    let command = ["/bin/sh".to_owned(), "-c".to_owned(), script];
    let reply = run(&command, &message(Span::millis(300))).await;
    assert_eq!(reply, Reply::Nothing { note: "not done within 300ms, killed: stuck".to_owned() });
    let child = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    until("its child is gone too", || !is_running(&child)).await;
}

#[tokio::test]
async fn the_group_is_killed_when_it_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("self");
    let script = format!("echo $$ > {}.new; mv {}.new {}; sleep 300", file.display(), file.display(), file.display());
    let task = tokio::spawn(async move {
        let command = ["/bin/sh".to_owned(), "-c".to_owned(), script];
        run(&command, &message(Span::seconds(300))).await
    });
    until("it runs", || file.exists()).await;
    let pid = std::fs::read_to_string(&file).unwrap().trim().to_owned();
    assert!(is_running(&pid));
    task.abort();
    until("it is gone", || !is_running(&pid)).await;
}
