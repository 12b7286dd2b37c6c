//! The way back where stable has given up instances: they come back first, and the candidate keeps what stable cannot carry yet.

use shunt_spec::plan::Plan;
use shunt_spec::time::Span;

use super::ending::revert;
use super::prerequisites::missing_instances;
use super::step::reweigh;
use super::{Transition, at, with_run};
use crate::capacity::Capacity;
use crate::observation::Observation;
use crate::state::{Ending, Run, Sizes, Stage, State};
use shunt_filter_core::Weight;
use shunt_filter_core::weight::POINTS;

/// A run ends: at once where stable is whole, otherwise by way of what stable needs.
pub(super) fn leave(state: &State, run: &Run, ending: Ending, seen: &Observation) -> Transition {
    let sentence = super::ending::sentence(state, run, &ending);
    if run.held.is_some() && run.sizes.stable < Weight::ALL {
        // The two must not run at the same time: that is what recreate is for.
        let sizes = Sizes { candidate: Weight::ZERO, ..run.sizes };
        // Keys of a manifest that was changed to another strategy while requests were held: they are held too.
        let clearing = Run { sizes, ranges: Vec::new(), weight: Weight::ZERO, ..at(run, Stage::Clearing(ending), seen.now) };
        return Transition::new(
            with_run(state, clearing),
            format!("{sentence}; first {} goes, then {} comes back", run.candidate, state.stable),
        );
    }
    if run.sizes.stable < Weight::ALL && run.held.is_none() {
        return restore(state, run, ending, &sentence, seen);
    }
    revert(state, run, ending, seen.now)
}

fn restore(state: &State, run: &Run, ending: Ending, sentence: &str, seen: &Observation) -> Transition {
    let keeps = keeps(state, run, seen);
    let sizes = Sizes { stable: Weight::ALL, ..run.sizes };
    let restoring = Run { sizes, ..at(run, Stage::Restoring(ending), seen.now) };
    let reason = format!("{sentence}, {} of them when {} has its instances again", keeps, state.stable);
    Transition::new(reweigh(state, &restoring, keeps, seen), reason)
}

/// The weight that the candidate keeps because stable cannot carry it yet. Never more than it has.
fn keeps(state: &State, run: &Run, seen: &Observation) -> Weight {
    let full = state.installed.get(&state.stable).and_then(|installed| installed.backend.full_size());
    let carries = match (full, seen.capacity.get(&state.stable)) {
        (Some(full), Some(Capacity::Instances { ready, .. })) => {
            let points = u64::from(*ready).saturating_mul(u64::from(POINTS)).checked_div(u64::from(full)).unwrap_or(0);
            u32::try_from(points).unwrap_or(POINTS).min(POINTS)
        }
        (Some(_), None) => 0,
        (_, Some(Capacity::Unmanaged)) | (None, _) => POINTS,
    };
    run.weight.min(Weight::ppm(POINTS.saturating_sub(carries)))
}

/// The candidate's instances are gone: stable's come back.
pub(super) fn cleared(plan: &Plan, state: &State, run: &Run, ending: &Ending, seen: &Observation) -> Option<Transition> {
    if missing_instances(plan, state, &run.candidate, seen).is_some() {
        return None;
    }
    let sizes = Sizes { stable: Weight::ALL, ..run.sizes };
    let restoring = Run { sizes, ..at(run, Stage::Restoring(ending.clone()), seen.now) };
    let reason = format!("{} is gone; {} comes back", run.candidate, state.stable);
    Some(Transition::new(with_run(state, restoring), reason))
}

/// Stable has its instances again, or the candidate has kept its keys for long enough.
pub(super) fn restored(plan: &Plan, state: &State, run: &Run, ending: &Ending, seen: &Observation) -> Option<Transition> {
    let missing = missing_instances(plan, state, &state.stable, seen);
    let over = run.held.is_none() && plan.abort_over > Span::default() && seen.now.since(run.since) >= plan.abort_over;
    if missing.is_none() || over {
        let mut made = revert(state, run, ending.clone(), seen.now);
        made.reason = match missing {
            None => format!("{} has its instances again; all keys back to it", state.stable),
            Some(missing) => {
                format!("{} kept its keys for {}: all back to {} now, though {missing}", run.candidate, plan.abort_over, state.stable)
            }
        };
        return Some(made);
    }
    let keeps = keeps(state, run, seen);
    if keeps >= run.weight {
        return None;
    }
    let reason = format!("{} carries more again; {} keeps {keeps} of keys", state.stable, run.candidate);
    Some(Transition::new(reweigh(state, run, keeps, seen), reason))
}
