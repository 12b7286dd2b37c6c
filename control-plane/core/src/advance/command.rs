//! What somebody asked: obeyed, or refused with the reason and what to do instead.

use super::ending::{self, aborted};
use super::step::{go_on, needs_pass, wait_ends, waive};
use super::{Transition, idle, with_run};
use crate::command::{Command, Verb};
use crate::observation::Observation;
use crate::plan::{Plan, Step};
use crate::state::{Paused, Run, Stage, State};

const NO_RUN: &str = "nothing is being released; set release: to another version first";

/// The transition that a command makes, or why it makes none.
pub(super) fn obey(plan: &Plan, state: &State, seen: &Observation, command: &Command) -> Result<Transition, String> {
    if plan.gone || state.retiring.is_some() {
        return Err("its manifest is gone and it is on its way out; put the manifest back first".to_owned());
    }
    // Nothing that somebody asks overtakes what ends the run: a promotion at the moment of a failure would hide it.
    if let Some((run, ending)) = state.run.as_ref().and_then(|run| Some((run, ending::early(plan, state, run, seen)?)))
        && command.verb != Verb::Abort
    {
        return Err(format!("the run of {} is about to end: {}", run.candidate, ending::sentence(state, run, &ending)));
    }
    match (command.verb, &state.run) {
        (Verb::Retry, None) => retry(plan, state, seen, command),
        (Verb::Retry, Some(_)) => Err("a release is running; abort it before you retry".to_owned()),
        (_, None) => Err(NO_RUN.to_owned()),
        (_, Some(run)) if matches!(run.stage, Stage::Reverting(_) | Stage::Draining(_)) => {
            Err(format!("the run of {} is already ending; wait for it, then retry or release another version", run.candidate))
        }
        (Verb::Promote, Some(run)) => promote(plan, state, run, seen, command),
        (Verb::Pause, Some(run)) => pause(state, run, seen, command),
        (Verb::Resume, Some(run)) => resume(plan, state, run, seen, command),
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
            // Only who ends the wait for a pass goes on without one.
            let waived = if needs_pass(plan, run, *step) { waive(state, run) } else { state.clone() };
            let made = go_on(plan, &waived, *step, seen.now);
            Ok(Transition::new(made.state, format!("promoted past {what:?} by {}; {}", command.by, made.reason)))
        }
        (_, Some(_)) => Ok(resumed(plan, state, run, seen, command)),
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

fn resume(plan: &Plan, state: &State, run: &Run, seen: &Observation, command: &Command) -> Result<Transition, String> {
    match run.paused {
        Some(_) => Ok(resumed(plan, state, run, seen, command)),
        None => Err("it is not held; `promote` ends the wait of a step".to_owned()),
    }
}

/// The hold ends. What is left of a step's duration counts from where it was held; a deadline starts again.
fn resumed(plan: &Plan, state: &State, run: &Run, seen: &Observation, command: &Command) -> Transition {
    let held_for = run.paused.as_ref().map(|paused| seen.now.since(paused.at)).unwrap_or_default();
    let since = match run.stage {
        Stage::Holding { step } => {
            let since = run.since.after(held_for);
            since.after(seen.now.since(wait_ends(plan, step, since)))
        }
        _ => seen.now,
    };
    let on = Run { paused: None, since, ..run.clone() };
    Transition::new(with_run(state, on), format!("resumed by {}", command.by))
}
