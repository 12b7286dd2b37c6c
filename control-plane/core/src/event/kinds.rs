//! Two states in a row -> what happened between them.

use shunt_spec::plan::{EventKind, Plan};

use crate::state::{Ending, Phase, Run, State};

/// In order; of most transitions no receiver must be told.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, at_rest, plan, refused, run, with};
    use crate::state::{Paused, Stage};
    use shunt_spec::time::Time;
    use test_case::test_case;

    fn held() -> State {
        with(Run { paused: Some(Paused { at: Time(2), reason: String::new() }), ..run("v2", 1, Stage::Holding { step: 0 }) })
    }

    fn back() -> State {
        with(Run { returning: true, ..run("v2", 1, Stage::Switching) })
    }

    fn forward() -> State {
        with(Run { forward_from: Some("v2".parse().unwrap()), ..run("v3", 9, Stage::Preparing) })
    }

    fn ending(ending: Ending) -> Stage {
        Stage::Reverting(ending)
    }

    #[test_case(&at_rest("v1"), &at(Stage::Preparing), "v2", "started")]
    #[test_case(&at(Stage::Preparing), &at(Stage::Applying { step: 0 }), "v2", "stepped"; "the first step")]
    #[test_case(&at(Stage::Applying { step: 0 }), &at(Stage::Holding { step: 0 }), "v2", ""; "proved is no event")]
    #[test_case(&at(Stage::Holding { step: 0 }), &at(Stage::Holding { step: 1 }), "v2", "stepped paused"; "into a pause without end")]
    #[test_case(&at(Stage::Holding { step: 1 }), &at(Stage::Applying { step: 2 }), "v2", "resumed stepped"; "and out of it")]
    #[test_case(&at(Stage::Holding { step: 0 }), &held(), "v2", "paused"; "held")]
    #[test_case(&held(), &at(Stage::Holding { step: 0 }), "v2", "resumed"; "no longer held")]
    #[test_case(&at(Stage::Holding { step: 2 }), &at(Stage::Shifting), "v2", ""; "the last step is over")]
    #[test_case(&at(Stage::Switching), &at_rest("v2"), "v2", "promoted")]
    #[test_case(&back(), &at_rest("v2"), "v2", "rolledBack"; "an older version is stable again")]
    #[test_case(&at(Stage::Shifting), &at(ending(Ending::Refused { reason: String::new() })), "v2", "aborted")]
    #[test_case(&held(), &at(ending(Ending::Refused { reason: String::new() })), "v2", "aborted"; "aborted while held")]
    #[test_case(&at(Stage::Shifting), &at(ending(Ending::RolledBack)), "v1", "rolledBack"; "release names stable again")]
    #[test_case(&at(Stage::Shifting), &at(ending(Ending::Superseded)), "v3", "superseded")]
    #[test_case(&at(Stage::Shifting), &at(ending(Ending::Deleted)), "v2", "deleted")]
    #[test_case(&at(Stage::Shifting), &at(ending(Ending::Concluded { result: String::new() })), "v2", "concluded")]
    #[test_case(&at(ending(Ending::RolledBack)), &at(Stage::Draining(Ending::RolledBack)), "v1", ""; "told already")]
    #[test_case(&at(Stage::Draining(Ending::RolledBack)), &at_rest("v1"), "v1", "recovered")]
    #[test_case(&refused(), &at_rest("v1"), "v3", "rollForward"; "another release instead of the refused one")]
    #[test_case(&refused(), &at_rest("v1"), "v1", ""; "the refused release was taken out of the manifest")]
    #[test_case(&held(), &forward(), "v3", "superseded rollForward started"; "past the point of no return")]
    #[test_case(&at_rest("v1"), &at_rest("v1"), "v1", ""; "nothing")]
    fn between_two_states(before: &State, next: &State, release: &str, expected: &str) {
        let kinds: Vec<&str> = kinds(&plan(release), before, next).into_iter().map(EventKind::as_str).collect();
        assert_eq!(kinds.join(" "), expected);
    }
}
