//! Past the point of no return: what would go back stays where it is, and a newer release replaces it without passing through what it
//! leaves.

use shunt_spec::plan::{Plan, Step};

use super::restore::leave;
use super::{Transition, at, with_run};
use crate::observation::Observation;
use crate::state::{Ending, Paused, Run, Sizes, Stage, State, Warmed};

/// Whether the run has passed a point of no return.
pub(super) fn no_return(plan: &Plan, run: &Run) -> bool {
    let passed = match run.stage {
        Stage::AwaitingPrerequisites { step } | Stage::Applying { step } | Stage::Holding { step } => {
            plan.steps.get(..=step).unwrap_or(&plan.steps)
        }
        Stage::Shifting | Stage::Switching => &plan.steps,
        Stage::Preparing | Stage::Clearing(_) | Stage::Restoring(_) | Stage::Reverting(_) | Stage::Draining(_) => &[],
    };
    !run.returning && (run.forward_from.is_some() || passed.contains(&Step::PointOfNoReturn))
}

/// The run ends, or, where it cannot go back, waits or is replaced.
pub(super) fn instead(plan: &Plan, state: &State, run: &Run, ending: Ending, seen: &Observation) -> Option<Transition> {
    if !no_return(plan, run) {
        return Some(leave(state, run, ending, seen));
    }
    match ending {
        Ending::Deleted | Ending::Concluded { .. } => Some(leave(state, run, ending, seen)),
        Ending::Superseded => Some(replace(plan, state, run, seen)),
        Ending::RolledBack => hold(state, run, format!("release names {} again, but the point of no return is passed", state.stable), seen),
        Ending::Refused { reason } => hold(state, run, format!("{reason}; the point of no return is passed, so nothing goes back"), seen),
    }
}

/// Held once; who promotes all the same, knows.
fn hold(state: &State, run: &Run, why: String, seen: &Observation) -> Option<Transition> {
    if run.paused.is_some() || run.regardless == Some(state.epoch) {
        return None;
    }
    let reason = format!("{why}; release a version that is right, it takes over without a way back");
    let paused = Some(Paused { at: seen.now, reason: reason.clone() });
    Some(Transition::new(with_run(state, Run { paused, ..run.clone() }), reason))
}

/// Another release takes the keys over from the run's candidate, as soon as it is there.
fn replace(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> Transition {
    let from = run.forward_from.clone().filter(|_| run.stage == Stage::Preparing).unwrap_or_else(|| run.candidate.clone());
    let attempt = state.attempt.saturating_add(1);
    let reason = format!("roll forward: {} takes over from {from} (attempt {attempt})", plan.release);
    let next = Run {
        candidate: plan.release.clone(),
        started: seen.now,
        forward_from: Some(from),
        sizes: Sizes { stable: run.sizes.stable, ..Sizes::default() },
        passed: None,
        regardless: None,
        baseline: None,
        warmed: Warmed::Cold,
        first_step: 0,
        ..at(run, Stage::Preparing, seen.now)
    };
    Transition::new(State { attempt, ..with_run(state, next) }, reason)
}
