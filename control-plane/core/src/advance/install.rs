//! Versions come (cluster and route before anything names them) and go (the reverse).

use shunt_filter_core::{BaselineName, VersionName, limits};
use shunt_spec::plan::{Plan, Routing};
use shunt_spec::plural::counted;
use shunt_spec::time::Time;

use super::{Transition, live};
use crate::observation::{Delivery, Observation};
use crate::state::{Installation, Installed, Run, State};

/// Keeps the installed versions in step with the manifest and with what the proxies have.
pub(super) fn sync(plan: &Plan, state: &State, seen: &Observation) -> Option<Transition> {
    declare(plan, state, seen).or_else(|| serve(state, seen)).or_else(|| remove(plan, state, seen))
}

/// The manifest names new versions, other endpoints, or no longer names some.
fn declare(plan: &Plan, state: &State, seen: &Observation) -> Option<Transition> {
    let mut installed = state.installed.clone();
    let mut said = Vec::new();
    let arrival = match plan.routing {
        Routing::Managed => Installation::Installing,
        Routing::External { .. } | Routing::Flag { .. } => Installation::Serving,
    };
    let (released, others): (Vec<_>, Vec<_>) = plan.versions.iter().partition(|version| version.name == plan.release);
    for version in released.into_iter().chain(others) {
        let full = installed.len() >= limits::VERSIONS;
        match installed.get_mut(&version.name) {
            // A policy with more is refused by the filter; those that leave make room.
            None if full => {}
            None => {
                installed.insert(version.name.clone(), Installed { backend: version.backend.clone(), stage: arrival.clone() });
                said.push(format!("{} is being installed", version.name));
            }
            Some(known) if known.backend != version.backend => {
                if known.backend.owns_routes() && version.backend.endpoints().is_some() {
                    known.stage = arrival.clone();
                }
                known.backend = version.backend.clone();
                said.push(format!("{} runs elsewhere now", version.name));
            }
            Some(known) if matches!(known.stage, Installation::Leaving { .. }) => {
                known.stage = arrival.clone();
                said.push(format!("{} is back in the manifest", version.name));
            }
            Some(_) => {}
        }
    }
    for (name, known) in &mut installed {
        let stays = plan.version(name).is_some() || needed(state, name) || matches!(known.stage, Installation::Leaving { .. });
        if !stays {
            known.stage = Installation::Leaving { since: seen.now };
            said.push(format!("{name} is no longer in the manifest and goes when nothing uses it"));
        }
    }
    (!said.is_empty()).then(|| Transition::new(State { installed, ..state.clone() }, said.join("; ")))
}

/// Versions that traffic may need stay, whatever the manifest says.
fn needed(state: &State, name: &VersionName) -> bool {
    *name == state.stable
        || name == state.default_route.target()
        || state.run.as_ref().is_some_and(|run| run_needs(run, name))
        || state.previous.as_ref().is_some_and(|previous| previous.version == *name)
}

fn run_needs(run: &Run, name: &VersionName) -> bool {
    let baseline = run.baseline.as_ref().map(BaselineName::version);
    run.candidate == *name || [run.forward_from.as_ref(), baseline].contains(&Some(name)) || run.arms.contains(name)
}

/// Clusters and routes as published are proved everywhere: what was installing may be named.
fn serve(state: &State, seen: &Observation) -> Option<Transition> {
    let (_, proxies) = live(&seen.routes, "").ok()?;
    let mut installed = state.installed.clone();
    let mut names = Vec::new();
    for (name, known) in &mut installed {
        if known.stage == Installation::Installing {
            known.stage = Installation::Serving;
            names.push(name.to_string());
        }
    }
    let reason = format!("{} in place: cluster and route at {}", names.join(", "), proxies_text(proxies));
    (!names.is_empty()).then(|| Transition::new(State { installed, ..state.clone() }, reason))
}

/// No policy names it any more, at any proxy, and its requests have ended or had their time: cluster and route go.
fn remove(plan: &Plan, state: &State, seen: &Observation) -> Option<Transition> {
    let proved = no_proxy_uses_it(seen)?;
    let (name, since) = state.installed.iter().find_map(|(name, known)| match known.stage {
        Installation::Leaving { since } => Some((name, since)),
        _ => None,
    })?;
    let open = seen.versions.get(name).map_or(0, |version| version.open);
    if open > 0 && seen.now.since(since.max(proved)) < plan.drain_deadline {
        return None;
    }
    let mut installed = state.installed.clone();
    installed.remove(name);
    let left = if open == 0 { "nothing in flight".to_owned() } else { format!("{} cut at the drain deadline", counted(open, "request")) };
    Some(Transition::new(State { installed, ..state.clone() }, format!("{name} is gone: {left}")))
}

/// Since when no proxy can use what the policy does not name. Destroying waits for every proxy that may still use it, with no
/// time-out. Where no proxy is expected, none can.
pub(super) fn no_proxy_uses_it(seen: &Observation) -> Option<Time> {
    match seen.everywhere {
        Delivery::Live { since, .. } => Some(since),
        Delivery::Unknown { .. } => Some(Time::default()),
        Delivery::Waiting { .. } | Delivery::Rejected { .. } => None,
    }
}

/// `1 proxy`, `3 proxies`.
pub(super) fn proxies_text(proxies: u32) -> String {
    if proxies == 1 { "1 proxy".to_owned() } else { format!("{proxies} proxies") }
}
