//! How much worse than stable a candidate may be.

use std::fmt;

use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;

/// How much worse than stable a candidate may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tolerance {
    /// So many percentage points more failures. The filters count this share of stable's successes as failed, so the test stays what
    /// it is.
    Points(Weight),
    /// So many times the failures, above 1. The test takes a slot of the candidate to fail that many times as readily:
    /// π = ρ·n_c / (ρ·n_c + n_s). With several failures at a look the bound of `sequential.rs` needs arXiv 1603.06556 for ρ > 1.
    Ratio(f64),
}

impl Tolerance {
    /// ρ.
    pub(crate) fn ratio(self) -> f64 {
        match self {
            Tolerance::Points(_) => 1.0,
            Tolerance::Ratio(ratio) => ratio,
        }
    }

    /// The share of stable's successes that count as failed.
    pub fn share(self) -> Weight {
        match self {
            Tolerance::Points(share) => share,
            Tolerance::Ratio(_) => Weight::ZERO,
        }
    }
}

/// `0.5pp`, `1.5x`.
impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tolerance::Points(share) => write!(f, "{}pp", share.as_percent()),
            Tolerance::Ratio(ratio) => write!(f, "{ratio}x"),
        }
    }
}
