//! No run: a changed release starts one, a kept old version is let go or returned to.

use super::{Transition, live};
use crate::analysis::Outcome;
use crate::observation::Observation;
use crate::plan::{Plan, Routing};
use crate::ranges::reshape;
use crate::state::{DefaultRoute, Previous, Refused, Run, Stage, State};
use crate::time::Time;
use shunt_filter_core::{VersionName, Weight};

pub(super) fn react(plan: &Plan, state: &State, seen: &Observation) -> Option<Transition> {
    steer(plan, state, seen)
        .or_else(|| forgive(plan, state))
        .or_else(|| release(plan, state, seen))
        .or_else(|| guard_old(plan, state, seen))
        .or_else(|| let_go(plan, state, seen))
}

/// The default route names stable, always: only who hands routing over to us finds it elsewhere. Nothing starts before it does.
fn steer(plan: &Plan, state: &State, seen: &Observation) -> Option<Transition> {
    let to = |default_route, reason: String| Some(Transition::new(State { default_route, ..state.clone() }, reason));
    let stable = &state.stable;
    match (&plan.routing, &state.default_route) {
        (Routing::External { .. }, _) => None,
        (Routing::Managed, DefaultRoute::Settled(version)) if version == stable => None,
        (Routing::Managed, DefaultRoute::Changing { to: version }) if version == stable => {
            live(&seen.policy, "").and_then(|_| live(&seen.routes, "")).ok()?;
            to(DefaultRoute::Settled(stable.clone()), format!("the default route names {stable} at every proxy"))
        }
        (Routing::Managed, DefaultRoute::Settled(_) | DefaultRoute::Changing { .. }) => {
            state.serving(stable).then_some(())?;
            to(DefaultRoute::Changing { to: stable.clone() }, format!("routing is ours now; the default route goes to {stable}"))
        }
    }
}

/// The manifest names another version than the refused one: the refusal is past.
fn forgive(plan: &Plan, state: &State) -> Option<Transition> {
    let refused = state.refused.as_ref().filter(|refused| refused.version != plan.release)?;
    let reason = format!("release is {} now; the refusal of {} is past", plan.release, refused.version);
    Some(Transition::new(State { refused: None, ..state.clone() }, reason))
}

fn release(plan: &Plan, state: &State, seen: &Observation) -> Option<Transition> {
    let refused = state.refused.as_ref().is_some_and(|refused| refused.version == plan.release);
    if plan.release == state.stable || refused {
        return None;
    }
    Some(start(state, &plan.release, seen.now))
}

/// Starts a run: through the steps, or at once when the version is the old one and still warm.
pub(super) fn start(state: &State, candidate: &VersionName, now: Time) -> Transition {
    let attempt = state.attempt.saturating_add(1);
    let kept = state.previous.as_ref().is_some_and(|previous| previous.version == *candidate && now < previous.until);
    let warm = kept && state.serving(candidate);
    let (stage, weight, reason) = if warm {
        (Stage::Shifting, Weight::ALL, format!("back to {candidate}, which is still warm: all keys at once (attempt {attempt})"))
    } else {
        (Stage::Preparing, Weight::ZERO, format!("release of {candidate} begins, {} is stable (attempt {attempt})", state.stable))
    };
    let run = Run {
        candidate: candidate.clone(),
        started: now,
        ranges: reshape(&[], &[(candidate.clone(), weight)]),
        weight,
        stage,
        since: now,
        paused: None,
        passed: None,
        returning: warm,
    };
    let epoch = state.epoch.saturating_add(1);
    Transition::new(State { attempt, epoch, run: Some(run), previous: None, refused: None, ..state.clone() }, reason)
}

/// The analysis goes on while the old version is kept: a failure returns to it.
fn guard_old(plan: &Plan, state: &State, seen: &Observation) -> Option<Transition> {
    let kept = |previous: &&Previous| seen.now < previous.until && state.serving(&previous.version) && plan.release == state.stable;
    let Previous { version, .. } = state.previous.as_ref().filter(kept)?;
    let failed = seen.verdicts.iter().find(|verdict| verdict.outcome == Outcome::Fail)?;
    let mut made = start(state, version, seen.now);
    made.state.refused = Some(Refused { version: state.stable.clone(), reason: failed.message.clone(), at: seen.now });
    made.reason = format!("{}; {}", failed.message, made.reason);
    Some(made)
}

fn let_go(_plan: &Plan, state: &State, seen: &Observation) -> Option<Transition> {
    let previous = state.previous.as_ref().filter(|previous| seen.now >= previous.until)?;
    let reason = format!("{} is no longer kept warm", previous.version);
    Some(Transition::new(State { previous: None, ..state.clone() }, reason))
}
