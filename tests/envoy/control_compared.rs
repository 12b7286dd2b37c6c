//! What is compared with stable without `analysis:`, on a real proxy: answers, times, and requests without an answer.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use shunt_testbed::{Fault, Load, Scenario};

use crate::control_rig::{ROLLOUT, RUN, Rig, stable};

/// Nothing is written of an analysis but how long latency is not judged, so that these tests take seconds.
const COMPARED: &str = "strategy: {canary: {steps: [{setWeight: 20}, {pause: {duration: 1s}}, {setWeight: 50}]}}
  analysis: {warmUp: 1s}
  keepOld: 0s";

/// Releases v2 with this fault, under load, and says why it was refused.
async fn refused(fault: Fault, changed: impl Fn(Load) -> Load) -> Result<String> {
    let rig = Rig::start(2, COMPARED).await?;
    rig.shops[1].fault(fault);
    let load = changed(Load::new(rig.address).users(1000).rate(200.0)).start();
    rig.release("v2")?;
    let view = rig.until("v2 is refused", RUN, |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    drop(load);
    let story = rig.story().await?;
    ensure!(story.iter().all(|line| !line.contains("setWeight 50")), "v2 got more users first: {story:#?}");
    Ok(view["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_candidate_that_answers_404_is_refused() -> Result<()> {
    let story = Scenario::new("a candidate that does not know any path");
    let fault = Fault { error_percent: 100.0, error_status: 404, ..Fault::default() };
    let reason = refused(fault, |load| load).await?;
    story.then("it is refused by its answers, and what to write if they are meant");
    ensure!(reason.contains("responses: v2 answered 4xx") && reason.contains("ignore: [rejected]"), "{reason}");
    Ok(())
}

#[tokio::test]
async fn a_candidate_that_answers_without_a_body_is_refused() -> Result<()> {
    let story = Scenario::new("a candidate that answers 200 and nothing");
    let reason = refused(Fault { empty_percent: 100.0, ..Fault::default() }, |load| load).await?;
    story.then("it is refused by its answers");
    ensure!(reason.contains("responses: v2 answered without a body"), "{reason}");
    Ok(())
}

#[tokio::test]
async fn a_candidate_that_never_answers_is_refused_while_it_hangs() -> Result<()> {
    let story = Scenario::new("a candidate that never answers, and patient clients");
    let reason = refused(Fault { hang_percent: 100.0, ..Fault::default() }, |load| load.timeout(Duration::from_secs(30))).await?;
    story.then("no client had to wait for a timeout before it was known");
    ensure!(reason.contains("hanging: v2 left") && reason.contains("without an answer"), "{reason}");
    Ok(())
}

#[tokio::test]
async fn a_candidate_that_is_slower_than_is_allowed_is_refused_and_one_that_is_not_is_kept() -> Result<()> {
    let story = Scenario::new("a candidate that is slower");
    let reason = refused(Fault::delay(80), |load| load).await?;
    story.then("80 ms more are refused, with the percentile, the figures and what is allowed");
    ensure!(
        reason.contains("latency: p") && reason.contains(" against ") && reason.contains("by more than 20 %, at least 5ms"),
        "{reason}"
    );

    let rig = Rig::start(2, COMPARED).await?;
    // Both sleep, so that a busy machine that wakes them late does so to both.
    rig.shops[0].fault(Fault::delay(10));
    rig.shops[1].fault(Fault::delay(12));
    let load = rig.load();
    rig.release("v2")?;
    rig.until("v2 is stable", RUN, |view: &Value| stable(view, "v2")).await?;
    let tally = load.stop().await;
    ensure!(tally.failed() == 0, "{}", tally.summary());
    story.then("2 ms more are kept");
    ensure!(
        rig.story().await?.iter().any(|line| line.contains("latency of v2 is compared from now on")),
        "{ROLLOUT}: latency was not compared"
    );
    Ok(())
}
