//! Verdicts of the analysis as people and pipelines see them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::analysis::{self, Outcome};

/// The judgement of one metric at the last look.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The metric.
    pub metric: String,
    /// The judgement.
    pub outcome: Outcome,
    /// The candidate's value, for people: `5/48 (10.4 %)`.
    pub value: String,
    /// Stable's at the same time, `0/912`; empty when there is none.
    pub baseline: String,
    /// Requests of the candidate in this epoch that ended well or badly.
    pub samples: u64,
    /// The limit, for people: `E ≥ 400` fails, `success ≥ 99 %` and `p99 ≤ 300ms` are kept.
    pub threshold: String,
    /// One sentence with the numbers.
    pub message: String,
}

impl From<&analysis::Verdict> for Verdict {
    fn from(verdict: &analysis::Verdict) -> Self {
        let analysis::Verdict { metric, outcome, value, baseline, samples, threshold, message } = verdict.clone();
        Self { metric, outcome, value, baseline, samples, threshold, message }
    }
}
