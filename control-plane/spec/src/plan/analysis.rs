//! What guards a release.

use serde::{Deserialize, Serialize};

use crate::plan::external_metrics::ExternalMetric;
use crate::plan::metric::{Guard, Kind, LatencyTolerance, Metric, Tolerance};
use crate::time::Span;

/// What guards a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisPlan {
    /// What the proxies report themselves. Without `analysis:` errors, responses, latency and hanging requests are compared with stable;
    /// empty where only external sources judge.
    pub metrics: Vec<Metric>,
    /// External metrics; their verdicts follow those of `metrics`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_metrics: Vec<ExternalMetric>,
}

impl AnalysisPlan {
    /// How much worse than stable the candidate may be.
    pub fn tolerance(&self) -> Option<Tolerance> {
        self.metrics.iter().find_map(|metric| metric.guard.tolerance())
    }

    /// Whether something of this kind is compared with stable.
    pub fn compares(&self, kind: Kind) -> bool {
        self.metrics.iter().any(|metric| metric.guard.compares() == Some(kind))
    }

    /// How much slower than stable the candidate may be; none: latency is not compared.
    pub fn latency_tolerance(&self) -> Option<LatencyTolerance> {
        self.metrics.iter().find_map(|metric| metric.guard.latency_tolerance())
    }

    /// How long latency is not judged after the first requests of new instances.
    pub fn latency_warm_up(&self) -> Span {
        let compared = self.metrics.iter().find(|metric| metric.guard.compares() == Some(Kind::Latency));
        compared.map(|metric| metric.warm_up).unwrap_or_default()
    }

    /// The longest warm-up of a metric.
    pub fn warm_up(&self) -> Span {
        self.metrics.iter().map(|metric| metric.warm_up).max().unwrap_or_default()
    }

    /// The same without a tolerance of errors.
    pub fn strict(&self) -> Self {
        let strict = |metric: &Metric| match metric.guard {
            Guard::ErrorsWithin(_) => Metric { guard: Guard::ErrorsNoWorseThanStable, ..metric.clone() },
            _ => metric.clone(),
        };
        Self { metrics: self.metrics.iter().map(strict).collect(), external_metrics: self.external_metrics.clone() }
    }
}
