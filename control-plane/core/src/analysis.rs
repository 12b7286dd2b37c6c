//! Is the candidate worse? Metrics, what they are judged by, and verdicts.

mod arms;
mod counters;
mod first_slow;
mod latency;
mod latency_slots;
mod look;
pub mod measured;
pub(crate) mod number;
mod race;
mod sequential;
mod tolerance;
mod typical;

use serde::{Deserialize, Serialize};
use shunt_filter_core::VersionName;
use shunt_filter_core::policy::Range;
use shunt_filter_core::report::{Counters, EpochReport, Slots};

pub use self::arms::{Arms, Exposure};
pub(crate) use self::look::MIN_ACTIVE_SLOTS;
pub(crate) use self::race::Race;
pub use self::tolerance::Tolerance;
pub use self::typical::thresholds;

use self::arms::ArmSlots;
use self::latency_slots::LatencyComparison;
use self::look::Look;
use self::sequential::Comparison;
use crate::time::Span;

/// One metric that guards a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Its name in verdicts.
    pub name: String,
    /// What is measured and how it is judged.
    pub guard: Guard,
    /// Requests of the candidate in the step before a pass is possible.
    pub min_samples: u64,
}

/// What is measured and how it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Guard {
    /// First failure per slot, candidate against stable, sequentially (`analysis/sequential.rs`).
    ErrorsNoWorseThanStable,
    /// The same, and so much worse is allowed.
    ErrorsWithin(Tolerance),
    /// Share of requests that succeed must be at least this, percent.
    SuccessRateMin(f64),
    /// A percentile of the time to response headers must be at most this.
    LatencyMax {
        /// 0 to 100.
        percentile: f64,
        /// The limit.
        max: Span,
    },
    /// Slow requests per slot at three percentiles, candidate against stable, sequentially (`analysis/latency_slots.rs`).
    LatencyNoWorseThanStable,
}

impl Metric {
    /// Whether so many requests of the candidate break a lowest success rate, whatever comes.
    pub(crate) fn is_broken(&self, good: u64, bad: u64) -> bool {
        match self.guard {
            Guard::SuccessRateMin(min) => counters::is_broken(min, good, bad, self.min_samples),
            Guard::ErrorsNoWorseThanStable | Guard::ErrorsWithin(_) | Guard::LatencyMax { .. } | Guard::LatencyNoWorseThanStable => false,
        }
    }
}

impl Guard {
    /// Whether it compares with stable, and so takes its part of the error that a release may be judged with.
    pub fn compares(self) -> bool {
        match self {
            Guard::ErrorsNoWorseThanStable | Guard::ErrorsWithin(_) | Guard::LatencyNoWorseThanStable => true,
            Guard::SuccessRateMin(_) | Guard::LatencyMax { .. } => false,
        }
    }

    /// Whether it compares errors with stable.
    pub fn compares_errors(self) -> bool {
        matches!(self, Guard::ErrorsNoWorseThanStable | Guard::ErrorsWithin(_))
    }

    /// How much worse than stable the candidate may be; none: not at all, or it does not compare errors.
    pub fn tolerance(self) -> Option<Tolerance> {
        match self {
            Guard::ErrorsWithin(tolerance) => Some(tolerance),
            Guard::ErrorsNoWorseThanStable | Guard::SuccessRateMin(_) | Guard::LatencyMax { .. } | Guard::LatencyNoWorseThanStable => None,
        }
    }
}

/// The judgement of one metric at one look.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Enough data, not worse.
    Pass,
    /// Worse.
    Fail,
    /// Too few samples or slots to pass.
    NeedMoreData,
    /// Measured, and neither good nor bad more often than is allowed: somebody has to look.
    Inconclusive,
    /// The source did not answer.
    SourceError,
    /// Cannot be judged in this step, for example because one arm has no weight.
    NotApplicable,
}

/// 1/α of one comparison with stable in one step, α = 1 %.
const ONE_IN: f64 = 100.0;

/// Judges one attempt, whose epochs only grow; keeps what the sequential tests need between looks. A fresh one after a restart sees all
/// of the epoch as one batch, which keeps the error bound.
#[derive(Debug, Clone, Default)]
pub struct Analyst {
    trial: Option<Trial>,
}

impl Analyst {
    /// One look: one verdict per metric, in their order.
    ///
    /// `steps` is how many steps of the run have weight on both arms (at least 1): the error of 1 % is divided over them and over the
    /// metrics that compare with stable. A newer epoch in `evidence` starts fresh tests; an older one is ignored, what was last seen is
    /// judged again. Other arms in the same epoch start fresh tests too, and slots that have failed or were slow before count in neither arm.
    /// A comparison that has failed stays failed for its epoch.
    pub fn look(&mut self, metrics: &[Metric], steps: u32, arms: Arms<'_>, evidence: &EpochReport) -> Vec<Verdict> {
        let ratio = ratio(metrics);
        let trial = match self.trial.take() {
            Some(trial) if evidence.epoch < trial.epoch => trial,
            Some(trial) if evidence.epoch == trial.epoch && trial.is_of(&arms, ratio) => trial.with(evidence),
            Some(trial) if evidence.epoch == trial.epoch => Trial::new(&arms, ratio, evidence, evidence),
            Some(_) | None => Trial::new(&arms, ratio, evidence, &EpochReport::default()),
        };
        self.trial.insert(trial).judge(metrics, steps)
    }

    /// What a pass could rest on at the last look.
    pub fn evidence(&self) -> Evidence {
        self.trial.as_ref().map(Trial::evidence).unwrap_or_default()
    }
}

/// What a pass rests on: requests of the candidate in this epoch, and the whole slots of its keys that they came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Requests that ended well or badly.
    pub requests: u64,
    /// Whole slots with at least one ended request.
    pub slots: u64,
}

/// One epoch with its arms.
#[derive(Debug, Clone)]
struct Trial {
    epoch: u64,
    candidate: VersionName,
    stable: VersionName,
    ranges: Vec<Range>,
    slots: ArmSlots,
    /// Failed slots that need no counting any more.
    counted: Slots,
    errors: Comparison,
    latency: LatencyComparison,
    latest: EpochReport,
}

impl Trial {
    /// Slots that failed or were slow in `before` are in neither arm.
    fn new(arms: &Arms<'_>, ratio: f64, evidence: &EpochReport, before: &EpochReport) -> Self {
        let slots = ArmSlots::of(arms);
        let at_risk = |arm: &Slots| arm.minus(&before.failed).len() as u64;
        let errors = Comparison::new(ratio, at_risk(&slots.candidate), at_risk(&slots.stable));
        let trial = Self {
            epoch: evidence.epoch,
            candidate: arms.candidate.clone(),
            stable: arms.stable.clone(),
            ranges: arms.ranges.to_vec(),
            latency: LatencyComparison::new(&slots, before.latency.clone().unwrap_or_default()),
            slots,
            counted: before.failed.clone(),
            errors,
            latest: EpochReport::default(),
        };
        trial.with(evidence)
    }

    fn is_of(&self, arms: &Arms<'_>, ratio: f64) -> bool {
        self.errors.ratio() == ratio && self.candidate == *arms.candidate && self.stable == *arms.stable && self.ranges == arms.ranges
    }

    /// Counts each slot that failed, or was slow, since the last look, once.
    fn with(mut self, evidence: &EpochReport) -> Self {
        let newly = evidence.failed.minus(&self.counted);
        self.errors.take(common(&newly, &self.slots.candidate), common(&newly, &self.slots.stable));
        self.counted.union_with(&newly);
        if let Some(seen) = &evidence.latency {
            self.latency.take(&self.slots, seen);
        }
        self.latest.clone_from(evidence);
        self
    }

    fn evidence(&self) -> Evidence {
        let candidate = self.latest.versions.get(&self.candidate);
        let requests = candidate.map_or(0, |counters| counters.succeeded.saturating_add(counters.failed));
        Evidence { requests, slots: common(&self.slots.candidate, &self.latest.seen) }
    }

    fn judge(&mut self, metrics: &[Metric], steps: u32) -> Vec<Verdict> {
        let nothing = Counters::default();
        let counters = |version| self.latest.versions.get(version).unwrap_or(&nothing);
        let threshold = threshold(metrics, steps);
        let arms = Arms { candidate: &self.candidate, stable: &self.stable, ranges: &self.ranges };
        let active = common(&self.slots.candidate, &self.latest.seen);
        let slots = self.slots.candidate.len() as u64;
        let (candidate, stable) = (counters(&self.candidate), counters(&self.stable));
        let looks = metrics.iter().map(|metric| Look { metric, arms, candidate, stable, slots, active });
        looks.map(|look| judge(&look, &self.slots, &mut self.errors, &mut self.latency, threshold)).collect()
    }
}

/// How many times as readily slots of the candidate may fail.
fn ratio(metrics: &[Metric]) -> f64 {
    metrics.iter().find_map(|metric| metric.guard.tolerance()).map_or(1.0, Tolerance::ratio)
}

/// 1/α of one comparison: the error is divided over steps and comparisons.
fn threshold(metrics: &[Metric], steps: u32) -> f64 {
    let compared = metrics.iter().filter(|metric| metric.guard.compares()).count().max(1);
    ONE_IN * f64::from(steps.max(1)) * compared as f64
}

/// How many slots are in both.
fn common(a: &Slots, b: &Slots) -> u64 {
    a.len().saturating_sub(a.minus(b).len()) as u64
}

fn judge(look: &Look<'_>, slots: &ArmSlots, errors: &mut Comparison, latency: &mut LatencyComparison, threshold: f64) -> Verdict {
    if slots.candidate_points == 0 {
        return look.not_applicable(&format!("{} has no weight in this step", look.arms.candidate));
    }
    match look.metric.guard {
        guard if guard.compares() && slots.stable_points == 0 => {
            look.not_applicable(&format!("{} has no weight in this step, there is nothing to compare with", look.arms.stable))
        }
        guard if guard.compares() && slots.stable.is_empty() => {
            look.not_applicable(&format!("{} has no whole slot of the hash space, there is nothing to compare with", look.arms.stable))
        }
        Guard::ErrorsNoWorseThanStable | Guard::ErrorsWithin(_) => errors.judge(look, threshold),
        Guard::SuccessRateMin(min) => counters::judge(look, min),
        Guard::LatencyMax { percentile, max } => self::latency::judge(look, percentile, max),
        Guard::LatencyNoWorseThanStable => latency.judge(look, threshold),
    }
}
