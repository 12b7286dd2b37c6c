//! Promotion: all keys by policy, proved -> the default route, proved -> the candidate is stable. The old version may go only then.

use shunt_spec::plan::{Plan, Routing};
use shunt_spec::time::{Span, Time};

use super::ending::needs_everybody;
use super::install::proxies_text;
use super::step::reweigh;
use super::{Transition, at, forward, live, overdue, proved, with_run};
use crate::observation::Observation;
use crate::state::{DefaultRoute, FORMER_MAX, Former, Previous, Run, Stage, State};
use shunt_filter_core::Weight;

/// All keys to the candidate, by policy; the default route still names stable, which keeps its capacity.
pub(super) fn shift(state: &State, run: &Run, seen: &Observation) -> Transition {
    let reason = format!("promotion of {}: all keys by policy", run.candidate);
    Transition::new(reweigh(state, &at(run, Stage::Shifting, seen.now), Weight::ALL, seen), reason)
}

/// Proved: the default route follows, where routes are ours.
pub(super) fn shifted(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> Option<Transition> {
    // While requests are held no version answers, so there is nothing to watch.
    let proof = if run.held.is_some() { live(&seen.policy, "the policy").map(|(_, proxies)| proxies) } else { proved(plan, run, seen) };
    let proxies = match proof {
        Ok(proxies) => proxies_text(proxies),
        Err(missing) => return overdue(plan, state, run, run.since, &missing, seen.now),
    };
    Some(match plan.routing {
        Routing::External { .. } | Routing::Flag { .. } => promoted(plan, state, run, &proxies, seen.now),
        Routing::Managed => {
            let default_route = DefaultRoute::Changing { to: run.candidate.clone() };
            let reason = format!("all keys on {}, proved by {proxies}; the default route follows", run.candidate);
            Transition::new(State { default_route, ..with_run(state, at(run, Stage::Switching, seen.now)) }, reason)
        }
    })
}

/// The default route is proved at every proxy: the candidate is stable.
pub(super) fn switched(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> Option<Transition> {
    match live(&seen.policy, "the policy").and_then(|_| live(&seen.routes, "the default route")) {
        Ok((_, proxies)) => Some(promoted(plan, state, run, &proxies_text(proxies), seen.now)),
        Err(missing) => overdue(plan, state, run, run.since, &missing, seen.now),
    }
}

fn promoted(plan: &Plan, state: &State, run: &Run, proxies: &str, now: Time) -> Transition {
    let default_route = match &plan.routing {
        Routing::Managed | Routing::Flag { .. } => DefaultRoute::Settled(run.candidate.clone()),
        Routing::External { default_route } => DefaultRoute::Settled(default_route.clone()),
    };
    let previous = left(plan, state, run, now);
    let down = run.held.map(|since| format!("; requests were held for {}", now.since(since))).unwrap_or_default();
    let reason = format!("{} is stable, proved by {proxies}, {} after it began{down}", run.candidate, now.since(run.started).text());
    let epoch = state.epoch.saturating_add(1);
    let refused = state.refused.clone().filter(|refused| refused.version != run.candidate);
    let former = formers(plan, state, run, now);
    let (stable, concluded) = (run.candidate.clone(), None);
    Transition::new(State { stable, default_route, run: None, previous, refused, concluded, former, epoch, ..state.clone() }, reason)
}

/// The old stable: kept warm, or at least until no proxy can use its instances any more. What a return left is not kept warm: releasing
/// it again goes through the steps, and no failure sends users back to it.
fn left(plan: &Plan, state: &State, run: &Run, now: Time) -> Option<Previous> {
    let warm = !run.returning && !forward::no_return(plan, run) && run.held.is_none();
    let keep_old = if warm { plan.keep_old } else { Span::default() };
    let size = if keep_old > Span::default() { Weight::ALL } else { run.sizes.stable };
    let has_instances = needs_everybody(state, &state.stable) && size > Weight::ZERO;
    let left = run.candidate != state.stable && (keep_old > Span::default() || has_instances);
    left.then(|| Previous { version: state.stable.clone(), until: now.after(keep_old), size })
}

/// Who was stable, newest last. A version that was left because it failed, or that cannot come back, is none.
fn formers(plan: &Plan, state: &State, run: &Run, now: Time) -> Vec<Former> {
    if forward::no_return(plan, run) {
        return Vec::new();
    }
    let others = state.former.iter().filter(|former| former.version != run.candidate && former.version != state.stable).cloned();
    let left = (!run.returning && run.candidate != state.stable).then(|| Former { version: state.stable.clone(), until: now });
    let mut all: Vec<Former> = others.chain(left).collect();
    all.drain(..all.len().saturating_sub(FORMER_MAX));
    all
}
