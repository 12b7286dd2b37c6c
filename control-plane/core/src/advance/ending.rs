//! Ways out of a run without promotion, and the way out of a Rollout whose manifest is gone.

use shunt_spec::plan::{Plan, Routing, Step};
use shunt_spec::plural::counted;
use shunt_spec::time::Time;

use super::{Transition, at, live, prerequisites, proof, restore, with_run};
use crate::analysis::Outcome;
use crate::call::CallSeen;
use crate::cause;
use crate::command::Command;
use crate::desired::{rollback_id, withheld};
use crate::observation::{Delivery, Misrouting, Observation};
use crate::state::{Concluded, DefaultRoute, Ending, Installation, Refused, Retiring, Run, Stage, State};
use shunt_filter_core::{VersionName, Weight};

/// What ends a run before its time.
pub(super) fn early(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> Option<Ending> {
    if run.stage.ending().is_some() {
        return None;
    }
    // On the way back from a release that failed while the old version was warm, `release:` still names the failed one.
    let flees = state.refused.as_ref().is_some_and(|refused| refused.version == state.stable);
    if plan.gone {
        Some(Ending::Deleted)
    } else if plan.release == run.candidate || (flees && plan.release == state.stable) {
        let held = || prerequisites::held_too_long(plan, state, run, seen);
        failure(plan, state, run, seen).or_else(held).map(|reason| Ending::Refused { reason })
    } else if plan.release == state.stable {
        Some(Ending::RolledBack)
    } else if passes_by(plan, state, run) {
        None
    } else {
        Some(Ending::Superseded)
    }
}

/// A newer release, while a return is on its way, never passes through the version that the return leaves: it starts from where the
/// return ends, which nothing holds up any more.
pub(super) fn passes_by(plan: &Plan, state: &State, run: &Run) -> bool {
    run.returning && plan.release != run.candidate && plan.release != state.stable
}

/// A failed analysis, or a candidate that the proxies cannot reach. A return is not judged; its deadline holds it.
fn failure(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> Option<String> {
    if run.returning || !reached(plan, run) {
        return None;
    }
    let failed = seen.verdicts.iter().find(|verdict| verdict.outcome == Outcome::Fail);
    let asked = || outside(plan, state, seen);
    failed.map(|verdict| cause::sentence(plan, state, verdict, seen)).or_else(asked).or_else(|| match seen.misrouting {
        // A held request is answered by no version on purpose.
        Misrouting::Growing { since } if run.held.is_none() && seen.now.since(since.max(run.since)) >= plan.fallback_deadline => {
            let why = proof::astray(plan, &run.candidate, seen).unwrap_or_else(|| {
                format!("another version or none answered {}; are its endpoints up?", counted(seen.misrouted, "request"))
            });
            Some(format!("{} did not answer for {}: {why}", run.candidate, plan.fallback_deadline))
        }
        _ => None,
    })
}

/// The rollback gate asks for the way back.
fn outside(plan: &Plan, state: &State, seen: &Observation) -> Option<String> {
    let call = plan.rollback_call.as_ref()?;
    match seen.calls.get(&rollback_id(state, call))? {
        CallSeen::Yes { by, note } if note.is_empty() => Some(format!("{by} asks for a rollback")),
        CallSeen::Yes { by, note } => Some(format!("{by} asks for a rollback: {note}")),
        CallSeen::Waiting { .. } | CallSeen::No { .. } | CallSeen::Failed { .. } => None,
    }
}

/// Whether the run sends users to its candidate yet, so that it can be blamed for what is misrouted.
fn reached(plan: &Plan, run: &Run) -> bool {
    let seen_by_some = |step: &Step| matches!(step, Step::Rule(_) | Step::Mirror(_));
    let cohort = |step: usize| plan.steps.iter().take(step.saturating_add(1)).any(seen_by_some);
    match run.stage {
        Stage::Preparing => run.forward_from.is_some(),
        Stage::AwaitingPrerequisites { step } => run.weight > Weight::ZERO || step.checked_sub(1).is_some_and(cohort),
        Stage::Applying { step } | Stage::Holding { step } => run.weight > Weight::ZERO || cohort(step),
        Stage::Shifting | Stage::Switching | Stage::Clearing(_) | Stage::Restoring(_) | Stage::Reverting(_) | Stage::Draining(_) => true,
    }
}

/// Why a run ends and what happens to its keys.
pub(super) fn sentence(state: &State, run: &Run, ending: &Ending) -> String {
    match ending {
        Ending::Refused { reason } => format!("{reason}; all keys back to {}", state.stable),
        Ending::RolledBack => format!("release names {} again; all keys back to it", state.stable),
        Ending::Superseded => format!("another release replaces {}; its keys go back to {} first", run.candidate, state.stable),
        Ending::Deleted => format!("the manifest is gone; all keys back to {}", state.stable),
        Ending::Concluded { result } => format!("{result}; all keys back to {}", state.stable),
    }
}

/// All keys back to stable at once; the default route too, if it had begun to move.
pub(super) fn revert(state: &State, run: &Run, ending: Ending, now: Time) -> Transition {
    let reason = sentence(state, run, &ending);
    let default_route = match &state.default_route {
        DefaultRoute::Changing { .. } => DefaultRoute::Changing { to: state.stable.clone() },
        settled @ DefaultRoute::Settled(_) => settled.clone(),
    };
    let mut installed = state.installed.clone();
    if let Some(known) = run.baseline.as_ref().and_then(|baseline| installed.get_mut(baseline.version())) {
        known.stage = Installation::Leaving { since: now };
    }
    let reverting = Run { ranges: Vec::new(), weight: Weight::ZERO, baseline: None, ..at(run, Stage::Reverting(ending), now) };
    let epoch = state.epoch.saturating_add(1);
    Transition::new(State { default_route, epoch, installed, ..with_run(state, reverting) }, reason)
}

/// No proxy sends users there any more. No deadline: until then some proxy may still use the candidate, and it is named.
pub(super) fn reverted(plan: &Plan, state: &State, run: &Run, ending: &Ending, seen: &Observation) -> Option<Transition> {
    let no_proxies = matches!(seen.everywhere, Delivery::Unknown { .. });
    let proxies = live(&seen.policy, "").map(|(_, proxies)| proxies).ok().or(no_proxies.then_some(0))?;
    let default_route = match &state.default_route {
        DefaultRoute::Changing { .. } if !no_proxies && live(&seen.routes, "").is_err() => return None,
        DefaultRoute::Changing { to } => DefaultRoute::Settled(to.clone()),
        // The held route is lifted with this.
        DefaultRoute::Settled(_) if run.held.is_some() && !no_proxies && live(&seen.routes, "").is_err() => return None,
        settled @ DefaultRoute::Settled(_) => settled.clone(),
    };
    let others = if ruled(plan, state, &run.candidate) { " but by long-lived rules" } else { "" };
    let proxies = super::install::proxies_text(proxies);
    let down = run.held.map(|since| format!("; requests were held for {}", seen.now.since(since))).unwrap_or_default();
    let reason = format!("no user is sent to {} any more{others}, proved by {proxies}{down}", run.candidate);
    let draining = at(run, Stage::Draining(ending.clone()), seen.now);
    Some(Transition::new(State { default_route, ..with_run(state, draining) }, reason))
}

/// Requests in flight have ended, or had their time.
pub(super) fn drained(plan: &Plan, state: &State, run: &Run, ending: &Ending, seen: &Observation) -> Option<Transition> {
    let ruled = ruled(plan, state, &run.candidate);
    // What long-lived rules send there never ends, and nothing is taken away here.
    let open = if ruled { 0 } else { seen.versions.get(&run.candidate).map_or(0, |version| version.open) };
    if open > 0 && seen.now.since(run.since) < plan.drain_deadline {
        return None;
    }
    // Its instances go with this.
    if needs_everybody(state, &run.candidate) {
        super::install::no_proxy_uses_it(seen)?;
    }
    let refused = match ending {
        Ending::Refused { reason } => Some(Refused { version: run.candidate.clone(), reason: reason.clone(), at: seen.now }),
        Ending::RolledBack | Ending::Superseded | Ending::Deleted | Ending::Concluded { .. } => state.refused.clone(),
    };
    let concluded = match ending {
        Ending::Concluded { result } => Some(Concluded { version: run.candidate.clone(), result: result.clone(), at: seen.now }),
        Ending::Refused { .. } | Ending::RolledBack | Ending::Superseded | Ending::Deleted => None,
    };
    let reason = match (ending, open) {
        (Ending::Concluded { result }, 0) => format!("{result}; {} is left until release changes or an operator retries", run.candidate),
        (Ending::Refused { .. }, 0) => format!("{} is refused until release changes or an operator retries", run.candidate),
        (_, _) if ruled => format!("{} is left to long-lived rules; its run is over", run.candidate),
        (_, 0) => format!("{} has nothing in flight; its run is over", run.candidate),
        (_, open) => {
            format!("{} still has {} in flight at the drain deadline; its run is over", run.candidate, counted(open, "request"))
        }
    };
    let epoch = state.epoch.saturating_add(1);
    Some(Transition::new(State { run: None, refused, concluded, epoch, ..state.clone() }, reason))
}

/// Whether instances of ours go when this version is no longer wanted, so that every proxy that may still use it must have said no.
pub(super) fn needs_everybody(state: &State, version: &VersionName) -> bool {
    state.installed.get(version).is_some_and(|installed| installed.backend.has_instances())
}

/// Whether long-lived rules send requests to this version whatever the run does.
fn ruled(plan: &Plan, state: &State, version: &VersionName) -> bool {
    withheld(state, version).is_none() && plan.rules.iter().any(|rule| rule.version.as_ref() == Some(version))
}

/// The manifest is back. Where routes had begun to go, versions are installed anew before anything names them.
fn back(plan: &Plan, state: &State) -> Transition {
    let mut installed = state.installed.clone();
    if plan.routing == Routing::Managed && matches!(state.retiring, Some(Retiring::LeavingRoutes | Retiring::Gone)) {
        for version in installed.values_mut().filter(|version| version.stage == Installation::Serving) {
            version.stage = Installation::Installing;
        }
    }
    Transition::new(State { retiring: None, installed, ..state.clone() }, "the manifest is back")
}

/// The manifest is gone: end the run, leave the policy, take the routes away; each proved before the next.
pub(super) fn retire(plan: &Plan, state: &State, seen: &Observation) -> Option<Transition> {
    let to = |retiring: Retiring, reason: &str| Some(Transition::new(State { retiring: Some(retiring), ..state.clone() }, reason));
    match (&state.retiring, &state.run) {
        (Some(_), _) if !plan.gone => Some(back(plan, state)),
        (None, _) => to(Retiring::EndingRun, "the manifest is gone"),
        (Some(Retiring::EndingRun), Some(run)) => super::in_run(plan, state, run, seen),
        (Some(Retiring::EndingRun), None) => to(Retiring::LeavingPolicy, "no run is left; the service leaves the policy"),
        (Some(Retiring::LeavingPolicy), _) => {
            super::install::no_proxy_uses_it(seen)?;
            to(Retiring::LeavingRoutes, "no proxy decides for it any more; its routes go")
        }
        (Some(Retiring::LeavingRoutes), _) => {
            super::install::no_proxy_uses_it(seen)?;
            to(Retiring::Gone, "nothing of it is left")
        }
        (Some(Retiring::Gone), _) => None,
    }
}

/// How an operator's abort reads.
pub(super) fn aborted(command: &Command, seen: &Observation, state: &State, run: &Run) -> Transition {
    restore::leave(state, run, Ending::Refused { reason: format!("aborted by {}", command.author()) }, seen)
}
