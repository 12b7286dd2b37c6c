//! The demo's figures: for people as a table, for programs as JSON.

use std::fmt::Write as _;

use serde::Serialize;

use crate::tally::Tally;

/// All of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figures {
    pub(super) acts: Vec<Act>,
    pub(super) bad_release: Option<BadRelease>,
    /// From the first process to the last act's end.
    pub(super) seconds: f64,
}

/// One act.
#[derive(Debug, Serialize)]
pub(super) struct Act {
    pub(super) name: String,
    pub(super) requests: usize,
    /// Injected errors apart.
    pub(super) failed: usize,
    /// Users who changed version more often than the strategy asks.
    pub(super) flips: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) steps: Vec<Step>,
}

impl Act {
    /// `changes`: how often the strategy lets a user change version.
    pub(super) fn of(name: &str, tally: &Tally, changes: usize, steps: Vec<Step>) -> Self {
        Self { name: name.to_owned(), requests: tally.requests(), failed: tally.failed(), flips: tally.flips(changes), steps }
    }
}

/// One weight of one release, asked and measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Step {
    pub(super) release: String,
    /// Percent of keys.
    pub(super) asked: f64,
    /// Percent of users that the load saw on the version.
    pub(super) measured: f64,
    /// Percent of requests, which differs: users make different numbers of them.
    pub(super) measured_requests: f64,
    pub(super) requests: usize,
}

/// What the bad release cost.
#[derive(Debug, Serialize)]
pub(super) struct BadRelease {
    pub(super) bad_requests_served: usize,
    /// From the first request that it answered to the last.
    pub(super) seconds_to_abort: f64,
    pub(super) users: usize,
    pub(super) line: String,
}

impl Figures {
    pub(super) fn table(&self) -> String {
        let mut text = format!("{:<34} {:>9} {:>7} {:>6}\n", "act", "requests", "failed", "flips");
        for act in &self.acts {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:<34} {:>9} {:>7} {:>6}", act.name, act.requests, act.failed, act.flips);
        }
        let _ = writeln!(text, "\n{:<10} {:>8} {:>16} {:>19}", "release", "asked", "measured: users", "measured: requests");
        for step in self.acts.iter().flat_map(|act| &act.steps) {
            let (users, requests) = (step.measured, step.measured_requests);
            let _ = writeln!(text, "{:<10} {:>6.1} % {users:>14.1} % {requests:>17.1} %", step.release, step.asked);
        }
        if let Some(bad) = &self.bad_release {
            let _ = writeln!(text, "\n{}", bad.line);
            let _ = writeln!(text, "bad requests served: {}, abort after {:.1} s", bad.bad_requests_served, bad.seconds_to_abort);
        }
        let _ = write!(text, "\n{:.0} s in all", self.seconds);
        text
    }
}
