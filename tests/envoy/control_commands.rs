//! What people and pipelines ask on the command line, in the middle of a run.

use anyhow::Result;
use shunt_testbed::Scenario;

use crate::control_rig::{ROLLOUT, RUN, Rig, STEP, stable, weight};

/// A canary that waits for an operator at 20 %.
const WAITING: &str = "strategy: {canary: {steps: [{setWeight: 20}, {pause: {}}, {setWeight: 50}]}}
  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}
  keepOld: 0s";

#[tokio::test]
async fn pause_resume_promote_abort_retry() -> Result<()> {
    let story = Scenario::new("a run by hand");
    let rig = Rig::start(2, WAITING).await?;
    let load = rig.load();
    rig.control.cli_ok(&["release", ROLLOUT, "v2"]).await?;
    let waits = |view: &serde_json::Value| view["phase"] == "Paused" && view["step"]["number"] == 2;
    rig.until("it waits for an operator", STEP, waits).await?;

    rig.control.cli_ok(&["pause", ROLLOUT, "--reason", "lunch"]).await?;
    let view = rig.until("it is held", STEP, |view| view["message"].as_str().is_some_and(|text| text.contains("lunch"))).await?;
    assert_eq!(view["phase"], "Paused");
    let twice = rig.control.cli(&["pause", ROLLOUT]).await?;
    assert!(String::from_utf8_lossy(&twice.stderr).contains("held already"), "{twice:?}");
    rig.control.cli_ok(&["resume", ROLLOUT]).await?;
    story.then("held and resumed");

    let revision = rig.until("it waits again", STEP, waits).await?["revision"].to_string();
    rig.control.cli_ok(&["promote", ROLLOUT, "--revision", &revision]).await?;
    let late = rig.control.cli(&["promote", ROLLOUT, "--revision", &revision]).await?;
    assert!(!late.status.success(), "a double click promotes once");
    rig.until("50 % are asked for", STEP, |view| weight(view, "v2") == 50.0).await?;
    story.then("promoted to 50 %, once");

    rig.control.cli_ok(&["abort", ROLLOUT, "--reason", "smells"]).await?;
    let view = rig.until("all is back", RUN, |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    assert!(view["message"].as_str().is_some_and(|text| text.contains("smells")), "{view:#}");
    assert_eq!(view["stable"], "v1");

    rig.control.cli_ok(&["retry", ROLLOUT]).await?;
    rig.until("it waits once more", STEP, waits).await?;
    rig.control.cli_ok(&["promote", ROLLOUT]).await?;
    rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(3)), (0, 0), "{}", all.summary());
    let none = rig.control.cli(&["abort", ROLLOUT]).await?;
    assert!(String::from_utf8_lossy(&none.stderr).contains("nothing is being released"), "{none:?}");
    Ok(())
}

#[tokio::test]
async fn a_command_survives_a_crash_or_was_never_taken() -> Result<()> {
    let mut rig = Rig::start(2, WAITING).await?;
    rig.control.cli_ok(&["release", ROLLOUT, "v2"]).await?;
    rig.until("it waits for an operator", STEP, |view| view["phase"] == "Paused").await?;
    rig.control.cli_ok(&["abort", ROLLOUT]).await?;
    rig.control.kill();
    rig.control.restart().await?;
    rig.until("the abort holds", RUN, |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    let aborts = rig.story().await?.iter().filter(|line| line.contains("aborted by")).count();
    assert_eq!(aborts, 1);
    Ok(())
}
