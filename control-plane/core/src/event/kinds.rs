//! Two states in a row -> what happened between them.

use super::EventKind;
use crate::plan::Plan;
use crate::state::{Ending, Phase, Run, State};

/// In order; most transitions are nothing that anybody must be told.
pub(super) fn kinds(plan: &Plan, before: &State, next: &State) -> Vec<EventKind> {
    match (&before.run, &next.run) {
        (None, Some(run)) => begun(run),
        (Some(old), Some(new)) if old.started != new.started || old.candidate != new.candidate => {
            [EventKind::Superseded].into_iter().chain(begun(new)).collect()
        }
        (Some(old), Some(new)) => went_on(plan, before, next, old, new),
        (Some(old), None) => vec![ended(old, next)],
        (None, None) if forgiven(plan, before, next) => vec![EventKind::RollForward],
        (None, None) => Vec::new(),
    }
}

fn begun(run: &Run) -> Vec<EventKind> {
    let forward = run.forward_from.is_some().then_some(EventKind::RollForward);
    forward.into_iter().chain([EventKind::Started]).collect()
}

/// The refused release is past, and another one is asked for.
fn forgiven(plan: &Plan, before: &State, next: &State) -> bool {
    before.refused.is_some() && next.refused.is_none() && plan.release != next.stable
}

fn went_on(plan: &Plan, before: &State, next: &State, old: &Run, new: &Run) -> Vec<EventKind> {
    if let (None, Some(ending)) = (old.stage.ending(), new.stage.ending()) {
        return vec![leaving(ending)];
    }
    let mut kinds = Vec::new();
    let (was, is) = (before.phase(plan) == Phase::Paused, next.phase(plan) == Phase::Paused);
    if was && !is {
        kinds.push(EventKind::Resumed);
    }
    if new.stage.step().is_some() && new.stage.step() != old.stage.step() {
        kinds.push(EventKind::Stepped);
    }
    if is && !was {
        kinds.push(EventKind::Paused);
    }
    kinds
}

fn leaving(ending: &Ending) -> EventKind {
    match ending {
        Ending::Refused { .. } => EventKind::Aborted,
        Ending::RolledBack => EventKind::RolledBack,
        Ending::Superseded => EventKind::Superseded,
        Ending::Deleted => EventKind::Deleted,
        Ending::Concluded { .. } => EventKind::Concluded,
    }
}

fn ended(old: &Run, next: &State) -> EventKind {
    match (old.stage.ending(), next.stable == old.candidate) {
        (None, true) if old.returning => EventKind::RolledBack,
        (None, true) => EventKind::Promoted,
        (Some(_), _) | (None, false) => EventKind::Recovered,
    }
}
