//! Analysis: steps in which nothing can judge, and passes that never come.

use shunt_filter_core::Weight;

use super::Lint;
use crate::plan::metric::{Guard, Metric};
use crate::plan::{Progress, Step, Strategy};
use crate::time::Span;

/// Points of the hash space in a slot.
const SLOT: u32 = 100;
/// Slots of the candidate with a request before a pass is possible.
const SLOTS_MIN: u32 = 10;
/// More requests per second than most services have.
const RATE_MAX: f64 = 1_000.0;

impl Lint<'_> {
    pub(super) fn analysis(&mut self) {
        let metrics = &self.plan.analysis.metrics;
        let measured = !self.plan.analysis.external_metrics.is_empty();
        let fixed = measured || metrics.iter().any(|metric| metric.guard.compares().is_none());
        let errors = |metric: &Metric| metric.guard.compares_errors() || matches!(metric.guard, Guard::SuccessRateMin(_));
        if !measured && !metrics.iter().any(errors) {
            self.warn("spec.analysis.metrics", "nothing looks at errors: add {name: errors, successRate: {noWorseThanStable: {}}}");
        }
        if !fixed && self.plan.keep_old > Span::millis(0) && self.rollout.says("spec.keepOld") && self.rollout.says("spec.analysis") {
            let message = "nothing can judge while the old version is kept: comparing needs requests of both; add a fixed limit such as {name: limit, successRate: {min: 99%}}";
            self.warn("spec.analysis.metrics", message);
        }
        self.judged_steps(fixed);
    }

    /// Walks the steps with the weight that each has.
    fn judged_steps(&mut self, fixed: bool) {
        let plan = self.plan;
        let mut weight = Weight::ZERO;
        let mut lasts = Span::millis(0);
        let mut weighed: Option<usize> = None;
        for (index, step) in plan.steps.iter().enumerate() {
            match step {
                Step::SetWeight(next) => {
                    if *next > plan.max_exposed && weight <= plan.max_exposed {
                        self.passable(weighed, weight, lasts);
                    }
                    (weight, lasts, weighed) = (*next, Span::millis(0), Some(index));
                }
                Step::Analysis(span) => {
                    lasts = Span::millis(lasts.0.saturating_add(span.0));
                    self.analysis_step(index, weight, fixed);
                    self.passable(weighed, weight, lasts);
                }
                Step::Pause(Some(span)) => lasts = Span::millis(lasts.0.saturating_add(span.0)),
                // These are judged by themselves: by goals, and against a baseline of their own.
                Step::AbTest(_) | Step::Experiment(_) => weighed = None,
                _ => {}
            }
        }
        if plan.progress() == Progress::Pass {
            self.passable(weighed, weight, lasts);
        }
    }

    fn analysis_step(&mut self, index: usize, weight: Weight, fixed: bool) {
        let path = self.step_path(index);
        // A metric with a source of its own may know something of a candidate without users.
        let measured = !self.plan.analysis.external_metrics.is_empty();
        if weight == Weight::ZERO && !measured {
            let message = match self.plan.strategy {
                Strategy::BlueGreen => {
                    "nothing can judge here: users of a preview are too few to be compared; add a metric with a source of its own (prometheus or web), or write autoPromoteAfter to wait without a judgement"
                }
                Strategy::Recreate | Strategy::RollingUpdate | Strategy::Canary | Strategy::AbTest | Strategy::Shadow => {
                    "nothing can judge here: the candidate has no weight yet, and users of rules are not compared; put a setWeight before it"
                }
            };
            self.warn(path, message);
        } else if weight == Weight::ALL && !fixed {
            self.warn(path, "nothing can judge here: no user is left on stable to compare with; add a fixed limit such as {name: limit, successRate: {min: 99%}}");
        }
    }

    /// Whether a pass that is needed at this weight can come: enough slots, and enough requests before the deadline.
    fn passable(&mut self, step: Option<usize>, weight: Weight, lasts: Span) {
        let Some(index) = step.filter(|_| weight > Weight::ZERO && weight < Weight::ALL) else {
            return;
        };
        let path = self.step_path(index);
        let least = Weight::ppm(SLOT.saturating_mul(SLOTS_MIN));
        if weight < least {
            let (weight, least) = (weight.as_percent(), least.as_percent());
            self.warn(
                path,
                format!("{weight} % is too few users for the analysis that is needed here ever to pass: write {least} or more"),
            );
            return;
        }
        let samples = self.plan.analysis.metrics.iter().map(|metric| metric.min_samples).max().unwrap_or(0);
        let seconds = lasts.0.saturating_add(self.plan.progress_deadline.0) as f64 / 1_000.0;
        let rate = samples as f64 / (weight.as_percent() / 100.0) / seconds;
        if rate > RATE_MAX {
            let weight = weight.as_percent();
            let message = format!(
                "a pass is needed here, and {samples} requests of {weight} % of the users in time need {rate:.0} requests per second in all: write a larger weight, a longer pause, or fewer minSamples"
            );
            self.warn(path, message);
        }
    }
}
