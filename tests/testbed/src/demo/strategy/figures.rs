//! What a strategy's demo measured.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::Strategy;
use crate::demo::figures::Step;
use crate::tally::Tally;

/// All of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) strategy: String,
    /// Over all acts.
    pub(super) requests: usize,
    /// Injected errors and held requests apart.
    pub(super) failed: usize,
    /// Users who changed version more often than the strategy asks.
    pub(super) flips: usize,
    pub(super) acts: Vec<Act>,
    pub(super) seconds: f64,
}

/// One release.
#[derive(Debug, Default, Serialize)]
pub(super) struct Act {
    pub(super) name: String,
    pub(super) requests: usize,
    pub(super) failed: usize,
    pub(super) flips: usize,
    /// What is this strategy's own.
    pub(super) own: Vec<Figure>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) steps: Vec<Step>,
}

/// A number with its unit.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) unit: String,
}

impl Act {
    /// `changes`: how often the strategy lets a user change version.
    pub(super) fn of(name: &str, tally: &Tally, changes: usize) -> Self {
        let name = name.to_owned();
        Self { name, requests: tally.requests(), failed: tally.failed(), flips: tally.flips(changes), own: Vec::new(), steps: Vec::new() }
    }

    /// With a figure of the strategy's own.
    pub(super) fn with(mut self, name: &str, value: f64, unit: &str) -> Self {
        self.own.push(Figure { name: name.to_owned(), value, unit: unit.to_owned() });
        self
    }

    /// With what the steps asked for and users got.
    pub(super) fn steps(mut self, steps: Vec<Step>) -> Self {
        self.steps = steps;
        self
    }
}

impl Report {
    pub(super) fn finish(&mut self, strategy: Strategy, time: Duration) {
        self.strategy = clap::ValueEnum::to_possible_value(&strategy).map(|value| value.get_name().to_owned()).unwrap_or_default();
        let sum = |of: fn(&Act) -> usize| self.acts.iter().map(of).sum();
        (self.requests, self.failed, self.flips) = (sum(|act| act.requests), sum(|act| act.failed), sum(|act| act.flips));
        self.seconds = time.as_secs_f64();
    }

    pub(super) fn table(&self) -> String {
        let mut text = format!("{:<44} {:>9} {:>7} {:>6}\n", self.strategy, "requests", "failed", "flips");
        for act in &self.acts {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:<44} {:>9} {:>7} {:>6}", act.name, act.requests, act.failed, act.flips);
            for step in &act.steps {
                let _ = writeln!(text, "    {:<6} asked {:>5.1} %, measured {:>5.1} % of users", step.release, step.asked, step.measured);
            }
            for figure in &act.own {
                // What is counted has no fraction.
                let digits = if matches!(figure.unit.as_str(), "requests" | "copies") { 0 } else { 2 };
                let _ = writeln!(text, "    {}: {:.digits$} {}", figure.name, figure.value, figure.unit);
            }
        }
        let _ = write!(text, "\n{:.0} s in all", self.seconds);
        text
    }
}
