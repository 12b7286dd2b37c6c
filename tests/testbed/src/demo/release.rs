//! One release, watched until it ends.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::Value;

use super::figures::Step;
use super::picture::Picture;
use super::stage::{ROLLOUT, Stage};
use crate::tally::Tally;

const LOOK: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(120);

/// What a watched release shows at one look.
pub(super) struct Look {
    pub(super) phase: String,
    pub(super) stable: String,
    pub(super) candidate: Option<String>,
    /// The candidate's share of keys, percent.
    pub(super) weight: f64,
    /// Every proxy runs it.
    pub(super) live: bool,
    pub(super) message: String,
}

impl Look {
    fn of(view: &Value) -> Self {
        let text = |pointer: &str| view.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let candidate = view["candidate"].as_str().map(str::to_owned);
        let versions = view["versions"].as_array().into_iter().flatten();
        let weight =
            versions.filter(|version| version["name"].as_str() == candidate.as_deref()).find_map(|version| version["weight"].as_f64());
        Self {
            phase: text("/phase"),
            stable: text("/stable"),
            weight: weight.unwrap_or(0.0),
            live: view.pointer("/policy/live").is_some(),
            message: text("/message"),
            candidate,
        }
    }
}

/// A release under way.
pub(super) struct Watch<'s> {
    stage: &'s Stage,
    picture: &'s Picture,
    rollout: &'static str,
    version: String,
    /// Journal lines already told.
    told: u64,
    /// The weight being measured, and since when.
    measuring: Option<(f64, Vec<usize>)>,
    /// Weights asked and measured so far.
    pub(super) steps: Vec<Step>,
}

impl<'s> Watch<'s> {
    /// Asks for it, as a user would.
    pub(super) async fn release(stage: &'s Stage, picture: &'s Picture, version: &str) -> Result<Self> {
        Self::release_of(stage, picture, ROLLOUT, version).await
    }

    /// The same of another Rollout.
    pub(super) async fn release_of(stage: &'s Stage, picture: &'s Picture, rollout: &'static str, version: &str) -> Result<Self> {
        let told = stage.control.rollout(rollout).await?["revision"].as_u64().unwrap_or(0);
        picture.say(format!("$ shunt release {rollout} {version}"));
        stage.control.cli_ok(&["release", rollout, version]).await?;
        Ok(Self { stage, picture, rollout, version: version.to_owned(), told, measuring: None, steps: Vec::new() })
    }

    /// Goes on watching one that was under way at `revision`.
    pub(super) fn resume(stage: &'s Stage, picture: &'s Picture, version: &str, revision: u64) -> Self {
        Self { stage, picture, rollout: ROLLOUT, version: version.to_owned(), told: revision, measuring: None, steps: Vec::new() }
    }

    /// Looks until `done` says so. Errors when that takes too long.
    pub(super) async fn until(&mut self, what: &str, done: impl Fn(&Look) -> bool) -> Result<()> {
        let start = std::time::Instant::now();
        let mut message = String::new();
        while start.elapsed() < LONGEST {
            // While the control plane is down there is nothing to see.
            if let Ok(view) = self.stage.control.rollout(self.rollout).await {
                let look = Look::of(&view);
                self.tell(&view).await?;
                self.measure(&look);
                self.picture.show(&look);
                if done(&look) {
                    return Ok(());
                }
                message = look.message;
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!("waited {LONGEST:?} for {what}; the last word was: {message}")
    }

    /// Until it is stable.
    pub(super) async fn promoted(&mut self) -> Result<()> {
        let version = self.version.clone();
        self.until(&format!("{version} to be promoted"), |look| look.phase == "Healthy" && look.stable == version).await?;
        self.picture.clear();
        Ok(())
    }

    /// Until it is refused, or over without promotion, and no user is sent to it any more.
    pub(super) async fn ended(&mut self) -> Result<()> {
        let version = self.version.clone();
        self.until(&format!("{version} to be over"), |look| {
            look.candidate.is_none() && look.stable != version && look.phase != "Progressing"
        })
        .await?;
        self.picture.clear();
        Ok(())
    }

    /// New lines of the journal, in its own words.
    async fn tell(&mut self, view: &Value) -> Result<()> {
        let revision = view["revision"].as_u64().unwrap_or(0);
        if revision <= self.told {
            return Ok(());
        }
        let history: Value = self.stage.control.get_json(&format!("/v1/rollouts/{}/history?limit=40", self.rollout)).await?;
        let mut entries: Vec<(u64, String)> = history
            .as_array()
            .or_else(|| history["entries"].as_array())
            .into_iter()
            .flatten()
            .filter_map(|entry| Some((entry["revision"].as_u64()?, entry["reason"].as_str()?.to_owned())))
            .filter(|(number, _)| *number > self.told)
            .collect();
        entries.sort_unstable();
        for (number, reason) in entries {
            self.picture.say(format!("  r{number:<3} {reason}"));
            self.told = number;
        }
        Ok(())
    }

    /// Measures what users get while a weight is in force at every proxy and not yet replaced.
    fn measure(&mut self, look: &Look) {
        let ours = look.candidate.as_deref() == Some(&self.version);
        let changed = self.measuring.as_ref().is_some_and(|(weight, _)| !ours || (*weight - look.weight).abs() > f64::EPSILON);
        if changed && let Some((asked, mark)) = self.measuring.take() {
            self.steps.push(step(&self.version, asked, &self.stage.tally_since(&mark)));
        }
        if self.measuring.is_none() && ours && look.live && look.weight > 0.0 {
            self.measuring = Some((look.weight, self.stage.mark()));
        }
    }
}

/// Users by the version that answered them last, requests by version. The last 100 ms belong to the next weight already.
fn step(version: &str, asked: f64, tally: &Tally) -> Step {
    let end = tally.shots().last().map(|shot| shot.at).unwrap_or_default();
    let until = end.saturating_sub(Duration::from_millis(100));
    let within = tally.only(|shot| shot.at <= until);
    let journeys = within.journeys();
    let on: BTreeSet<_> = journeys.iter().filter(|(_, met)| met.last().is_some_and(|last| **last == *version)).collect();
    let measured = if journeys.is_empty() { 0.0 } else { on.len() as f64 * 100.0 / journeys.len() as f64 };
    Step { release: version.to_owned(), asked, measured, measured_requests: within.share(version), requests: within.requests() }
}
