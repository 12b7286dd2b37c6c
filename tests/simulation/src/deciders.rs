//! Who decides: our own analysis, the same without knowing of users, and fixed thresholds as they are used today.

use shunt_core::analysis::{Analyst, Arms, Judging, Outcome, Warmth};
use shunt_filter_core::VersionName;
use shunt_filter_core::policy::{Range, ResponsePolicy};
use shunt_filter_core::report::{EpochReport, POINTS_PER_SLOT};
use shunt_spec::Span;
use shunt_spec::plan::metric::{Guard, Metric};

use crate::scenario::Scenario;

/// The real thing.
#[derive(Debug)]
pub(crate) struct Recipe {
    analyst: Analyst,
    metrics: Vec<Metric>,
    steps: u32,
    candidate: VersionName,
    stable: VersionName,
    ranges: Vec<Range>,
}

impl Recipe {
    pub(crate) fn new(scenario: &Scenario, candidate: VersionName, stable: VersionName) -> Self {
        // All that is compared without `analysis:`, because each has its part of the error.
        let errors = scenario.tolerance.map_or(Guard::ErrorsNoWorseThanStable, Guard::ErrorsWithin);
        let guards = [
            errors,
            Guard::ResponsesNoWorseThanStable(ResponsePolicy::all()),
            Guard::LatencyNoWorseThanStable(scenario.slower),
            Guard::HangingNoWorseThanStable,
        ];
        let metric = |guard| Metric { name: "compared".to_owned(), guard, min_samples: 100, warm_up: Span::default() };
        let metrics = guards.map(metric).to_vec();
        let steps = scenario.weights.len() as u32;
        Self { analyst: Analyst::default(), metrics, steps, candidate, stable, ranges: Vec::new() }
    }

    /// The candidate gets the slots below this.
    pub(crate) fn weigh(&mut self, slots: u16) {
        self.ranges = vec![Range { from: 0, to: u32::from(slots) * POINTS_PER_SLOT, version: self.candidate.clone() }];
    }

    /// Whether it aborts at this evaluation.
    pub(crate) fn evaluate(&mut self, evidence: &EpochReport) -> bool {
        let arms = Arms { candidate: &self.candidate, stable: &self.stable, ranges: &self.ranges };
        let judging = Judging { metrics: &self.metrics, steps: self.steps, warmth: Warmth::Cold };
        let verdicts = self.analyst.evaluate(judging, arms, evidence);
        verdicts.iter().any(|verdict| verdict.outcome == Outcome::Fail)
    }
}

/// A sequential likelihood-ratio test that takes every request as a draw of its own.
#[derive(Debug)]
pub(crate) struct Independent {
    logs: [f64; 8],
    ln_threshold: f64,
}

const THETAS: [f64; 8] = [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

impl Independent {
    pub(crate) fn new(steps: u32) -> Self {
        Self { logs: [0.0; 8], ln_threshold: (100.0 * f64::from(steps)).ln() }
    }

    pub(crate) fn begin(&mut self) {
        self.logs = [0.0; 8];
    }

    /// Failures of this second, by arm, and the candidate's share of all requests.
    pub(crate) fn evaluate(&mut self, candidate: u32, stable: u32, share: f64) -> bool {
        for (log, theta) in self.logs.iter_mut().zip(THETAS) {
            *log += f64::from(candidate) * theta.ln() - f64::from(candidate + stable) * (share * (theta - 1.0)).ln_1p();
        }
        let highest = self.logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = self.logs.iter().map(|log| (log - highest).exp()).sum();
        highest + (sum / 8.0).ln() >= self.ln_threshold
    }
}

/// A lowest success rate of the candidate, window by window; so many windows below it abort.
#[derive(Debug)]
pub(crate) struct Fixed {
    least: f64,
    window: u32,
    windows: u32,
    below: u32,
    good: u32,
    bad: u32,
}

impl Fixed {
    /// 99 % in one minute, at the fifth time (Flagger's usual).
    pub(crate) fn minute() -> Self {
        Self { least: 0.99, window: 60, windows: 5, below: 0, good: 0, bad: 0 }
    }

    /// 95 % in five minutes, more than three times (the usual `failureLimit: 3` of Argo Rollouts).
    pub(crate) fn five_minutes() -> Self {
        Self { least: 0.95, window: 300, windows: 4, below: 0, good: 0, bad: 0 }
    }

    /// Requests of the candidate in this second, the `second`-th.
    pub(crate) fn evaluate(&mut self, good: u32, bad: u32, second: u32) -> bool {
        self.good += good;
        self.bad += bad;
        if second.is_multiple_of(self.window) {
            let all = self.good + self.bad;
            self.below += u32::from(all > 0 && f64::from(self.good) < self.least * f64::from(all));
            (self.good, self.bad) = (0, 0);
        }
        self.below >= self.windows
    }
}
