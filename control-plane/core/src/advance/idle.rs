//! No run: a changed release starts one, a kept old version is let go or returned to.

use std::collections::BTreeSet;

use shunt_spec::plan::{Plan, Role, Routing, Scale, Step, Strategy};
use shunt_spec::time::Time;

use super::{Transition, ending, live};
use crate::analysis::Outcome;
use crate::cause;
use crate::observation::Observation;
use crate::ranges::reshape;
use crate::state::{DefaultRoute, Previous, Refused, Run, Sizes, Stage, State, Warmed};
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
        (Routing::External { .. } | Routing::Flag { .. }, _) => None,
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
    if let Some(concluded) = state.concluded.as_ref().filter(|concluded| concluded.version != plan.release) {
        let reason = format!("release is {} now; what came of {} is past", plan.release, concluded.version);
        return Some(Transition::new(State { concluded: None, ..state.clone() }, reason));
    }
    let refused = state.refused.as_ref().filter(|refused| refused.version != plan.release)?;
    let reason = format!("release is {} now; the refusal of {} is past", plan.release, refused.version);
    Some(Transition::new(State { refused: None, ..state.clone() }, reason))
}

fn release(plan: &Plan, state: &State, seen: &Observation) -> Option<Transition> {
    let refused = state.refused.as_ref().is_some_and(|refused| refused.version == plan.release);
    let concluded = state.concluded.as_ref().is_some_and(|concluded| concluded.version == plan.release);
    if plan.release == state.stable || refused || concluded {
        return None;
    }
    Some(start(plan, state, &plan.release, 0, seen))
}

/// Starts a run: through the steps from `first_step` on, or at once when the version was stable a while ago.
pub(super) fn start(plan: &Plan, state: &State, candidate: &VersionName, first_step: usize, seen: &Observation) -> Transition {
    let now = seen.now;
    let attempt = state.attempt.saturating_add(1);
    let kept = state.previous.as_ref().is_some_and(|previous| previous.version == *candidate && now < previous.until);
    let warm = kept && state.serving(candidate) && super::missing_instances(plan, state, candidate, seen).is_none();
    let returning = warm || (first_step == 0 && lately_stable(plan, state, candidate, now));
    let (stage, weight, reason) = if warm {
        (Stage::Shifting, Weight::ALL, format!("back to {candidate}, which is still warm: all keys at once (attempt {attempt})"))
    } else if returning {
        (Stage::Preparing, Weight::ZERO, format!("back to {candidate}, which was stable a while ago: without steps (attempt {attempt})"))
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
        regardless: None,
        returning,
        warmed: Warmed::Cold,
        held: None,
        sizes: if returning { Sizes::default() } else { first_sizes(plan) },
        baseline: None,
        arms: BTreeSet::new(),
        first_step,
        forward_from: None,
    };
    let epoch = state.epoch.saturating_add(1);
    let fresh = State { attempt, epoch, thresholds: None, run: Some(run), previous: None, refused: None, concluded: None, ..state.clone() };
    Transition::new(fresh, reason)
}

fn lately_stable(plan: &Plan, state: &State, candidate: &VersionName, now: Time) -> bool {
    let flag = matches!(plan.routing, Routing::Flag { .. });
    let lately = |until: Time| flag || now.since(until) < plan.rollback_window;
    // Recreate is about the two never running at once, also on the way back.
    plan.strategy != Strategy::Recreate && state.former.iter().any(|former| former.version == *candidate && lately(former.until))
}

/// The candidate starts whole, unless a step before any user sees it says how many instances there should be.
fn first_sizes(plan: &Plan) -> Sizes {
    let before = plan.steps.iter().take_while(|step| !step.exposes());
    let scaled = before.into_iter().any(|step| matches!(step, Step::Scale(Scale { role: Role::Candidate, .. })));
    Sizes { candidate: if scaled { Weight::ZERO } else { Weight::ALL }, stable: Weight::ALL }
}

/// The analysis goes on while the old version is kept: a failure returns to it.
fn guard_old(plan: &Plan, state: &State, seen: &Observation) -> Option<Transition> {
    let kept = |previous: &&Previous| seen.now < previous.until && state.serving(&previous.version) && plan.release == state.stable;
    let Previous { version, .. } = state.previous.as_ref().filter(kept)?;
    let failed = seen.verdicts.iter().find(|verdict| verdict.outcome == Outcome::Fail)?;
    let mut made = start(plan, state, version, 0, seen);
    let reason = cause::sentence(plan, state, failed, seen);
    made.reason = format!("{reason}; {}", made.reason);
    made.state.refused = Some(Refused { version: state.stable.clone(), reason, at: seen.now });
    Some(made)
}

fn let_go(plan: &Plan, state: &State, seen: &Observation) -> Option<Transition> {
    let previous = state.previous.as_ref().filter(|previous| seen.now >= previous.until)?;
    // Its instances go with this: no proxy may still use it, and what is in flight ends or has had its time.
    if ending::needs_everybody(state, &previous.version) {
        let proved = super::install::no_proxy_uses_it(seen)?;
        let open = seen.versions.get(&previous.version).map_or(0, |version| version.open);
        if open > 0 && seen.now.since(proved.max(previous.until)) < plan.drain_deadline {
            return None;
        }
    }
    let reason = format!("{} is no longer kept", previous.version);
    Some(Transition::new(State { previous: None, ..state.clone() }, reason))
}
