//! How much worse than stable a candidate may be.

use std::fmt;

use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;
use shunt_filter_core::policy::LatencyThresholds;

use crate::time::Span;

/// How much worse than stable a candidate may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tolerance {
    /// So many percentage points more failures. The filters count this share of stable's successes as failed, so the test stays what
    /// it is.
    Points(Weight),
    /// So many times the failures, above 1. The test takes a slot of the candidate to fail that many times as readily:
    /// π = ρ·n_c / (ρ·n_c + n_s). With several failures at an evaluation the bound of `sequential.rs` needs arXiv 1603.06556 for ρ > 1.
    Ratio(f64),
}

impl Tolerance {
    /// ρ.
    pub fn ratio(self) -> f64 {
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

/// How much slower than stable a candidate may be: by the larger of the two.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencyTolerance {
    /// Percent of what stable takes.
    pub by: f64,
    /// A time, however fast stable is.
    pub at_least: Span,
}

impl LatencyTolerance {
    /// A difference on which an operator would not act: a candidate with less traffic has colder caches and connections.
    pub const USUAL: Self = Self { by: 20.0, at_least: Span::millis(5) };
    /// Nothing is tolerated.
    pub const NONE: Self = Self { by: 0.0, at_least: Span::millis(0) };

    /// Above what a request of the candidate is slow, where a request of stable is above these.
    ///
    /// The function that moves a time by the tolerance grows with it, so a candidate that takes at most so much longer exceeds its
    /// thresholds only where stable would have exceeded its own: it has at most as many slow slots, and E is at most what it is for an
    /// equal candidate.
    pub fn moved(self, stable: LatencyThresholds) -> LatencyThresholds {
        let LatencyThresholds { p50_us, p90_us, p99_us } = stable;
        LatencyThresholds { p50_us: self.moved_us(p50_us), p90_us: self.moved_us(p90_us), p99_us: self.moved_us(p99_us) }
    }

    fn moved_us(self, us: u32) -> u32 {
        let us = f64::from(us);
        let moved = (us * (1.0 + self.by / 100.0)).max(us + self.at_least.0 as f64 * 1_000.0);
        // A cast of a float ends at the largest value.
        moved.ceil() as u32
    }
}

/// `20 %, at least 5ms`; `5ms`; empty: nothing.
impl fmt::Display for LatencyTolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.by > 0.0, self.at_least > Span::millis(0)) {
            (true, true) => write!(f, "{} %, at least {}", self.by, self.at_least),
            (true, false) => write!(f, "{} %", self.by),
            (false, true) => write!(f, "{}", self.at_least),
            (false, false) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case(LatencyTolerance::USUAL, 3_700, 8_700; "at least 5 ms where stable is fast")]
    #[test_case(LatencyTolerance::USUAL, 25_000, 30_000; "where both are the same")]
    #[test_case(LatencyTolerance::USUAL, 100_000, 120_000; "20 % where stable is slow")]
    #[test_case(LatencyTolerance::NONE, 3_700, 3_700; "nothing")]
    #[test_case(LatencyTolerance { by: 100.0, ..LatencyTolerance::NONE }, u32::MAX, u32::MAX; "no overflow")]
    fn thresholds_move_by_the_larger_of_the_two(tolerance: LatencyTolerance, stable: u32, candidate: u32) {
        let moved = tolerance.moved(LatencyThresholds { p50_us: stable, p90_us: stable, p99_us: stable });
        assert_eq!((moved.p50_us, moved.p90_us, moved.p99_us), (candidate, candidate, candidate));
    }

    #[test_case(LatencyTolerance::USUAL, "20 %, at least 5ms")]
    #[test_case(LatencyTolerance { by: 12.5, at_least: Span::millis(0) }, "12.5 %")]
    #[test_case(LatencyTolerance { by: 0.0, at_least: Span::millis(40) }, "40ms")]
    #[test_case(LatencyTolerance::NONE, "")]
    fn texts(tolerance: LatencyTolerance, text: &str) {
        assert_eq!(tolerance.to_string(), text);
    }
}
