//! What somebody asked: obeyed, or refused with the reason and what to do instead.

use super::ending::aborted;
use super::step::{go_on, waive};
use super::{Transition, idle, with_run};
use crate::command::{Command, Verb};
use crate::observation::Observation;
use crate::plan::{Plan, Step};
use crate::state::{Paused, Run, Stage, State};

const NO_RUN: &str = "nothing is being released; set release: to another version first";

/// The transition that a command makes, or why it makes none.
pub(super) fn obey(plan: &Plan, state: &State, seen: &Observation, command: &Command) -> Result<Transition, String> {
    match (command.verb, &state.run) {
        (Verb::Retry, None) => retry(plan, state, seen, command),
        (Verb::Retry, Some(_)) => Err("a release is running; abort it before you retry".to_owned()),
        (_, None) => Err(NO_RUN.to_owned()),
        (_, Some(run)) if matches!(run.stage, Stage::Reverting(_) | Stage::Draining(_)) => {
            Err(format!("the run of {} is already ending; wait for it, then retry or release another version", run.candidate))
        }
        (Verb::Promote, Some(run)) => promote(plan, state, run, seen, command),
        (Verb::Pause, Some(run)) => pause(state, run, seen, command),
        (Verb::Resume, Some(run)) => resume(state, run, seen, command),
        (Verb::Abort, Some(run)) => Ok(aborted(&command.by, &command.reason, seen.now, state, run)),
    }
}

fn retry(plan: &Plan, state: &State, seen: &Observation, command: &Command) -> Result<Transition, String> {
    match &state.refused {
        Some(refused) if refused.version == plan.release => {
            let mut made = idle::start(state, &plan.release, seen.now);
            made.reason = format!("retried by {}: {}", command.by, made.reason);
            Ok(made)
        }
        _ => Err("no release was refused; there is nothing to retry".to_owned()),
    }
}

/// Ends a wait. A proof cannot be skipped: only its deadline starts again.
fn promote(plan: &Plan, state: &State, run: &Run, seen: &Observation, command: &Command) -> Result<Transition, String> {
    match (&run.stage, &run.paused) {
        (Stage::Holding { step }, _) => {
            let what = plan.steps.get(*step).map(Step::to_string).unwrap_or_default();
            let made = go_on(plan, &waive(state, run), *step, seen.now);
            Ok(Transition::new(made.state, format!("promoted past {what:?} by {}; {}", command.by, made.reason)))
        }
        (_, Some(_)) => Ok(resumed(state, run, seen, command)),
        (_, None) => Err(match super::missing_proof(seen) {
            Some(missing) => format!("this step is not proved yet and a proof cannot be skipped: {missing}"),
            None => "nothing waits for a promotion here".to_owned(),
        }),
    }
}

fn pause(state: &State, run: &Run, seen: &Observation, command: &Command) -> Result<Transition, String> {
    match (&run.paused, &run.stage) {
        (Some(paused), _) => Err(format!("it is held already: {}", paused.reason)),
        (None, Stage::Switching) => Err("the promotion is at its last step; wait for it, or abort".to_owned()),
        (None, _) => {
            let why = if command.reason.is_empty() { String::new() } else { format!(": {}", command.reason) };
            let reason = format!("held by {}{why}", command.by);
            let held = Run { paused: Some(Paused { at: seen.now, reason: reason.clone() }), ..run.clone() };
            Ok(Transition::new(with_run(state, held), reason))
        }
    }
}

fn resume(state: &State, run: &Run, seen: &Observation, command: &Command) -> Result<Transition, String> {
    match run.paused {
        Some(_) => Ok(resumed(state, run, seen, command)),
        None => Err("it is not held; `promote` ends the wait of a step".to_owned()),
    }
}

/// The hold ends; the step's deadline, and what is left of its duration, count from where they were held.
fn resumed(state: &State, run: &Run, seen: &Observation, command: &Command) -> Transition {
    let held_for = run.paused.as_ref().map(|paused| seen.now.since(paused.at)).unwrap_or_default();
    let since = match run.stage {
        Stage::Holding { .. } => run.since.after(held_for),
        _ => seen.now,
    };
    let on = Run { paused: None, since, ..run.clone() };
    Transition::new(with_run(state, on), format!("resumed by {}", command.by))
}
