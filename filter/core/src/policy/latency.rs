//! What counts as slow.

use serde::{Deserialize, Serialize};

use crate::names::VersionName;

/// What counts as slow, per arm: a version may be slower than the one that it is compared with by so much as its thresholds are higher.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencyPolicy {
    /// What the others are compared with: stable, or a baseline.
    pub version: VersionName,
    /// Its thresholds: percentiles of its own times before the epoch.
    pub thresholds: LatencyThresholds,
    /// Those of all other versions: the same, moved by what is tolerated.
    pub others: LatencyThresholds,
}

/// Percentiles of times to response headers, in microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencyThresholds {
    /// Half of the requests took longer.
    pub p50_us: u32,
    /// One in ten took longer.
    pub p90_us: u32,
    /// One in a hundred took longer.
    pub p99_us: u32,
}

impl LatencyPolicy {
    /// The same for all: nothing is tolerated.
    pub fn equal(version: VersionName, thresholds: LatencyThresholds) -> Self {
        Self { version, thresholds, others: thresholds }
    }

    /// The thresholds of one version.
    pub fn of(&self, version: &VersionName) -> LatencyThresholds {
        if *version == self.version { self.thresholds } else { self.others }
    }
}
