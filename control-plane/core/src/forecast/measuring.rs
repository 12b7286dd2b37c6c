//! External metrics: how often each is measured on the way, and what would end the release.

use serde::{Deserialize, Serialize};

use shunt_spec::plan::Plan;
use shunt_spec::plan::external_metrics::ExternalMetric;
use shunt_spec::time::Span;

/// A metric with an external source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measuring {
    /// Its name.
    pub metric: String,
    /// Time between two measurements.
    pub interval: Span,
    /// Time before the first one.
    pub initial_delay: Span,
    /// So many are needed, and made; none: one in each weight is needed, and they go on.
    pub count: Option<u32>,
    /// One more that is bad aborts the release.
    pub failure_limit: u32,
    /// One more that is neither good nor bad holds it.
    pub inconclusive_limit: u32,
    /// One more error in a row aborts it.
    pub consecutive_error_limit: u32,
    /// It decides nothing.
    pub dry_run: bool,
    /// Those steps that last, in order.
    pub steps: Vec<StepMeasurements>,
}

/// Measurements in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepMeasurements {
    /// Its number, from 1.
    pub step: usize,
    /// How many.
    pub made: u32,
}

impl Measuring {
    pub(super) fn of(metric: &ExternalMetric) -> Self {
        Self {
            metric: metric.name.clone(),
            interval: metric.interval,
            initial_delay: metric.initial_delay,
            count: metric.count,
            failure_limit: metric.failure_limit,
            inconclusive_limit: metric.inconclusive_limit,
            consecutive_error_limit: metric.consecutive_error_limit,
            dry_run: metric.dry_run,
            steps: Vec::new(),
        }
    }
}

/// Steps that are too short for what is to be measured in them.
pub(super) fn warnings(plan: &Plan, measured: &[Measuring]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (metric, measuring) in plan.analysis.external_metrics.iter().zip(measured).filter(|(metric, _)| !metric.dry_run) {
        for (index, step) in plan.steps.iter().enumerate() {
            let number = index.saturating_add(1);
            let Some(lasts) = step.lasts().filter(|lasts| *lasts > Span::default()) else { continue };
            let made = measuring.steps.iter().find(|one| one.step == number).map(|one| one.made);
            let name = &metric.name;
            match &metric.steps {
                Some(own) if own.contains(&index) && metric.shortest() > lasts => warnings.push(format!(
                    "step {number} ({step}): {name} needs {} until it can pass, so the step takes longer than it says; write a longer duration, a shorter interval or initialDelay, or a smaller count",
                    metric.shortest()
                )),
                None if made == Some(0) && metric.count.is_none() => warnings.push(format!(
                    "step {number} ({step}): {name} is not measured once in it, and passes only by a measurement with the present weights; write an interval and initialDelay below {lasts}"
                )),
                Some(_) | None => {}
            }
        }
    }
    warnings
}
