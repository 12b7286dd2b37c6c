//! How much worse than a version others may be.

use serde::{Deserialize, Serialize};

use crate::names::VersionName;
use crate::weight::{POINTS, Weight};

/// So much worse than a version others may be: slots of this share of its successes count as failed too. That changes no decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tolerance {
    /// What others are compared with.
    pub version: VersionName,
    /// The share of its requests that ended well.
    pub share: Weight,
}

impl Tolerance {
    /// Whether a request of the version that ended well counts as failed in its slot. `random` is any number that has nothing to do
    /// with the request, evenly spread.
    pub fn fails(&self, random: u64) -> bool {
        // The high half times a million parts, as the split does it.
        let point = (random >> 32).saturating_mul(u64::from(POINTS)) >> 32;
        point < u64::from(self.share.points())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn the_share_of_successes_that_counts_as_failed_is_exact() {
        let tolerance = |points| Tolerance { version: "v1".parse().unwrap(), share: Weight::ppm(points) };
        // Evenly over all numbers.
        let failed = |points| (0..100_000_u64).filter(|step| tolerance(points).fails(step * (u64::MAX / 100_000))).count();
        assert_eq!((failed(0), failed(POINTS)), (0, 100_000));
        assert!(failed(5_000).abs_diff(500) <= 1, "{}", failed(5_000));
        assert!(tolerance(1).fails(0) && !tolerance(POINTS - 1).fails(u64::MAX));
    }
}
