//! Releases of a feature flag at two real Envoys: promoted, aborted, switched off; killed at each transition with the same result.

use anyhow::Result;
use serde_json::Value;
use shunt_testbed::{Envoy, Fault, Load, RunningLoad, Scenario, Tally, until};

use crate::control_rig::{RUN, Rig, STEP, proxy};
use crate::strategies_rig::{End, Watch};

const FLAG: &str = "shop/quick-basket";
const NAME: &str = "quick-basket";
const PROMOTED: &str = "[{setWeight: 20}, {pause: {duration: 1s}}, {setWeight: 50}]";
/// An operator may look at a fifth of the users, and at all of them.
const WATCHED: &str = "[{setWeight: 20}, {pause: {}}, {setWeight: 50}, {setWeight: 100}, {pause: {}}]";

fn manifest(release: &str, steps: &str) -> String {
    format!(
        "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {{name: {NAME}, namespace: shop}}
spec:
  service: {{hosts: [shop.test]}}
  flag: {{name: {NAME}}}
  versions: [{{name: disabled, value: false}}, {{name: enabled, value: true}}]
  release: {release}
  key: [{{cookie: shunt-id}}]
  keepOld: 0s
  analysis: {{metrics: [{{name: errors, successRate: {{noWorseThanStable: {{}}}}, minSamples: 20}}]}}
  strategy: {{canary: {{steps: {steps}}}}}
"
    )
}

/// The flag beside a service that has no release under way, at two Envoys under load.
struct Stage {
    rig: Rig,
    steps: &'static str,
    loads: [RunningLoad; 2],
    /// Runs for as long as this lives.
    _other: Envoy,
}

impl Stage {
    async fn start(steps: &'static str) -> Result<Self> {
        let rig = Rig::start(1, "").await?;
        rig.control.write("flag.yaml", &manifest("disabled", steps))?;
        let (other, address) = proxy(&rig.control, "edge-2").await?;
        let both = |view: &Value| view["phase"] == "Healthy" && view["policy"]["live"]["proxies"] == 2;
        rig.control.until_rollout("both proxies have the flag", FLAG, STEP, both).await?;
        let loads = [rig.address, address].map(|address| Load::new(address).users(400).rate(150.0).flag(NAME).start());
        Ok(Self { rig, steps, loads, _other: other })
    }

    async fn release(&mut self, killed: bool) -> Result<Watch> {
        let watch = Watch::new(&mut self.rig.control, FLAG, killed).await?;
        self.rig.control.write("flag.yaml", &manifest("enabled", self.steps))?;
        Ok(watch)
    }

    /// What the next 200 requests at each proxy meet.
    async fn next(&self) -> Result<[Tally; 2]> {
        let marks = self.loads.each_ref().map(|load| (load, load.mark(), load.elapsed()));
        let sent = || marks.map(|(load, mark, since)| load.tally_since(mark).only(|shot| shot.at > since));
        until("200 more requests at each proxy", STEP, || async { sent().iter().all(|tally| tally.requests() >= 200) }).await?;
        Ok(sent())
    }

    /// No request failed by the proxies, no user changed more often than that, every line was recorded once. Gives all requests.
    async fn end(self, watch: &Watch, changes: usize) -> Result<Tally> {
        let mut all = Vec::new();
        for load in self.loads {
            all.push(load.stop().await);
        }
        let all = Tally::of_all(all);
        assert_eq!((all.failed(), all.flips(changes)), (0, 0), "{}", all.summary());
        watch.whole_journal(&self.rig.control).await?;
        Ok(all)
    }
}

async fn promoted(killed: bool) -> Result<()> {
    let mut stage = Stage::start(PROMOTED).await?;
    let mut watch = stage.release(killed).await?;
    assert_eq!(watch.end(&mut stage.rig.control, "enabled").await?, End::Promoted);
    for tally in stage.next().await? {
        assert_eq!(tally.of_version("off"), 0, "{}", tally.summary());
    }
    stage.end(&watch, 1).await?;
    Ok(())
}

#[tokio::test]
async fn flag() -> Result<()> {
    promoted(false).await
}

#[tokio::test]
async fn flag_killed_at_every_transition() -> Result<()> {
    promoted(true).await
}

#[tokio::test]
async fn flag_with_a_bad_value_killed_at_every_transition() -> Result<()> {
    let mut stage = Stage::start(PROMOTED).await?;
    stage.rig.shops[0].fault(Fault { error_flag: Some(NAME.to_owned()), ..Fault::errors(50.0) });
    let mut watch = stage.release(true).await?;
    assert_eq!(watch.end(&mut stage.rig.control, "enabled").await?, End::Refused);
    for tally in stage.next().await? {
        assert_eq!(tally.of_version("on"), 0, "{}", tally.summary());
    }
    let all = stage.end(&watch, 2).await?;
    assert!(all.injected() > 0, "some requests met it: {}", all.summary());
    Ok(())
}

/// An operator aborts when so many steps are proved; whether they are met is seen in requests before, and at both proxies afterwards.
async fn aborted(step: u64, killed: bool) -> Result<()> {
    let story = Scenario::new(format!("a flag is aborted after step {step}"));
    let mut stage = Stage::start(WATCHED).await?;
    let mut watch = stage.release(killed).await?;
    watch.paused_after(&mut stage.rig.control, 1).await?;
    if step > 1 {
        stage.rig.control.cli_ok(&["promote", FLAG]).await?;
        watch.paused_after(&mut stage.rig.control, step).await?;
    }
    for tally in stage.next().await? {
        story.given(format!("{:.1} % have it", tally.share("on")));
        assert!(if step > 1 { tally.of_version("off") == 0 } else { (10.0..32.0).contains(&tally.share("on")) }, "{}", tally.summary());
    }
    let asked = stage.loads.each_ref().map(RunningLoad::elapsed);
    stage.rig.control.cli_ok(&["abort", FLAG, "--reason", "wrong prices"]).await?;
    assert_eq!(watch.end(&mut stage.rig.control, "enabled").await?, End::Refused);
    for (tally, (load, asked)) in stage.next().await?.iter().zip(stage.loads.iter().zip(asked)) {
        assert_eq!(tally.of_version("on"), 0, "{}", tally.summary());
        let late = load.tally().only(|shot| shot.at > asked && shot.version.as_deref() == Some("on"));
        let last = late.shots().last().map_or(0, |shot| (shot.at - asked).as_millis());
        story.then(format!("the last request with it was sent {last} ms after the abort was asked for"));
    }
    let view = stage.rig.control.until_rollout("it says why", FLAG, RUN, |view| view["message"].to_string().contains("wrong prices"));
    view.await?;
    stage.end(&watch, 2).await?;
    Ok(())
}

#[tokio::test]
async fn flag_aborted_killed_at_every_transition() -> Result<()> {
    aborted(1, true).await
}

#[tokio::test]
async fn the_kill_switch_of_a_flag_reaches_all_proxies() -> Result<()> {
    aborted(4, false).await
}

#[tokio::test]
async fn the_kill_switch_of_a_flag_killed_at_every_transition() -> Result<()> {
    aborted(4, true).await
}
