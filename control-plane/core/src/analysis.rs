//! Is the candidate worse? Metrics, what they are judged by, and verdicts.

mod arms;
mod counters;
mod errors;
mod evaluation;
pub mod external_metrics;
mod first_bad;
mod first_slow;
mod hanging;
mod latency;
mod latency_baseline;
mod latency_slots;
pub(crate) mod number;
mod reported;
mod responses;
mod sequential;
mod simulated_test;
mod trial;
mod warmth;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::report::{EpochReport, Slots};

pub use self::arms::{Arms, Exposure};
pub(crate) use self::counters::is_broken;
pub(crate) use self::evaluation::MIN_ACTIVE_SLOTS;
pub use self::latency_baseline::thresholds;
pub(crate) use self::simulated_test::SimulatedTest;
pub use self::warmth::{Warmed, Warmth};

use shunt_spec::plan::metric::{Kind, Metric, Tolerance};
use shunt_spec::time::Span;

use self::trial::Trial;

/// The judgement of one metric at one evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The metric.
    pub metric: String,
    /// The judgement.
    pub outcome: Outcome,
    /// The candidate's value, as people read it: `5/48 (10.4 %)`.
    pub value: String,
    /// Stable's at the same time, `0/912`; empty when there is none.
    pub baseline: String,
    /// Requests of the candidate in this epoch that ended well or badly.
    pub samples: u64,
    /// The limit: `E ≥ 400` fails, `success ≥ 99 %` and `p99 ≤ 300ms` are kept.
    pub threshold: String,
    /// One sentence with the numbers.
    pub message: String,
}

/// What a verdict says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Enough data, not worse.
    Pass,
    /// Worse.
    Fail,
    /// Too few samples or slots to pass.
    NeedMoreData,
    /// Measured, and neither good nor bad more often than is allowed: an operator has to look.
    Inconclusive,
    /// The source did not answer.
    SourceError,
    /// Cannot be judged in this step, for example because one arm has no weight.
    NotApplicable,
}

impl Outcome {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::NeedMoreData => "needMoreData",
            Outcome::Inconclusive => "inconclusive",
            Outcome::SourceError => "sourceError",
            Outcome::NotApplicable => "notApplicable",
        }
    }
}

/// 1/α of one comparison with stable in one step, α = 1 %.
const ONE_IN: f64 = 100.0;

/// Judges one attempt, whose epochs only grow; keeps what the sequential tests need between evaluations. A fresh one after a restart sees
/// all of the epoch as one batch, which keeps the error bound; what has a warm-up counts only what comes after, because it cannot be told
/// what came in it.
#[derive(Debug, Clone, Default)]
pub struct Analyst {
    trial: Option<Trial>,
}

/// What is judged, and when.
#[derive(Debug, Clone, Copy)]
pub struct Judging<'a> {
    /// One verdict each.
    pub metrics: &'a [Metric],
    /// How many steps of the run have weight on both arms (at least 1): the error of 1 % is divided over them and over the tests of the
    /// metrics that compare with stable.
    pub steps: u32,
    /// How warm the instances are.
    pub warmth: Warmth,
}

impl Analyst {
    /// One evaluation: one verdict per metric, in their order.
    ///
    /// A newer epoch in `evidence` starts fresh tests; an older one is ignored, what was last seen is judged again. Other arms in the
    /// same epoch start fresh tests too, and slots that have failed or were slow before count in neither arm. A comparison that has
    /// failed stays failed for its epoch.
    pub fn evaluate(&mut self, judging: Judging<'_>, arms: Arms<'_>, evidence: &EpochReport) -> Vec<Verdict> {
        let ratio = ratio(judging.metrics);
        let fresh = self.trial.is_none();
        // A kind with a warm-up counts nothing of it.
        let skips = |kind: Kind| {
            let metric = judging.metrics.iter().find(|metric| metric.guard.compares() == Some(kind));
            metric.is_some_and(|metric| judging.warmth.is_below(metric.warm_up) || (fresh && metric.warm_up > Span::default()))
        };
        let trial = match self.trial.take() {
            Some(trial) if evidence.epoch < trial.epoch => trial,
            Some(trial) if evidence.epoch == trial.epoch && trial.is_of(&arms, ratio) => trial.with(evidence, skips),
            Some(trial) if evidence.epoch == trial.epoch => Trial::new(&arms, ratio, evidence.epoch, evidence).with(evidence, skips),
            Some(_) | None => Trial::new(&arms, ratio, evidence.epoch, &EpochReport::default()).with(evidence, skips),
        };
        self.trial.insert(trial).judge(judging)
    }

    /// What a pass could rest on at the last evaluation.
    pub fn evidence(&self) -> Evidence {
        self.trial.as_ref().map(Trial::evidence).unwrap_or_default()
    }
}

/// What a pass rests on: requests of the candidate in this epoch, and the whole slots of its keys that they came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// Requests that ended well or badly.
    pub requests: u64,
    /// Whole slots with at least one ended request.
    pub slots: u64,
}

/// How many times as readily slots of the candidate may fail.
fn ratio(metrics: &[Metric]) -> f64 {
    metrics.iter().find_map(|metric| metric.guard.tolerance()).map_or(1.0, Tolerance::ratio)
}

/// 1/α of a test with one part of the error, which is divided over steps, and in parts over the tests of all metrics that compare.
fn threshold(metrics: &[Metric], steps: u32) -> f64 {
    let parts: u32 = metrics.iter().filter_map(|metric| metric.guard.compares()).map(parts).sum();
    ONE_IN * f64::from(steps.max(1)) * f64::from(parts.max(1))
}

/// How many parts of the error the tests of such a comparison get.
fn parts(kind: Kind) -> u32 {
    match kind {
        Kind::Errors | Kind::Responses | Kind::Hanging => 1,
        Kind::Latency => latency_slots::PARTS,
    }
}

/// How many slots are in both.
fn common(a: &Slots, b: &Slots) -> u64 {
    a.len().saturating_sub(a.minus(b).len()) as u64
}
