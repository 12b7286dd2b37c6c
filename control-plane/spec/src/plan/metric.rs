//! The metrics that proxies report, and how each is judged.

mod tolerance;

use serde::{Deserialize, Serialize};
use shunt_filter_core::policy::ResponsePolicy;

use crate::time::Span;
pub use tolerance::{LatencyTolerance, Tolerance};

/// One metric that guards a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// Its name in verdicts.
    pub name: String,
    /// What is measured and how it is judged.
    pub guard: Guard,
    /// Requests of the candidate in the step before a pass is possible.
    pub min_samples: u64,
    /// How long it is not judged after the first requests of new instances; only where it compares.
    #[serde(default)]
    pub warm_up: Span,
}

/// What is measured and how it is judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
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
    /// Slow requests per slot at three percentiles, candidate against stable, sequentially (`analysis/latency_slots.rs`); slower by so
    /// much is allowed.
    LatencyNoWorseThanStable(LatencyTolerance),
    /// First answer of each of these classes per slot, candidate against stable, sequentially (`analysis/responses.rs`).
    ResponsesNoWorseThanStable(ResponsePolicy),
    /// First request without an answer per slot, candidate against stable, sequentially (`analysis/hanging.rs`).
    HangingNoWorseThanStable,
}

/// What is compared with stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Failures.
    Errors,
    /// Answers that are no failures.
    Responses,
    /// Times to response headers.
    Latency,
    /// Requests without an answer.
    Hanging,
}

impl Guard {
    /// What it compares with stable, and so takes its part of the error for that a release may be judged with; none: it does not compare.
    pub fn compares(&self) -> Option<Kind> {
        match self {
            Guard::ErrorsNoWorseThanStable | Guard::ErrorsWithin(_) => Some(Kind::Errors),
            Guard::ResponsesNoWorseThanStable(_) => Some(Kind::Responses),
            Guard::LatencyNoWorseThanStable(_) => Some(Kind::Latency),
            Guard::HangingNoWorseThanStable => Some(Kind::Hanging),
            Guard::SuccessRateMin(_) | Guard::LatencyMax { .. } => None,
        }
    }

    /// Whether it compares errors with stable.
    pub fn compares_errors(&self) -> bool {
        self.compares() == Some(Kind::Errors)
    }

    /// How much worse than stable the candidate may be; none: not at all, or it does not compare errors.
    pub fn tolerance(&self) -> Option<Tolerance> {
        match self {
            Guard::ErrorsWithin(tolerance) => Some(*tolerance),
            Guard::ErrorsNoWorseThanStable
            | Guard::SuccessRateMin(_)
            | Guard::LatencyMax { .. }
            | Guard::LatencyNoWorseThanStable(_)
            | Guard::ResponsesNoWorseThanStable(_)
            | Guard::HangingNoWorseThanStable => None,
        }
    }

    /// How much slower than stable the candidate may be; none: it does not compare latency.
    pub fn latency_tolerance(&self) -> Option<LatencyTolerance> {
        match self {
            Guard::LatencyNoWorseThanStable(tolerance) => Some(*tolerance),
            Guard::ErrorsNoWorseThanStable
            | Guard::ErrorsWithin(_)
            | Guard::SuccessRateMin(_)
            | Guard::LatencyMax { .. }
            | Guard::ResponsesNoWorseThanStable(_)
            | Guard::HangingNoWorseThanStable => None,
        }
    }
}
