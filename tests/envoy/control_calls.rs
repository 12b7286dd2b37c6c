//! Gates, hooks and events around releases on a real Envoy; the control plane dies in the middle of each.

use anyhow::Result;
use serde_json::Value;
use shunt_testbed::webhooks::{Asked, Says, Webhooks};
use shunt_testbed::{Scenario, until};

use crate::control_rig::{CANARY, RUN, Rig, STEP, stable, weight};

/// Ids of what was answered well at a path, in order.
fn done(outside: &Webhooks, path: &str) -> Vec<String> {
    let good = |asked: &Asked| asked.status == 200;
    let id = |asked: &Asked| asked.body["id"].as_str().unwrap_or_default().to_owned();
    outside.asked(path).iter().filter(|asked| good(asked)).map(id).collect()
}

/// Kinds of the events that arrived, each once, in the order of their first arrival.
fn events(outside: &Webhooks) -> Vec<String> {
    let mut seen: Vec<Value> = Vec::new();
    let mut kinds = Vec::new();
    for asked in outside.asked("/events").iter().filter(|asked| asked.status == 200) {
        if !seen.contains(&asked.body["id"]) {
            seen.push(asked.body["id"].clone());
            kinds.push(asked.body["type"].as_str().unwrap_or_default().trim_start_matches("dev.shunt.rollout.").to_owned());
        }
    }
    kinds
}

/// Gates and hooks as the API shows them: kind, name, state.
fn shown(view: &Value) -> Vec<String> {
    let text = |call: &Value, field: &str| call[field].as_str().unwrap_or_default().to_owned();
    let calls = view["calls"].as_array().into_iter().flatten();
    calls.map(|call| format!("{} {} {}", text(call, "kind"), text(call, "name"), text(call, "state"))).collect()
}

async fn asked(outside: &Webhooks, path: &str, times: usize) -> Result<()> {
    until(format!("{path} was asked {times} times"), RUN, || async { outside.asked(path).len() >= times }).await
}

/// Kills the control plane while this path keeps it waiting; then the path answers.
async fn kill_while_asking(story: &Scenario, rig: &mut Rig, outside: &Webhooks, path: &str) -> Result<()> {
    asked(outside, path, 1).await?;
    rig.control.kill();
    story.when(format!("killed while {path} was asked"));
    outside.set(path, Says::Status(200));
    rig.control.restart().await
}

#[tokio::test]
async fn killed_in_the_middle_of_each_question_nothing_is_forgotten_and_no_answer_asked_for_twice() -> Result<()> {
    let story = Scenario::new("kill -9 while gates, hooks and receivers of events are asked");
    let outside = Webhooks::start().await?;
    let url = |path: &str| outside.url(path);
    let spec = format!(
        "{CANARY}
  gates:
    confirmRollout: {{webhook: {{url: '{}'}}, interval: 100ms}}
    confirmPromotion: {{webhook: {{url: '{}'}}, interval: 100ms}}
  hooks:
    beforeTraffic: {{webhook: {{url: '{}'}}}}
    afterPromote: {{webhook: {{url: '{}'}}}}
    onStep: {{webhook: {{url: '{}'}}}}
  notifications: [{{name: bus, webhook: {{url: '{}'}}}}]",
        url("/rollout"),
        url("/promotion"),
        url("/traffic"),
        url("/promoted"),
        url("/step"),
        url("/events")
    );
    let mut rig = Rig::start(2, &spec).await?;
    for path in ["/events", "/rollout", "/traffic", "/promotion", "/promoted"] {
        outside.set(path, Says::Nothing);
    }
    let load = rig.load();
    rig.release("v2")?;
    for path in ["/events", "/rollout", "/traffic", "/promotion", "/promoted"] {
        kill_while_asking(&story, &mut rig, &outside, path).await?;
    }
    rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    until("the hook after it was called", STEP, || async { !done(&outside, "/promoted").is_empty() }).await?;
    until("the last event arrived", STEP, || async { events(&outside).last().is_some_and(|kind| kind == "promoted") }).await?;
    let view = rig
        .until("what came of each is shown", STEP, |view| shown(view).last().is_some_and(|last| last == "hook afterPromote done"))
        .await?;
    let mut calls = shown(&view);
    calls.retain(|call| !call.starts_with("hook onStep"));
    let all_four = ["gate confirmRollout yes", "hook beforeTraffic done", "gate confirmPromotion yes", "hook afterPromote done"];
    assert_eq!(calls, all_four, "one line each, over all restarts");
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(1)), (0, 0), "{}", all.summary());

    for path in ["/rollout", "/traffic", "/promotion", "/promoted"] {
        let mut ids: Vec<String> = outside.asked(path).iter().map(|asked| asked.body["id"].to_string()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 1, "the same question: {path}");
        // The one that the killed process had asked is answered as well, but to a process that is gone.
        assert!(done(&outside, path).len() <= 2, "{path}: {:?}", done(&outside, path));
    }
    let steps: Vec<u64> = outside.asked("/step").iter().filter_map(|asked| asked.body["step"]["number"].as_u64()).collect();
    assert!(steps.is_sorted() && steps.first() == Some(&1) && steps.last() == Some(&6), "{steps:?}");
    let kinds = events(&outside);
    assert_eq!(kinds.first().map(String::as_str), Some("started"), "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| *kind == "stepped").count(), 6, "each step once: {kinds:?}");
    let revisions: Vec<u64> = outside.asked("/events").iter().filter_map(|asked| asked.body["data"]["revision"].as_u64()).collect();
    assert!(revisions.is_sorted(), "in order: {revisions:?}");
    Ok(())
}

#[tokio::test]
async fn a_no_refuses_the_release_and_what_undoes_things_follows() -> Result<()> {
    let outside = Webhooks::start().await?;
    outside.set("/board", Says::Status(404));
    let spec = format!(
        "strategy: {{canary: {{steps: [{{setWeight: 20}}, {{gate: {{name: board, webhook: {{url: '{}'}}, interval: 100ms}}}}, {{setWeight: 50}}]}}}}
  hooks: {{onRollback: {{webhook: {{url: '{}', metadata: {{direction: down}}}}}}}}
  notifications: [{{name: bus, webhook: {{url: '{}'}}, events: [started, aborted, recovered]}}]",
        outside.url("/board"),
        outside.url("/undo"),
        outside.url("/events")
    );
    let rig = Rig::start(2, &spec).await?;
    let load = rig.load();
    rig.release("v2")?;
    asked(&outside, "/board", 3).await?;
    let view = rig.until("it waits for the gate", STEP, |view| view["message"].to_string().contains("board did not say yes")).await?;
    assert_eq!((weight(&view, "v2"), view["phase"].as_str()), (20.0, Some("Progressing")), "{view:#}");
    assert_eq!(outside.asked("/undo").len(), 0);
    outside.set("/board", Says::Status(403));
    let view = rig.until("it is refused", STEP, |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    assert!(view["message"].to_string().contains("gate board: no, by 127.0.0.1"), "{view:#}");
    until("all was told", STEP, || async {
        events(&outside) == ["started", "aborted", "recovered"] && !done(&outside, "/undo").is_empty()
    })
    .await?;
    let undo = outside.asked("/undo").remove(0).body;
    assert_eq!(
        (undo["metadata"]["direction"].as_str(), undo["candidate"].as_str(), undo["event"].as_str()),
        (Some("down"), Some("v2"), Some("recovered"))
    );
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn a_hook_that_fails_refuses_the_release_before_any_user_sees_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let note = folder.path().join("note");
    let script = format!("echo \"$SHUNT_CANDIDATE over $SHUNT_STABLE, try $SHUNT_TRY\" > {}; echo no disk >&2; exit 4", note.display());
    let rig = Rig::start(2, &format!("hooks: {{beforeTraffic: {{name: migrate, command: [/bin/sh, -c, '{script}']}}}}")).await?;
    let load = rig.load();
    rig.release("v2")?;
    let view = rig.until("it is refused", RUN, |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    assert!(view["message"].to_string().contains("hook migrate failed: exit status: 4: no disk"), "{view:#}");
    assert_eq!(std::fs::read_to_string(&note)?.trim(), "v2 over v1, try 1");
    let all = load.stop().await;
    assert_eq!((all.failed(), all.share("v2")), (0, 0.0), "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn the_rollback_webhook_takes_a_release_back() -> Result<()> {
    let outside = Webhooks::start().await?;
    outside.set("/back", Says::Status(404));
    let spec = format!(
        "strategy: {{canary: {{steps: [{{setWeight: 20}}, {{pause: {{}}}}]}}}}
  gates: {{rollback: {{webhook: {{url: '{}'}}, interval: 100ms}}}}",
        outside.url("/back")
    );
    let mut rig = Rig::start(2, &spec).await?;
    let load = rig.load();
    rig.release("v2")?;
    rig.until("20 % are proved", STEP, |view| weight(view, "v2") == 20.0 && view["phase"] == "Paused").await?;
    rig.control.kill();
    rig.control.restart().await?;
    let before = outside.asked("/back").len();
    asked(&outside, "/back", before + 2).await?;
    outside.set("/back", Says::Status(200));
    let view = rig.until("it is taken back", STEP, |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    assert!(view["message"].to_string().contains("127.0.0.1 asks for a rollback"), "{view:#}");
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn a_command_dies_with_the_control_plane_and_is_done_again_as_the_same_call() -> Result<()> {
    let story = Scenario::new("kill -9 while a hook runs");
    let folder = tempfile::tempdir()?;
    let (tries, go) = (folder.path().join("tries"), folder.path().join("go"));
    // Its child, too, and neither cares about SIGTERM.
    let script = folder.path().join("migrate.sh");
    let text = format!(
        "trap \"\" TERM; sleep 1000 & echo \"$SHUNT_CALL_ID $SHUNT_TRY $$ $!\" >> {}; while ! test -e {}; do sleep 0.05; done; kill -9 $!; cat",
        tries.display(),
        go.display()
    );
    std::fs::write(&script, text)?;
    let mut rig = Rig::start(2, &format!("{CANARY}\n  hooks: {{beforeTraffic: {{command: [/bin/sh, {}]}}}}", script.display())).await?;
    let lines = || std::fs::read_to_string(&tries).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    let load = rig.load();
    rig.release("v2")?;
    until("it runs", STEP, || async { lines().len() == 1 }).await?;
    rig.control.kill();
    let first: Vec<String> = lines()[0].split(' ').map(str::to_owned).collect();
    until("it and its child are gone", STEP, || async { first[2..].iter().all(|pid| !is_running(pid)) }).await?;
    story.when("the control plane was killed, and with it the hook");
    rig.control.restart().await?;
    until("it runs again", STEP, || async { lines().len() == 2 }).await?;
    let second: Vec<String> = lines()[1].split(' ').map(str::to_owned).collect();
    assert_eq!((&second[0], first[1].as_str(), second[1].as_str()), (&first[0], "1", "2"), "the same call, another try");
    std::fs::write(&go, "")?;
    let view = rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    let call = &view["calls"][0];
    assert_eq!((call["state"].as_str(), call["tries"].as_u64()), (Some("done"), Some(2)), "{call:#}");
    assert!(call["note"].to_string().contains("beforeTraffic"), "it got the body on its standard input: {call:#}");
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    Ok(())
}

fn is_running(pid: &str) -> bool {
    // A zombie that its parent has not reaped yet is no longer running.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
