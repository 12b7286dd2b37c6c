//! The machine's own invariant: while no command comes and the manifest stays, a transition never leads back to where the Rollout
//! was. One that does would be recorded on every pass, without end.

use std::collections::BTreeMap;

use shunt_filter_core::RolloutId;
use shunt_spec::plan::Plan;
use shunt_spec::time::Time;
use thiserror::Error;

use super::Next;
use crate::figures::Figures;
use crate::state::{Concluded, Former, Installation, Paused, Previous, Refused, Run, State};

/// What a transition was that led back to where the Rollout was.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "a defect of Shunt: at revision {revision} the transition {reason:?} leads back to a state that was left before, so it is not \
     recorded; please report it with the Rollout's history; a command or a changed manifest goes on"
)]
pub struct Recurs {
    /// Where the Rollout stays.
    pub revision: u64,
    /// The transition's sentence.
    pub reason: String,
    /// How often it was made since then.
    pub times: u64,
}

/// The states that Rollouts have left since they last settled, without times and numbers that only grow.
#[derive(Debug, Default)]
pub struct Recurrence {
    left: BTreeMap<RolloutId, Left>,
}

#[derive(Debug)]
struct Left {
    plan: String,
    states: Vec<State>,
    fault: Option<Recurs>,
}

impl Recurrence {
    /// The next state, or the one that stays because this transition leads back to one that was left before.
    pub fn check(&mut self, plan: &Plan, before: &State, next: Next) -> (Next, Option<Recurs>) {
        let id = &plan.id;
        let Some(entry) = &next.entry else { return (next, None) };
        // What a command leaves may come again: a release that is retried may be refused again.
        if entry.command.is_some() {
            self.left.remove(id);
            return (next, None);
        }
        if self.left.get(id).is_some_and(|left| left.plan != plan.digest) {
            self.left.remove(id);
        }
        let known = self.left.entry(id.clone()).or_insert_with(|| Left { plan: plan.digest.clone(), states: Vec::new(), fault: None });
        known.states.push(timeless(before));
        if known.states.contains(&timeless(&next.state)) {
            known.states.pop();
            let times = known.fault.as_ref().map_or(0, |fault| fault.times).saturating_add(1);
            let fault = Recurs { revision: before.revision, reason: entry.reason.clone(), times };
            known.fault = Some(fault.clone());
            return (Next { state: before.clone(), entry: None, ..next }, Some(fault));
        }
        (next, None)
    }

    /// The fault that a Rollout stays in.
    pub fn fault(&self, id: &RolloutId) -> Option<&Recurs> {
        self.left.get(id).and_then(|left| left.fault.as_ref())
    }

    /// These passes are over: from here on time has passed, and a state may come again. Not after a fault, and not of a Rollout that is
    /// still under way, because its last transition is being recorded.
    pub fn settled(&mut self, under_way: impl Fn(&RolloutId) -> bool) {
        self.left.retain(|id, left| left.fault.is_some() || under_way(id));
    }

    /// The Rollout is gone.
    pub fn forget(&mut self, id: &RolloutId) {
        self.left.remove(id);
    }
}

/// The state but for its times, and for numbers that only grow.
fn timeless(state: &State) -> State {
    let mut installed = state.installed.clone();
    for version in installed.values_mut() {
        if let Installation::Leaving { since } = &mut version.stage {
            *since = Time::default();
        }
    }
    let former = state.former.iter().map(|former| Former { until: Time::default(), ..former.clone() });
    State {
        revision: 0,
        attempt: 0,
        epoch: 0,
        installed,
        run: state.run.as_ref().map(timeless_run),
        previous: state.previous.as_ref().map(|previous| Previous { until: Time::default(), ..previous.clone() }),
        refused: state.refused.as_ref().map(|refused| Refused { at: Time::default(), ..refused.clone() }),
        concluded: state.concluded.as_ref().map(|concluded| Concluded { at: Time::default(), ..concluded.clone() }),
        former: former.collect(),
        // They say when steps ended, and what was counted.
        figures: Figures::default(),
        ..state.clone()
    }
}

fn timeless_run(run: &Run) -> Run {
    Run {
        started: Time::default(),
        since: Time::default(),
        held: run.held.map(|_| Time::default()),
        paused: run.paused.as_ref().map(|paused| Paused { at: Time::default(), ..paused.clone() }),
        passed: run.passed.map(|_| 0),
        regardless: run.regardless.map(|_| 0),
        ..run.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Transition, next};
    use super::*;
    use crate::command::{Command, Verb};
    use crate::fixture::{plan, run, with};
    use crate::observation::Observation;
    use crate::state::Stage;

    /// What a machine would make that goes from `before` to `after` at this second.
    fn made(before: &State, after: State, at: u64, command: Option<Command>) -> Next {
        let seen = Observation::unknown(Time(at.saturating_mul(1_000)));
        next(&plan("v2"), before, &seen, Some(Transition::new(after, "step 1 of 2")), command, Vec::new())
    }

    fn at(stage: Stage, second: u64) -> State {
        with(run("v2", second, stage))
    }

    #[test]
    fn a_transition_that_changes_nothing_but_its_revision_is_a_fault_until_a_command_comes() {
        let (mut recurrence, before) = (Recurrence::default(), at(Stage::Preparing, 0));
        for second in 1..=3 {
            let (next, fault) = recurrence.check(&plan("v2"), &before, made(&before, before.clone(), second, None));
            assert_eq!((next.entry, next.state), (None, before.clone()));
            let fault = fault.expect("it leads nowhere");
            assert!(fault.to_string().contains("a defect of Shunt: at revision 0 the transition \"step 1 of 2\""), "{fault}");
            recurrence.settled(|_| false);
        }
        let abort = Command { id: 1, verb: Verb::Abort, revision: 0, by: "ops".to_owned(), reason: String::new(), confirm: false };
        let after = at(Stage::Shifting, 4);
        let (next, fault) = recurrence.check(&plan("v2"), &before, made(&before, after, 4, Some(abort)));
        assert!(next.entry.is_some() && fault.is_none());
    }

    #[test]
    fn a_circle_is_found_at_its_second_round_though_times_and_epochs_differ() {
        let mut recurrence = Recurrence::default();
        let (there, back) = (at(Stage::AwaitingPrerequisites { step: 0 }, 1), State { epoch: 9, ..at(Stage::Preparing, 2) });
        let first = at(Stage::Preparing, 0);
        assert_eq!(recurrence.check(&plan("v2"), &first, made(&first, there.clone(), 1, None)).1, None);
        let (next, fault) = recurrence.check(&plan("v2"), &there, made(&there, back, 2, None));
        assert_eq!((next.entry, fault.is_some()), (None, true));
    }

    #[test]
    fn after_a_rest_a_state_may_come_again() {
        let mut recurrence = Recurrence::default();
        let (one, other) = (at(Stage::Preparing, 0), at(Stage::AwaitingPrerequisites { step: 0 }, 1));
        assert_eq!(recurrence.check(&plan("v2"), &one, made(&one, other.clone(), 1, None)).1, None);
        recurrence.settled(|_| true);
        let (next, fault) = recurrence.check(&plan("v2"), &other, made(&other, one.clone(), 2, None));
        assert!(next.entry.is_none() && fault.is_some(), "not while its last transition is being recorded");

        let mut recurrence = Recurrence::default();
        assert_eq!(recurrence.check(&plan("v2"), &one, made(&one, other.clone(), 1, None)).1, None);
        recurrence.settled(|_| false);
        assert_eq!(recurrence.check(&plan("v2"), &other, made(&other, one, 2, None)).1, None);
    }
}
