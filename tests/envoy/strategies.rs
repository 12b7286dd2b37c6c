//! Every strategy on a real Envoy with real instances: promoted, not promoted, and killed at each transition with the same result.

use anyhow::Result;
use shunt_testbed::{Scenario, Tally};

use crate::control_instances_rig::{Farm, Version};
use crate::control_rig::ROLLOUT;
use crate::strategies_rig::{End, Watch};

/// v3 fails half of its requests.
const BAD: &[&str] = &["--error-percent", "50"];

struct Case {
    spec: &'static str,
    /// How v2, which is as good as v1, ends, and v3, which is not.
    good: End,
    bad: End,
    /// Changes of version that a user may see in a run that is promoted.
    changes: usize,
}

const RECREATE: Case = Case {
    // Killed at each transition, it proves each step anew.
    spec: "strategy: {recreate: {deadline: 5m}}
  drainDeadline: 1s",
    good: End::Promoted,
    // Requests judge no version while they are held; it is judged by its readiness only.
    bad: End::Promoted,
    changes: 1,
};

const ROLLING_UPDATE: Case = Case {
    spec: "strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}
  drainDeadline: 1s
  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}",
    good: End::Promoted,
    bad: End::Refused,
    changes: 1,
};

const BLUE_GREEN: Case = Case {
    spec: "strategy: {blueGreen: {preview: {match: [{headers: {x-preview: {exact: '1'}}}]}, autoPromoteAfter: 1s, postPromotion: {duration: 1s}}}
  keepOld: 0s
  drainDeadline: 1s
  progressDeadline: 20s
  analysis: {metrics: [{name: errors, successRate: {min: 90%}, minSamples: 20}]}",
    good: End::Promoted,
    bad: End::Refused,
    changes: 1,
};

const CANARY: Case = Case {
    spec: "strategy: {canary: {steps: [{mirror: {weight: 10}}, {setWeight: 20}, {pause: {duration: 1s}}, {setWeight: 50}]}}
  keepOld: 0s
  drainDeadline: 1s
  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}",
    good: End::Promoted,
    bad: End::Refused,
    changes: 1,
};

const AB_TEST: Case = Case {
    spec: "strategy: {abTest: {goals: [{name: seen, match: [{path: {exact: /}}], status: 2xx}], duration: 4s, onWinner: promote}}
  drainDeadline: 1s
  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}",
    good: End::Over,
    bad: End::Refused,
    changes: 2,
};

const SHADOW: Case = Case {
    spec: "strategy: {shadow: {weight: 100, duration: 2s, then: stop}}
  drainDeadline: 1s
  analysis: {metrics: [{name: copies, interval: 1s, web: {url: 'http://SOURCE/admin/counts', jsonPath: '$.total'}, min: 0}]}",
    good: End::Over,
    // Whether its answers are good is what the source says, and this one only counts.
    bad: End::Over,
    changes: 0,
};

fn versions() -> [Version<'static>; 3] {
    [Version::new("v1", 2), Version::new("v2", 2), Version { args: BAD, ..Version::new("v3", 2) }]
}

/// Releases a version and waits for its end.
async fn play(farm: &mut Farm, spec: &str, version: &str, killed: bool) -> Result<End> {
    let mut watch = Watch::new(&mut farm.control, ROLLOUT, killed).await?;
    farm.write(&versions(), version, spec)?;
    let end = watch.end(&mut farm.control, version).await?;
    watch.whole_journal(&farm.control).await?;
    Ok(end)
}

async fn story(case: &Case, killed: bool) -> Result<()> {
    let story = Scenario::new(if killed { "killed at every transition" } else { "left alone" });
    let source = shunt_testbed::LocalShop::start("source").await?;
    let spec = case.spec.replace("SOURCE", &source.address().to_string());
    let mut farm = Farm::start(&versions(), &spec).await?;
    let load = farm.load();
    let good = play(&mut farm, &spec, "v2", killed).await?;
    story.then(format!("v2 is {good:?}"));
    let mark = load.mark();
    let bad = play(&mut farm, &spec, "v3", killed).await?;
    story.then(format!("v3 is {bad:?}"));
    let whole = load.tally_since(0);
    let during: Tally = load.tally_since(mark);
    load.stop().await;
    assert_eq!((good, bad), (case.good, case.bad));
    assert_eq!(whole.failed(), 0, "{}", whole.summary());
    let first = whole.only(|shot| during.shots().first().is_none_or(|begin| shot.at < begin.at));
    assert_eq!(first.flips(case.changes), 0, "{}", first.summary());
    Ok(())
}

#[tokio::test]
async fn recreate() -> Result<()> {
    story(&RECREATE, false).await
}

#[tokio::test]
async fn recreate_killed_at_every_transition() -> Result<()> {
    story(&RECREATE, true).await
}

#[tokio::test]
async fn rolling_update() -> Result<()> {
    story(&ROLLING_UPDATE, false).await
}

#[tokio::test]
async fn rolling_update_killed_at_every_transition() -> Result<()> {
    story(&ROLLING_UPDATE, true).await
}

#[tokio::test]
async fn blue_green() -> Result<()> {
    story(&BLUE_GREEN, false).await
}

#[tokio::test]
async fn blue_green_killed_at_every_transition() -> Result<()> {
    story(&BLUE_GREEN, true).await
}

#[tokio::test]
async fn canary() -> Result<()> {
    story(&CANARY, false).await
}

#[tokio::test]
async fn canary_killed_at_every_transition() -> Result<()> {
    story(&CANARY, true).await
}

#[tokio::test]
async fn ab_test() -> Result<()> {
    story(&AB_TEST, false).await
}

#[tokio::test]
async fn ab_test_killed_at_every_transition() -> Result<()> {
    story(&AB_TEST, true).await
}

#[tokio::test]
async fn shadow() -> Result<()> {
    story(&SHADOW, false).await
}

#[tokio::test]
async fn shadow_killed_at_every_transition() -> Result<()> {
    story(&SHADOW, true).await
}
