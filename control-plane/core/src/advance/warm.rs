//! What is usual, and whether instances are too new to be judged by it.

use shunt_spec::plan::Plan;
use shunt_spec::plan::metric::{Kind, LatencyTolerance};
use shunt_spec::time::Time;

use super::{Transition, with_run};
use crate::capacity::Capacity;
use crate::compared::Compared;
use crate::desired::hang_after;
use crate::observation::{LatencyBaseline, Observation};
use crate::state::{Run, State, Warmed};
use shunt_filter_core::policy::LatencyThresholds;

/// While both versions have users: how long requests of stable take is known now, new instances have begun to answer, or they are warm.
pub(super) fn changed(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> Option<Transition> {
    if !run.is_compared() {
        return None;
    }
    known(plan, state, seen).or_else(|| new_instances(plan, state, run, seen)).or_else(|| warm(plan, state, run, seen))
}

/// Only now enough is known of how long requests of stable take.
fn known(plan: &Plan, state: &State, seen: &Observation) -> Option<Transition> {
    let LatencyBaseline::Known(thresholds) = seen.latency_baseline else { return None };
    let (latency, hanging) = (plan.analysis.compares(Kind::Latency), plan.analysis.compares(Kind::Hanging));
    if state.thresholds.is_some() || !(latency || hanging) {
        return None;
    }
    let hanging = hanging.then(|| format!("requests without an answer for {} count as hanging", hang_after(thresholds)));
    let latency = latency.then(|| "latency can be compared".to_owned());
    let counted: Vec<String> = [latency, hanging].into_iter().flatten().collect();
    let reason = format!("{}: {} from now on", usual(state, thresholds), counted.join(", "));
    Some(Transition::new(State { thresholds: Some(thresholds), ..state.clone() }, reason))
}

/// `v1 takes 3.7 ms (p50), 8.0 ms (p90), 21.0 ms (p99)`.
fn usual(state: &State, thresholds: LatencyThresholds) -> String {
    let at = |us: u32| format!("{:.1} ms", f64::from(us) / 1_000.0);
    let LatencyThresholds { p50_us, p90_us, p99_us } = thresholds;
    format!("{} takes {} (p50), {} (p90), {} (p99)", state.stable, at(p50_us), at(p90_us), at(p99_us))
}

/// New instances have begun to answer: the first ones of the candidate, or further ones of either version.
fn new_instances(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> Option<Transition> {
    let warm_up = plan.analysis.warm_up();
    if warm_up.0 == 0 {
        return None;
    }
    let (since, what) = match run.warmed {
        Warmed::Cold => {
            seen.versions.get(&run.candidate).filter(|version| version.in_epoch > 0)?;
            (seen.now, format!("{} answers its first requests", run.candidate))
        }
        Warmed::Warming { since } | Warmed::Warm { since } => {
            let compared = Compared::of(state)?;
            let arms = compared.arms();
            let (version, newest) =
                [arms.candidate, arms.stable].into_iter().map(|version| (version, newest(seen, version))).max_by_key(|(_, at)| *at)?;
            (newest > since).then_some(())?;
            (newest, format!("a new instance of {version} is ready"))
        }
    };
    let warming: Vec<&str> =
        plan.analysis.metrics.iter().filter(|metric| metric.warm_up.0 > 0).map(|metric| metric.name.as_str()).collect();
    let verb = if warming.len() == 1 { "is" } else { "are" };
    let reason = format!("{what}: {} {verb} not judged for {warm_up} (warm-up)", warming.join(", "));
    Some(Transition::new(with_run(state, Run { warmed: Warmed::Warming { since }, ..run.clone() }), reason))
}

/// When the last of a version's ready instances became ready; the beginning of time where they are not ours to know.
fn newest(seen: &Observation, version: &shunt_filter_core::VersionName) -> Time {
    match seen.capacity.get(version) {
        Some(Capacity::Instances { newest, .. }) => *newest,
        Some(Capacity::Unmanaged) | None => Time(0),
    }
}

/// All instances have answered long enough.
fn warm(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> Option<Transition> {
    let Warmed::Warming { since } = run.warmed else { return None };
    let tolerance = plan.analysis.latency_tolerance()?;
    if state.thresholds.is_none() || seen.now.since(since) < plan.analysis.latency_warm_up() {
        return None;
    }
    let more = if tolerance == LatencyTolerance::NONE { String::new() } else { format!(", slower by {tolerance} is allowed") };
    let reason = format!("instances are warm: latency of {} is compared from now on{more}", run.candidate);
    Some(Transition::new(with_run(state, Run { warmed: Warmed::Warm { since }, ..run.clone() }), reason))
}
