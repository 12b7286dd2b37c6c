//! External metrics: Prometheus, or any web API that answers JSON. Measured now and then, judged by conditions.
//!
//! The words and their meaning are those of Argo Rollouts: each measurement succeeds, fails, is inconclusive, or is an error, and each
//! of these has a limit. What differs: no data is never a success, and a metric that guards the whole release passes in a step only
//! by a measurement of that step.

mod history;
mod judge;
mod scope;
#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests;

pub use history::{History, Measurement, RECENT_MAX};
pub use judge::verdict;
pub use scope::{Scope, Subject, due, not_measured, scope};
use shunt_spec::Plan;
use shunt_spec::plan::external_metrics::ExternalMetric;
use shunt_spec::time::Time;

use super::{Outcome, Verdict};
use crate::state::State;

/// The verdicts of all metrics with a source, in the plan's order. `history` finds what was measured so far.
pub fn verdicts<'h>(
    plan: &Plan,
    state: &State,
    now: Time,
    history: impl Fn(&ExternalMetric, Scope) -> Option<&'h History>,
) -> Vec<Verdict> {
    let metrics = plan.analysis.external_metrics.iter();
    metrics
        .map(|metric| match scope(metric, plan, state) {
            Ok(scope) => verdict(metric, history(metric, scope), state.epoch, now),
            Err(reason) => not_measured(metric, reason),
        })
        .collect()
}
