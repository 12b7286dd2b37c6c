//! Steps of every kind in one list: staff by header, copies, a cohort by cookie, then weights. Who meets what is asked at each of them.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use hyper::Method;
use shunt_filter_core::split;
use shunt_testbed::{Client, RunningLoad, Scenario, Tally, until};

use crate::control_rig::{ROLLOUT, Rig, STEP};
use crate::strategies_rig::{End, Watch};

/// After each step an operator looks.
const SPEC: &str = "strategy:
    canary:
      steps:
        - rule: {name: staff, match: [{headers: {x-staff: {present: true}}}]}
        - pause: {}
        - mirror: {weight: 100}
        - pause: {}
        - rule: {name: early, match: [{cookies: {early: {exact: '1'}}}], weight: 50}
        - pause: {}
        - setWeight: 5
        - pause: {}
        - setWeight: 50
        - pause: {}
        - setWeight: 100
  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}
  keepOld: 0s
  drainDeadline: 1s";

/// Numbers of those steps.
const STAFF: u64 = 1;
const COPIES: u64 = 3;
const EARLY: u64 = 5;
const FEW: u64 = 7;
const HALF: u64 = 9;

/// Users of each kind who are asked one by one; everybody else is the load.
const USERS: usize = 40;

/// A release by these steps, under load.
struct Stage {
    story: Scenario,
    rig: Rig,
    watch: Watch,
    load: RunningLoad,
    /// The versions that each of the users met, repetitions left out.
    journeys: BTreeMap<String, Vec<String>>,
    /// Requests of staff.
    staff: u64,
}

impl Stage {
    async fn start(killed: bool) -> Result<Self> {
        let story = Scenario::new(if killed { "composed steps, killed at every transition" } else { "composed steps" });
        let mut rig = Rig::start(2, SPEC).await?;
        let (load, watch) = (rig.load(), Watch::new(&mut rig.control, ROLLOUT, killed).await?);
        rig.release("v2")?;
        Ok(Self { story, rig, watch, load, journeys: BTreeMap::new(), staff: 0 })
    }

    /// Goes on, until this step is proved.
    async fn reach(&mut self, step: u64) -> Result<()> {
        if step > STAFF {
            self.rig.control.cli_ok(&["promote", ROLLOUT]).await?;
        }
        self.watch.paused_after(&mut self.rig.control, step).await?;
        self.story.when(format!("step {step} is proved"));
        Ok(())
    }

    /// Which version answers this user.
    async fn ask(&mut self, user: &str, header: (&str, &str)) -> Result<String> {
        let ask = Client::new(self.rig.address).host("shop.test").request(Method::GET, "/");
        let reply = ask.header("cookie", format!("shunt-id={user}")).header(header.0, header.1).send().await?;
        let version = reply.version().with_context(|| format!("{user}: {}", reply.status))?;
        let journey = self.journeys.entry(user.to_owned()).or_default();
        if journey.last() != Some(&version) {
            journey.push(version.clone());
        }
        Ok(version)
    }

    /// Which version answers each of the staff.
    async fn staff(&mut self) -> Result<Vec<String>> {
        let mut met = Vec::new();
        for number in 0..USERS {
            met.push(self.ask(&format!("staff-{number}"), ("x-staff", "yes")).await?);
            self.staff += 1;
        }
        Ok(met)
    }

    /// Which version answers each of those who want to be early.
    async fn early(&mut self) -> Result<Vec<String>> {
        let mut met = Vec::new();
        for number in 0..USERS {
            met.push(self.ask(&format!("early-{number}"), ("cookie", "early=1")).await?);
        }
        Ok(met)
    }

    /// What everybody else meets now: each of the load's thousand users once.
    async fn others(&self) -> Result<Tally> {
        let (mark, since) = (self.load.mark(), self.load.elapsed());
        let sent = || self.load.tally_since(mark).only(|shot| shot.at > since);
        until("every user of the load asked", STEP, || async { sent().requests() >= 1_000 }).await?;
        Ok(sent())
    }

    /// No request failed, no user changed more often than that, every line was recorded once.
    async fn end(self, changes: usize) -> Result<()> {
        let all = self.load.stop().await;
        assert_eq!((all.failed(), all.flips(changes)), (0, 0), "{}", all.summary());
        let often: Vec<_> = self.journeys.iter().filter(|(_, journey)| journey.len() > changes + 1).collect();
        assert!(often.is_empty(), "{often:?}");
        self.watch.whole_journal(&self.rig.control).await
    }
}

fn all(version: &str) -> Vec<String> {
    vec![version.to_owned(); USERS]
}

/// The half of those who want to be early that the hash chooses, as the proxy computes it.
fn chosen() -> Vec<String> {
    let seed = split::seed(&format!("{ROLLOUT}/rule/early"));
    let slot = |number: usize| split::slot(split::point(split::hash(format!("early-{number}").as_bytes(), seed)));
    (0..USERS).map(|number| if slot(number) < 5_000 { "v2" } else { "v1" }.to_owned()).collect()
}

/// From the first step to half of the users; at each, who meets what.
async fn up_to_half(stage: &mut Stage) -> Result<()> {
    stage.reach(STAFF).await?;
    assert_eq!((stage.staff().await?, stage.early().await?), (all("v2"), all("v1")));
    let others = stage.others().await?;
    assert_eq!(others.of_version("v1"), others.requests(), "{}", others.summary());
    let counts = stage.rig.shops[1].counts();
    assert_eq!((counts.primary(), counts.shadow), (stage.staff, 0), "v2 is asked by staff alone");

    stage.reach(COPIES).await?;
    let before = stage.rig.shops[1].counts().shadow;
    assert_eq!((stage.staff().await?, stage.early().await?), (all("v2"), all("v1")));
    let others = stage.others().await?;
    assert_eq!(others.of_version("v1"), others.requests(), "{}", others.summary());
    let counts = stage.rig.shops[1].counts();
    assert_eq!(counts.primary(), stage.staff, "v2 answers staff alone");
    let copies = counts.shadow - before;
    stage.story.then(format!("{copies} copies of {} requests and more", others.requests()));
    // Not all of them on a busy machine, because only so many may be under way.
    assert!(copies > 500, "everybody's requests are copied: {copies} of {} and more", others.requests());
    let strange = stage.rig.shops[1].requests().into_iter().find(|seen| seen.shadow() == (seen.header("x-staff").is_some()));
    assert!(strange.is_none(), "neither staff nor a marked copy of another user: {strange:?}");

    stage.reach(EARLY).await?;
    assert_eq!((stage.staff().await?, stage.early().await?), (all("v2"), chosen()));
    let others = stage.others().await?;
    assert_eq!(others.of_version("v1"), others.requests(), "{}", others.summary());

    stage.reach(FEW).await?;
    weights(stage, 5.0).await?;
    stage.reach(HALF).await?;
    weights(stage, 50.0).await
}

/// Everybody who had v2 has it still, and so many percent of the others.
async fn weights(stage: &mut Stage, percent: f64) -> Result<()> {
    assert_eq!(stage.staff().await?, all("v2"));
    let (early, chosen) = (stage.early().await?, chosen());
    assert!(chosen.iter().zip(&early).all(|(chosen, met)| chosen == "v1" || met == "v2"), "{early:?}");
    let others = stage.others().await?;
    stage.story.then(format!("{:.1} % of the others have v2", others.share("v2")));
    assert!((others.share("v2") - percent).abs() < 5.0_f64.min(percent / 2.0), "{percent} %: {}", others.summary());
    Ok(())
}

async fn promoted(killed: bool) -> Result<()> {
    let mut stage = Stage::start(killed).await?;
    up_to_half(&mut stage).await?;
    stage.rig.control.cli_ok(&["promote", ROLLOUT]).await?;
    assert_eq!(stage.watch.end(&mut stage.rig.control, "v2").await?, End::Promoted);
    assert_eq!((stage.staff().await?, stage.early().await?), (all("v2"), all("v2")));
    let others = stage.others().await?;
    assert_eq!(others.of_version("v2"), others.requests(), "{}", others.summary());
    stage.end(1).await
}

#[tokio::test]
async fn composed() -> Result<()> {
    promoted(false).await
}

#[tokio::test]
async fn composed_killed_at_every_transition() -> Result<()> {
    promoted(true).await
}

#[tokio::test]
async fn composed_aborted_in_the_middle_killed_at_every_transition() -> Result<()> {
    let mut stage = Stage::start(true).await?;
    up_to_half(&mut stage).await?;
    stage.rig.control.cli_ok(&["abort", ROLLOUT, "--reason", "wrong prices"]).await?;
    assert_eq!(stage.watch.end(&mut stage.rig.control, "v2").await?, End::Refused);
    let before = stage.rig.shops[1].counts().total;
    assert_eq!((stage.staff().await?, stage.early().await?), (all("v1"), all("v1")));
    let others = stage.others().await?;
    assert_eq!(others.of_version("v1"), others.requests(), "{}", others.summary());
    assert_eq!(stage.rig.shops[1].counts().total, before, "no copies either");
    stage.end(2).await
}
