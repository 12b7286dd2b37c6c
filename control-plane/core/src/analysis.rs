//! Is the candidate worse? Metrics, what they are judged by, and verdicts.

use serde::{Deserialize, Serialize};

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
    /// First failure per slot, candidate against stable, sequentially (`SPRT` of the log-rank kind; see `sequential`).
    ErrorsNoWorseThanStable,
    /// Share of requests that succeed must be at least this, percent.
    SuccessRateMin(f64),
    /// A percentile of the time to response headers must be at most this.
    LatencyMax {
        /// 0 to 100.
        percentile: f64,
        /// The limit.
        max: Span,
    },
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
    /// Stable's at the same time; empty when there is none.
    pub baseline: String,
    /// Requests of the candidate in this epoch.
    pub samples: u64,
    /// What would fail: `E >= 400` or `<= 300ms`.
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
    /// The source did not answer.
    SourceError,
    /// Cannot be judged in this step, for example because one arm has no weight.
    NotApplicable,
}

/// Who is compared, and where the hash space belongs to whom.
#[derive(Debug, Clone, Copy)]
pub struct Arms<'a> {
    /// The version being released.
    pub candidate: &'a shunt_filter_core::VersionName,
    /// What it is compared with; it owns every point that no range claims.
    pub stable: &'a shunt_filter_core::VersionName,
    /// The split of this epoch.
    pub ranges: &'a [shunt_filter_core::policy::Range],
}

/// Judges one run; keeps what the sequential tests need between looks. A fresh one after a restart sees all failures of the
/// epoch as one batch, which keeps the error bound.
#[derive(Debug, Default)]
pub struct Analyst {}

impl Analyst {
    /// One look. `looks_over` is steps in which both arms have weight (at least 1); a new epoch in `evidence` starts fresh tests.
    pub fn look(&mut self, _metrics: &[Metric], _steps: u32, _arms: Arms<'_>, _evidence: &shunt_filter_core::report::EpochReport) -> Vec<Verdict> {
        todo!()
    }
}
