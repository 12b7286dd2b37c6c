//! What the proxies are asked to look at while both versions are compared.

use shunt_filter_core::policy::{LatencyPolicy, LatencyThresholds, ResponsePolicy, Tolerance};
use shunt_filter_core::{BaselineName, VersionName, Weight};
use shunt_spec::plan::Plan;
use shunt_spec::plan::metric::{Guard, Kind};
use shunt_spec::time::Span;

use crate::state::{Run, State, Warmed};

/// How long a request of stable takes at most as a rule, so many times.
const HANGING: u64 = 10;
/// What is faster than this is no hanging request, however fast stable is.
const HANGING_MIN: Span = Span::seconds(1);

/// After so long without response headers a request in flight is older than anything usual.
pub(crate) fn hang_after(usual: LatencyThresholds) -> Span {
    Span::millis(u64::from(usual.p99_us).saturating_mul(HANGING).div_ceil(1_000)).max(HANGING_MIN)
}

/// What counts as slow, while latency is compared: not before the instances are warm.
pub(super) fn latency(plan: &Plan, state: &State) -> Option<LatencyPolicy> {
    let run = state.run.as_ref()?;
    let tolerance = plan.analysis.latency_tolerance()?;
    let warm = plan.analysis.latency_warm_up() == Span::default() || matches!(run.warmed, Warmed::Warm { .. });
    let thresholds = state.thresholds.filter(|_| warm)?;
    Some(LatencyPolicy { version: beside(state, run), thresholds, others: tolerance.moved(thresholds) })
}

/// Which answers are counted that are no failures.
pub(super) fn responses(plan: &Plan, state: &State) -> Option<ResponsePolicy> {
    state.run.as_ref()?;
    plan.analysis.metrics.iter().find_map(|metric| match &metric.guard {
        Guard::ResponsesNoWorseThanStable(policy) => Some(policy.clone()),
        Guard::ErrorsNoWorseThanStable
        | Guard::ErrorsWithin(_)
        | Guard::SuccessRateMin(_)
        | Guard::LatencyMax { .. }
        | Guard::LatencyNoWorseThanStable(_)
        | Guard::HangingNoWorseThanStable => None,
    })
}

/// From when on a request in flight hangs, milliseconds.
pub(super) fn hang_after_ms(plan: &Plan, state: &State) -> Option<u32> {
    state.run.as_ref().filter(|_| plan.analysis.compares(Kind::Hanging))?;
    state.thresholds.map(|usual| u32::try_from(hang_after(usual).0).unwrap_or(u32::MAX))
}

/// What the candidate may be worse by, while both are compared.
pub(super) fn tolerance(plan: &Plan, state: &State) -> Option<Tolerance> {
    let run = state.run.as_ref().filter(|run| run.exposes())?;
    let share = plan.analysis.tolerance()?.share();
    (share > Weight::ZERO).then_some(Tolerance { version: beside(state, run), share })
}

/// What the candidate is compared with.
fn beside(state: &State, run: &Run) -> VersionName {
    run.baseline.as_ref().map_or(&state.stable, BaselineName::version).clone()
}
