//! An A/B test: it ends with a winner, without a difference, or when its time is over.

use shunt_spec::plan::{AbTestStep, Arm, OnWinner, Plan};

use super::step::go_on;
use super::{Transition, at, restore::leave, with_run};
use crate::command::Command;
use crate::contest::ContestOutcome;
use crate::observation::Observation;
use crate::state::{Ending, Paused, Run, Stage, State};
use shunt_filter_core::Weight;

/// `release:` names another arm of the running test: it becomes the candidate, and no user changes version.
pub(super) fn winner_released(plan: &Plan, state: &State, run: &Run) -> Option<Transition> {
    let test = plan.test(run.stage.step()?)?;
    let takes_part = |arm: &&Arm| arm.version == plan.release && run.ranges.iter().any(|range| range.version == arm.version);
    let arm = test.arms.iter().find(takes_part).filter(|arm| arm.version != run.candidate)?;
    let reason = format!("release names {}, an arm of the running test: it is the candidate now", arm.version);
    let points = run.ranges.iter().filter(|range| range.version == arm.version).map(|range| range.to.saturating_sub(range.from));
    let weight = Weight::ppm(points.fold(0, u32::saturating_add));
    Some(Transition::new(with_run(state, Run { candidate: arm.version.clone(), weight, paused: None, ..run.clone() }), reason))
}

/// A held test: what its outcome means, now or when its time is over.
pub(super) fn held(plan: &Plan, state: &State, run: &Run, step: usize, test: &AbTestStep, seen: &Observation) -> Option<Transition> {
    if run.paused.is_some() {
        return None;
    }
    let over = test.duration.is_some_and(|duration| seen.now.since(run.since) >= duration);
    let message = if seen.contest.message.is_empty() { "its time is over, and no user was seen" } else { &seen.contest.message };
    match &seen.contest.outcome {
        ContestOutcome::SampleRatioMismatch | ContestOutcome::SourceError => Some(ask(state, run, message, seen)),
        ContestOutcome::Winner(winner) if over || test.until_significant => match test.on_winner {
            OnWinner::Promote if *winner == run.candidate => {
                let made = go_on(plan, &super::step::waive(state, run), step, seen);
                Some(Transition::new(made.state, format!("{message}; {}", made.reason)))
            }
            OnWinner::Promote if *winner == state.stable => Some(conclude(state, run, message, seen)),
            OnWinner::Promote | OnWinner::Ask => {
                Some(ask(state, run, &format!("{message}{}", remedy(winner == &run.candidate, winner == &state.stable)), seen))
            }
        },
        ContestOutcome::NoDifference if over || test.until_significant => Some(without_winner(state, run, test, message, seen)),
        ContestOutcome::NotEnoughData | ContestOutcome::None | ContestOutcome::Winner(_) | ContestOutcome::NoDifference => {
            over.then(|| without_winner(state, run, test, message, seen))
        }
    }
}

fn remedy(candidate: bool, stable: bool) -> &'static str {
    match (candidate, stable) {
        (true, _) => "; `shunt promote` makes it stable",
        (_, true) => "; `shunt abort` ends the test",
        (false, false) => "; name it in release: and it goes on from here",
    }
}

fn without_winner(state: &State, run: &Run, test: &AbTestStep, message: &str, seen: &Observation) -> Transition {
    match test.on_winner {
        OnWinner::Promote => conclude(state, run, message, seen),
        OnWinner::Ask => ask(state, run, message, seen),
    }
}

/// What a promotion out of a test must be confirmed against: the test does not speak for the candidate. None: nothing.
pub(super) fn unconfirmed(plan: &Plan, run: &Run, seen: &Observation, command: &Command) -> Option<String> {
    plan.test(run.stage.step()?).filter(|_| !command.confirm)?;
    let doubt = seen.contest.doubt(&run.candidate)?;
    Some(format!("{doubt}; to promote {} all the same: `shunt promote --yes`, or \"confirm\": true in the API", run.candidate))
}

/// What the history says of a test that a command ends: ` (the A/B test is undecided: ..)`.
pub(super) fn result(plan: &Plan, run: &Run, seen: &Observation) -> String {
    let said = |_| seen.contest.doubt(&run.candidate).unwrap_or_else(|| seen.contest.sentence().to_owned());
    let test = run.stage.step().and_then(|step| plan.test(step));
    test.map(said).map(|said| format!(" ({said})")).unwrap_or_default()
}

/// The test is over and no version is promoted.
pub(super) fn conclude(state: &State, run: &Run, result: &str, seen: &Observation) -> Transition {
    leave(state, run, Ending::Concluded { result: result.to_owned() }, seen)
}

fn ask(state: &State, run: &Run, message: &str, seen: &Observation) -> Transition {
    let paused = Some(Paused { at: seen.now, reason: message.to_owned() });
    Transition::new(with_run(state, Run { paused, ..run.clone() }), message)
}

/// The test's arms get their keys.
pub(super) fn begin(state: &State, run: &Run, step: usize, test: &AbTestStep, seen: &Observation) -> State {
    let weights: Vec<_> = test.arms.iter().map(|arm| (arm.version.clone(), arm.weight)).collect();
    super::step::reweigh_all(state, &at(run, Stage::Applying { step }, seen.now), &weights, seen)
}
