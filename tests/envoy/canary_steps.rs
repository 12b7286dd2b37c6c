//! Steps of a canary that need instances of their own, on a real Envoy with real processes: scale, experiment, ramp, point of no return.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use shunt_testbed::{Scenario, until};

use crate::control_instances_rig::{CHANGE, Farm, Version, instances, ready};
use crate::control_rig::ROLLOUT;

/// The baseline's name while an experiment runs.
const BASELINE: &str = "v1-baseline";

const STEPS: &str = "strategy: {canary: {steps: [{scale: {candidate: 1}}, {experiment: {weight: 10, duration: 2s, instances: 1}}, \
    {scale: {candidate: 100%}}, {ramp: {from: 20, to: 60, over: 3s}}, {pointOfNoReturn: {}}, {pause: {}}]}}
  keepOld: 0s
  drainDeadline: 1s
  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}";

/// Two instances of v1 and of v2; v3 fails two requests in five.
fn versions() -> [Version<'static>; 3] {
    [Version::new("v1", 2), Version::new("v2", 2), Version { args: &["--error-percent", "40"], ..Version::new("v3", 2) }]
}

/// What the view of a run showed, look by look, in order.
#[derive(Debug, Default)]
struct Looks {
    /// The candidate's weight, percent, each time that it changed.
    weights: Vec<f64>,
    /// Ready instances of the candidate and of the baseline, each time that one of them changed.
    instances: Vec<(usize, usize)>,
}

impl Looks {
    fn take(&mut self, view: &Value, candidate: &str) {
        let versions = view["versions"].as_array().into_iter().flatten();
        let weight = versions.filter(|one| one["name"] == candidate).find_map(|one| one["weight"].as_f64()).unwrap_or(0.0);
        if self.weights.last() != Some(&weight) {
            self.weights.push(weight);
        }
        let now = (ready(view, candidate).len(), ready(view, BASELINE).len());
        if self.instances.last() != Some(&now) {
            self.instances.push(now);
        }
    }
}

/// Releases a version and looks until `done`.
async fn release(farm: &Farm, version: &str, done: impl Fn(&Value) -> bool) -> Result<Looks> {
    farm.write(&versions(), version, STEPS)?;
    let looks = std::sync::Mutex::new(Looks::default());
    let look = |view: &Value| {
        let ours = view["release"] == version;
        if ours {
            looks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take(view, version);
        }
        ours && done(view)
    };
    farm.control.until_rollout(&format!("{version} has come so far"), ROLLOUT, CHANGE * 2, look).await?;
    looks.into_inner().ok().context("a look failed")
}

#[tokio::test]
async fn instances_and_weights_follow_the_steps_and_nothing_goes_back_after_the_point_of_no_return() -> Result<()> {
    let story = Scenario::new("scale, experiment, ramp, point of no return");
    let farm = Farm::start(&versions(), STEPS).await?;
    let load = farm.load();
    let looks = release(&farm, "v2", |view| view["step"]["number"].as_u64().is_some_and(|last| view["step"]["of"] == last)).await?;
    story.then(format!("{looks:?}"));
    let compared = looks.instances.iter().position(|now| *now == (1, 1)).context("no experiment with one instance of each")?;
    let whole = looks.instances.iter().position(|(candidate, _)| *candidate == 2).context("never whole")?;
    assert!(compared < whole, "one instance until the second scale: {:?}", looks.instances);
    assert!(looks.weights.is_sorted(), "weights only rise: {:?}", looks.weights);
    assert!(looks.weights.contains(&10.0) && looks.weights.contains(&20.0) && looks.weights.contains(&60.0), "{:?}", looks.weights);

    let view = farm.until("the baseline is gone", |view| instances(view, BASELINE).is_empty()).await?;
    assert_eq!(farm.processes().len(), ready(&view, "v1").len() + ready(&view, "v2").len());
    let refused = farm.control.cli(&["abort", ROLLOUT, "--reason", "second thoughts"]).await?;
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("point of no return"), "{said}");

    farm.control.cli_ok(&["promote", ROLLOUT]).await?;
    farm.until("v2 is stable, v1 is stopped", |view| view["stable"] == "v2" && instances(view, "v1").is_empty()).await?;
    let tally = load.stop().await;
    assert_eq!((tally.failed(), tally.flips(1)), (0, 0), "{}", tally.summary());
    Ok(())
}

#[tokio::test]
async fn an_experiment_refuses_a_candidate_that_is_worse_than_the_fresh_baseline() -> Result<()> {
    let story = Scenario::new("experiment with a bad candidate");
    let farm = Farm::start(&versions(), STEPS).await?;
    let load = farm.load();
    let looks = release(&farm, "v3", |view| view["phase"] == "Degraded").await?;
    story.then(format!("{looks:?}"));
    assert!(looks.weights.iter().all(|weight| *weight <= 10.0), "it never got further than the experiment: {:?}", looks.weights);
    assert!(looks.instances.contains(&(1, 1)), "{:?}", looks.instances);
    let view = farm.until("its run is over", |view| view["candidate"].is_null()).await?;
    let history = farm.control.cli_ok(&["history", ROLLOUT]).await?;
    let refusal = history.lines().find(|line| line.contains("worse than")).with_context(|| history.clone())?;
    assert!(refusal.contains("v3 failed") && refusal.contains(BASELINE), "{refusal}");
    let v1: BTreeSet<u32> = ready(&view, "v1");
    until("only v1 runs", Duration::from_secs(20), || async { farm.processes() == v1 }).await?;
    let tally = load.stop().await;
    assert_eq!((tally.failed(), tally.flips(2)), (0, 0), "{}", tally.summary());
    Ok(())
}
