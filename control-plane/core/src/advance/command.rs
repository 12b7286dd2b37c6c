//! What an operator asked: obeyed, or refused with the reason and what to do instead.

use shunt_spec::plan::call::CallKind;
use shunt_spec::plan::{Plan, Role, Scale, Step};

use super::blocked::{closed, frozen};
use super::ending::{self, aborted};
use super::forward::no_return;
use super::step::{enter, go_on, needs_pass, wait_ends, waive};
use super::{Transition, contest, idle, with_run};
use crate::command::{Command, CommandRefused, Verb};
use crate::observation::Observation;
use crate::state::{Paused, Run, Stage, State};
use shunt_filter_core::Weight;

/// The transition that a command makes, or why it makes none.
pub(super) fn obey(plan: &Plan, state: &State, seen: &Observation, command: &Command) -> Result<Transition, CommandRefused> {
    if plan.gone || state.retiring.is_some() {
        return Err(CommandRefused::Leaving);
    }
    // Nothing that an operator asks overtakes what ends the run: a promotion at the moment of a failure would hide it.
    if let Some((run, ending)) = state.run.as_ref().and_then(|run| Some((run, ending::early(plan, state, run, seen)?)))
        && command.verb != Verb::Abort
        && !no_return(plan, run)
    {
        let ending = ending::sentence(state, run, &ending);
        return Err(CommandRefused::AboutToEnd { candidate: run.candidate.clone(), ending: ending.to_string() });
    }
    match (command.verb, &state.run) {
        (Verb::Retry, None) => retry(plan, state, seen, command, 0),
        (Verb::RestartFrom { step }, None) => retry(plan, state, seen, command, index(plan, step)?),
        (Verb::Retry, Some(_)) => Err(CommandRefused::RunUnderWay),
        (_, None) => Err(CommandRefused::NoRun),
        (_, Some(run)) if run.stage.ending().is_some() => Err(CommandRefused::Ending { candidate: run.candidate.clone() }),
        (Verb::Promote, Some(run)) => promote(plan, state, run, seen, command),
        (Verb::PromoteFull, Some(run)) => skip(plan, state, run, plan.steps.len(), seen, command),
        (Verb::PromoteTo { step }, Some(run)) => skip(plan, state, run, index(plan, step)?, seen, command),
        (Verb::RestartFrom { step }, Some(run)) => restart(plan, state, run, index(plan, step)?, seen, command),
        (Verb::Pause, Some(run)) => pause(state, run, seen, command),
        (Verb::Resume, Some(run)) => resume(plan, state, run, seen, command),
        (Verb::Abort, Some(run)) if no_return(plan, run) => Err(CommandRefused::PastNoReturn { stable: state.stable.clone() }),
        (Verb::Abort, Some(run)) => Ok(aborted(command, seen, state, run)),
    }
}

/// A step as people count.
fn index(plan: &Plan, step: usize) -> Result<usize, CommandRefused> {
    let last = plan.steps.len();
    step.checked_sub(1).filter(|_| step <= last).ok_or(CommandRefused::UnknownStep { step, last })
}

fn retry(plan: &Plan, state: &State, seen: &Observation, command: &Command, first_step: usize) -> Result<Transition, CommandRefused> {
    let refused = state.refused.as_ref().is_some_and(|refused| refused.version == plan.release);
    let concluded = state.concluded.as_ref().is_some_and(|concluded| concluded.version == plan.release);
    if !refused && !concluded {
        return Err(CommandRefused::NothingToRetry);
    }
    if let Some(hook) = (0..first_step).find(|step| is_hook(plan, *step)) {
        return Err(skipped(plan, hook));
    }
    if let Some(why) = frozen(seen) {
        return Err(CommandRefused::Frozen(why));
    }
    let mut made = idle::start(plan, state, &plan.release, first_step, seen);
    let from = if first_step == 0 { String::new() } else { format!(" from step {}", first_step.saturating_add(1)) };
    made.reason = format!("retried{from} by {}; {}", command.author(), made.reason);
    Ok(made)
}

fn is_hook(plan: &Plan, step: usize) -> bool {
    matches!(plan.steps.get(step), Some(Step::Call(call)) if call.kind == CallKind::Hook)
}

fn skipped(plan: &Plan, step: usize) -> CommandRefused {
    let what = plan.steps.get(step).map(Step::to_string).unwrap_or_default();
    CommandRefused::HookSkipped { step: step.saturating_add(1), what }
}

/// Into a later step, or, past the last one, the promotion. Cohorts, copies and sizes of the steps in between count.
fn skip(plan: &Plan, state: &State, run: &Run, target: usize, seen: &Observation, command: &Command) -> Result<Transition, CommandRefused> {
    if let Some(why) = frozen(seen) {
        return Err(CommandRefused::Frozen(why));
    }
    let here = match run.stage {
        Stage::AwaitingPrerequisites { step } | Stage::Applying { step } | Stage::Holding { step } => step,
        Stage::Preparing => return Err(CommandRefused::NotInstalled { candidate: run.candidate.clone() }),
        _ => return Err(CommandRefused::BeingPromoted),
    };
    if target <= here {
        return Err(CommandRefused::StepPast { step: target.saturating_add(1) });
    }
    if matches!(plan.steps.get(target), Some(Step::Scale(Scale { role: Role::Stable, .. }))) {
        return Err(CommandRefused::TakesInstances { step: target.saturating_add(1), stable: state.stable.clone() });
    }
    let between = here.saturating_add(1)..target;
    if let Some(hook) = between.clone().find(|step| is_hook(plan, *step)) {
        return Err(skipped(plan, hook));
    }
    if between.clone().any(|step| plan.steps.get(step) == Some(&Step::Hold)) {
        return Err(CommandRefused::HoldSkipped);
    }
    if let Some(why) = contest::unconfirmed(plan, run, seen, command) {
        return Err(CommandRefused::Unconfirmed(why));
    }
    // Never promoted with less than all its instances.
    let whole = between.rev().find(|step| matches!(plan.steps.get(*step), Some(Step::Scale(Scale { role: Role::Candidate, .. }))));
    let to = whole.filter(|_| run.sizes.candidate < Weight::ALL).unwrap_or(target);
    let waived = waive(state, run);
    let made = enter(plan, &waived, waived.run.as_ref().unwrap_or(run), to, seen);
    let result = contest::result(plan, run, seen);
    Ok(Transition::new(made.state, format!("promoted by {}{result}; {}", command.author(), made.reason)))
}

/// Back into an earlier step of a running release. Keys stay where they are.
fn restart(
    plan: &Plan,
    state: &State,
    run: &Run,
    step: usize,
    seen: &Observation,
    command: &Command,
) -> Result<Transition, CommandRefused> {
    if let Some(why) = frozen(seen) {
        return Err(CommandRefused::Frozen(why));
    }
    let here = run.stage.step().ok_or(CommandRefused::NotInStep)?;
    if step > here {
        return Err(CommandRefused::StepAhead { step: step.saturating_add(1) });
    }
    if run.held.is_some() || run.sizes.stable < Weight::ALL {
        return Err(CommandRefused::InstancesGivenUp { stable: state.stable.clone() });
    }
    let made = enter(plan, state, run, step, seen);
    Ok(Transition::new(made.state, format!("started again by {}; {}", command.author(), made.reason)))
}

/// Ends a wait. A proof cannot be skipped: only its deadline starts again.
fn promote(plan: &Plan, state: &State, run: &Run, seen: &Observation, command: &Command) -> Result<Transition, CommandRefused> {
    if let Some(why) = frozen(seen) {
        return Err(CommandRefused::Frozen(why));
    }
    match (&run.stage, &run.paused) {
        (Stage::AwaitingPrerequisites { step }, None) if plan.steps.get(*step).is_some_and(Step::waits_for_an_operator) => {
            let what = plan.steps.get(*step).map(Step::to_string).unwrap_or_default();
            let made = go_on(plan, state, *step, seen);
            Ok(Transition::new(made.state, format!("{what}: yes, by {}; {}", command.author(), made.reason)))
        }
        (Stage::Holding { step }, _) => {
            if let Some(why) = contest::unconfirmed(plan, run, seen, command) {
                return Err(CommandRefused::Unconfirmed(why));
            }
            let result = contest::result(plan, run, seen);
            let what = plan.steps.get(*step).map(Step::to_string).unwrap_or_default();
            // Only who ends the wait for a pass goes on without one.
            let run = &regardless(plan, state, run);
            let waived = if needs_pass(plan, run, *step) { waive(state, run) } else { with_run(state, run.clone()) };
            let made = go_on(plan, &waived, *step, seen);
            Ok(Transition::new(made.state, format!("promoted past {what:?} by {}{result}; {}", command.author(), made.reason)))
        }
        (_, Some(_)) => Ok(resumed(plan, state, run, seen, command)),
        (Stage::Preparing | Stage::AwaitingPrerequisites { .. }, None) if outside(plan, state, run, seen).is_some() => {
            let made = outside(plan, state, run, seen).ok_or(CommandRefused::NothingWaits)?;
            Ok(Transition::new(made.state, format!("promoted outside of its windows by {}; {}", command.author(), made.reason)))
        }
        (Stage::AwaitingPrerequisites { step }, None) => Err(match super::missing_prerequisites(plan, state, run, *step, seen) {
            Some(missing) => CommandRefused::NotEquipped(missing),
            None => CommandRefused::NothingWaits,
        }),
        (Stage::Preparing, None) if super::missing_instances(plan, state, &run.candidate, seen).is_some() => {
            Err(CommandRefused::NoInstances)
        }
        (_, None) => Err(match super::missing_proof(plan, run, seen) {
            Some(missing) => CommandRefused::NotProved(missing),
            None => CommandRefused::NothingWaits,
        }),
    }
}

/// What would happen now if a window were open; none: something else is missing too, or one is open.
fn outside(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> Option<Transition> {
    closed(plan, seen.now)?;
    let open = Plan { windows: Vec::new(), ..plan.clone() };
    super::in_run(&open, state, run, seen)
}

/// Who goes on past the point of no return knows what fails there.
fn regardless(plan: &Plan, state: &State, run: &Run) -> Run {
    let regardless = if no_return(plan, run) { Some(state.epoch) } else { run.regardless };
    Run { regardless, ..run.clone() }
}

fn pause(state: &State, run: &Run, seen: &Observation, command: &Command) -> Result<Transition, CommandRefused> {
    match (&run.paused, &run.stage) {
        (Some(paused), _) => Err(CommandRefused::HeldAlready(paused.reason.clone())),
        (None, Stage::Switching) => Err(CommandRefused::LastStep),
        (None, _) => {
            let reason = format!("held by {}", command.author());
            let held = Run { paused: Some(Paused { at: seen.now, reason: reason.clone() }), ..run.clone() };
            Ok(Transition::new(with_run(state, held), reason))
        }
    }
}

fn resume(plan: &Plan, state: &State, run: &Run, seen: &Observation, command: &Command) -> Result<Transition, CommandRefused> {
    match run.paused {
        Some(_) => Ok(resumed(plan, state, run, seen, command)),
        None => Err(CommandRefused::NotHeld),
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
    let on = Run { paused: None, since, ..regardless(plan, state, run) };
    Transition::new(with_run(state, on), format!("resumed by {}", command.author()))
}
