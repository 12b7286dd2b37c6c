//! What was measured so far, folded: counts for limits, and the last few measurements for people.

use serde::{Deserialize, Serialize};

use shunt_spec::plan::external_metrics::{ExternalMetric, Reading};
use shunt_spec::time::Time;

/// One measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// When it was asked for.
    pub at: Time,
    /// The epoch of the split it was asked for in.
    pub epoch: u64,
    /// What it says.
    pub reading: Reading,
    /// The value, as people read it; empty after an error.
    pub value: String,
    /// The baseline's, where there is one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub baseline: String,
}

/// Measurements that are kept one by one.
pub const RECENT_MAX: usize = 20;

/// All measurements of one metric in its scope.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Since when it is measured; the initial delay starts here.
    pub began: Time,
    /// How many were good.
    pub successes: u32,
    /// How many were bad.
    pub failures: u32,
    /// How many were neither.
    pub inconclusive: u32,
    /// How many had no data.
    pub no_data: u32,
    /// How many were errors.
    pub errors: u32,
    /// How many errors there are in a row now.
    pub errors_now: u32,
    /// The most errors there ever were in a row.
    pub errors_in_row: u32,
    /// The last ones, newest last.
    pub recent: Vec<Measurement>,
}

impl History {
    /// Nothing is measured yet.
    pub fn new(began: Time) -> Self {
        Self { began, ..Self::default() }
    }

    /// One more.
    pub fn take(&mut self, measurement: Measurement) {
        let count = match &measurement.reading {
            Reading::Success => &mut self.successes,
            Reading::Failure => &mut self.failures,
            Reading::Inconclusive => &mut self.inconclusive,
            Reading::NoData => &mut self.no_data,
            Reading::Error(_) => &mut self.errors,
        };
        *count = count.saturating_add(1);
        self.errors_now = match &measurement.reading {
            Reading::Error(_) => self.errors_now.saturating_add(1),
            Reading::Success | Reading::Failure | Reading::Inconclusive | Reading::NoData => 0,
        };
        self.errors_in_row = self.errors_in_row.max(self.errors_now);
        if self.recent.len() >= RECENT_MAX {
            self.recent.remove(0);
        }
        self.recent.push(measurement);
    }

    /// The last one.
    pub fn latest(&self) -> Option<&Measurement> {
        self.recent.last()
    }

    /// Measurements that say something: not errors, not without data.
    pub fn measured(&self) -> u32 {
        self.successes.saturating_add(self.failures).saturating_add(self.inconclusive)
    }

    /// Whether nothing measured later could change the verdict any more.
    pub fn is_final(&self, metric: &ExternalMetric) -> bool {
        self.failures > metric.failure_limit
            || self.errors_in_row > metric.consecutive_error_limit
            || self.inconclusive > metric.inconclusive_limit && !metric.only_shows()
            || metric.count.is_some_and(|count| self.measured() >= count)
    }
}
