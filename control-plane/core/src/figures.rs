//! What each step of a release ended with. Recorded with the state, because the proxies stop counting when a release is over, and forget
//! what they counted when they end.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::exemplar::Exemplars;
use shunt_filter_core::{VersionName, Weight};
use shunt_spec::plan::Plan;
use shunt_spec::schema::filter;
use shunt_spec::time::Time;

use crate::analysis::{Outcome, Verdict};
use crate::observation::{Observation, VersionSeen};
use crate::state::{Run, Stage, State};

/// Steps that are kept in the state; the history has all of them.
pub const STEPS_MAX: usize = 24;
/// Verdicts that are kept of a step.
const VERDICTS_MAX: usize = 16;

/// The figures of the last release: of the one that runs, or of the one that ran last.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Steps that have ended, oldest first; the newest [`STEPS_MAX`].
    pub steps: Vec<StepFigures>,
    /// How many ended before these.
    pub earlier: u64,
    /// By version: requests that ended, as far as they were reported by the last transition.
    #[schemars(with = "BTreeMap<String, Counted>")]
    pub versions: BTreeMap<VersionName, Counted>,
    /// When the run came to the step where it is, or was last.
    pub since: Time,
}

/// One step that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepFigures {
    /// The revision that ended it.
    pub revision: u64,
    /// Its number, from 1; none: the promotion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<usize>,
    /// As written: `setWeight 5`; `promotion`.
    pub text: String,
    /// When it was entered.
    pub began: Time,
    /// When it ended.
    pub ended: Time,
    /// The candidate's share of keys.
    #[schemars(with = "filter::Weight")]
    pub weight: Weight,
    /// By version: requests that the split assigned with these weights, also in earlier steps with the same ones.
    #[schemars(with = "BTreeMap<String, Counted>")]
    pub versions: BTreeMap<VersionName, Counted>,
    /// The analysis at its last evaluation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Judged>,
    /// By version, examples of what failed with these weights; in the state only of the newest step, in the history of each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, filter::Exemplars>")]
    pub exemplars: BTreeMap<VersionName, Exemplars>,
}

/// Requests of one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Counted {
    /// Ended.
    pub requests: u64,
    /// Of them failed.
    pub failed: u64,
}

/// What is kept of a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// The metric.
    pub metric: String,
    /// The judgement.
    pub outcome: Outcome,
    /// The candidate's value.
    pub value: String,
    /// Stable's; empty when there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub baseline: String,
    /// Requests of the candidate that it rests on.
    pub samples: u64,
}

/// A part of a run with figures of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// No step, no promotion.
    Elsewhere,
    Step(usize),
    Promotion,
}

impl Figures {
    /// Nothing was released yet.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The step that this revision ended.
    pub fn ended_by(&self, revision: u64) -> Option<&StepFigures> {
        self.steps.iter().rev().find(|step| step.revision == revision)
    }

    /// Those after a transition. Another attempt begins with nothing but the step that it cut short.
    pub(crate) fn after(plan: &Plan, old: &State, new: &State, seen: &Observation) -> Self {
        let again = new.attempt == old.attempt;
        let mut figures = if again { old.figures.clone() } else { Self::default() };
        let (was, is) = (place(old.run.as_ref()), place(new.run.as_ref()));
        if let Some(run) = old.run.as_ref().filter(|_| was != is || !again) {
            figures.steps.iter_mut().for_each(|step| step.exemplars.clear());
            figures.steps.extend(step(plan, run, was, old.figures.since, new.revision, seen));
        }
        let over = figures.steps.len().saturating_sub(STEPS_MAX);
        figures.steps.drain(..over);
        figures.earlier = figures.earlier.saturating_add(over as u64);
        if was != is || !again {
            figures.since = seen.now;
        }
        if old.run.is_some() || new.run.is_some() || new.previous.is_some() {
            figures.count(seen);
        }
        figures
    }

    /// Counters only grow; those of a proxy that has ended since the control plane started are not reported again.
    fn count(&mut self, seen: &Observation) {
        for (version, seen) in seen.versions.iter().filter(|(_, seen)| seen.total > 0) {
            let known = self.versions.entry(version.clone()).or_default();
            known.requests = known.requests.max(seen.total);
            known.failed = known.failed.max(seen.failed);
        }
    }
}

fn place(run: Option<&Run>) -> Place {
    match run.map(|run| &run.stage) {
        Some(Stage::AwaitingPrerequisites { step } | Stage::Applying { step } | Stage::Holding { step }) => Place::Step(*step),
        Some(Stage::Shifting | Stage::Switching) => Place::Promotion,
        Some(Stage::Preparing | Stage::Clearing(_) | Stage::Restoring(_) | Stage::Reverting(_) | Stage::Draining(_)) | None => {
            Place::Elsewhere
        }
    }
}

fn step(plan: &Plan, run: &Run, place: Place, began: Time, revision: u64, seen: &Observation) -> Option<StepFigures> {
    let (number, text) = match place {
        Place::Elsewhere => return None,
        Place::Step(step) => (Some(step.saturating_add(1)), plan.steps.get(step).map(ToString::to_string).unwrap_or_default()),
        Place::Promotion => (None, "promotion".to_owned()),
    };
    let counted = |(version, seen): (&VersionName, &VersionSeen)| {
        (seen.in_epoch > 0).then(|| (version.clone(), Counted { requests: seen.in_epoch, failed: seen.failed_in_epoch }))
    };
    let examples =
        |(version, seen): (&VersionName, &VersionSeen)| (!seen.exemplars.is_empty()).then(|| (version.clone(), seen.exemplars.clone()));
    Some(StepFigures {
        revision,
        number,
        text,
        began,
        ended: seen.now,
        weight: run.weight,
        versions: seen.versions.iter().filter_map(counted).collect(),
        verdicts: seen.verdicts.iter().take(VERDICTS_MAX).map(judged).collect(),
        exemplars: seen.versions.iter().filter_map(examples).collect(),
    })
}

fn judged(verdict: &Verdict) -> Judged {
    Judged {
        metric: verdict.metric.clone(),
        outcome: verdict.outcome,
        value: verdict.value.clone(),
        baseline: verdict.baseline.clone(),
        samples: verdict.samples,
    }
}
