//! What holds of every transition and of every state, whatever happens.

use shunt_core::desired::desired;
use shunt_core::journal::Entry;
use shunt_core::observation::Delivery;
use shunt_core::plan::{Plan, Routing};
use shunt_core::state::{DefaultRoute, Ending, Installation, Retiring, Run, Stage, State};
use shunt_filter_core::policy::Range;
use shunt_filter_core::weight::POINTS;

use crate::world::World;

/// Fails with a sentence.
macro_rules! holds {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err(format!($($text)*));
        }
    };
}

/// Of one transition.
pub(crate) fn transition(world: &World, before: &State, entry: &Entry) -> Result<(), String> {
    let (plan, after) = (&world.plan, &entry.next);
    holds!(after.revision == before.revision + 1, "revision {} after {}", after.revision, before.revision);
    holds!(entry.revision == after.revision, "entry of revision {}", entry.revision);
    holds!(!entry.reason.is_empty(), "no reason");
    let recorded = world.plans.get(&entry.plan).ok_or("no such plan")?;
    holds!(entry.replay(recorded, before).entry.as_ref() == Some(entry), "replay differs");
    promotion(plan, before, entry)?;
    removal(plan, before, entry)?;
    running(before, after)?;
    ending(before, entry)?;
    state(plan, after)
}

fn live(delivery: &Delivery) -> bool {
    matches!(delivery, Delivery::Live { .. })
}

/// Nothing is promoted without policy and routes proved at that moment, and the default route goes first.
fn promotion(plan: &Plan, before: &State, entry: &Entry) -> Result<(), String> {
    let (seen, after) = (&entry.observation, &entry.next);
    if before.stable != after.stable {
        holds!(live(&seen.policy) && live(&seen.routes), "promoted unproved: {:?}, {:?}", seen.policy, seen.routes);
        let follows = before.default_route == DefaultRoute::Changing { to: after.stable.clone() };
        holds!(follows || plan.routing != Routing::Managed, "promoted before the default route followed");
    }
    if before.default_route.target() != after.default_route.target() && plan.routing == Routing::Managed {
        let target = after.default_route.target();
        // Back to stable it goes whatever happens; it never left.
        holds!(before.serving(target) || *target == before.stable, "the default route goes to {target}, which is not serving");
    }
    Ok(())
}

/// Nothing that anybody may be sent to is taken away.
fn removal(plan: &Plan, before: &State, entry: &Entry) -> Result<(), String> {
    let everywhere = &entry.observation.everywhere;
    for (name, version) in before.installed.iter().filter(|(name, _)| !entry.next.installed.contains_key(*name)) {
        holds!(matches!(version.stage, Installation::Leaving { .. }), "{name} is gone without leaving");
        holds!(live(everywhere) || matches!(everywhere, Delivery::Unknown { .. }), "{name} is gone while {everywhere:?}");
        let Some(service) = desired(plan, before).service else { continue };
        let ranges = service.rules.iter().map(|rule| &rule.split).chain([&service.split]).flat_map(|split| &split.ranges);
        holds!(ranges.into_iter().all(|range| range.version != *name), "{name} is gone though the policy sends requests there");
        holds!(service.stable != *name && service.default_route.as_ref() != Some(name), "{name} is gone though it is stable");
    }
    Ok(())
}

/// Within a run keys only move to the candidate, except when it ends.
fn running(before: &State, after: &State) -> Result<(), String> {
    let (Some(old), Some(new)) = (&before.run, &after.run) else { return Ok(()) };
    holds!(before.attempt == after.attempt && old.candidate == new.candidate, "a run became another one");
    if matches!(new.stage, Stage::Reverting(_) | Stage::Draining(_)) {
        return Ok(());
    }
    holds!(new.weight >= old.weight, "the weight went from {} to {}", old.weight, new.weight);
    let kept = |range: &Range| new.ranges.iter().any(|other| other.from <= range.from && range.to <= other.to);
    holds!(old.ranges.iter().all(kept), "keys were taken away: {:?} -> {:?}", old.ranges, new.ranges);
    holds!(new.ranges == old.ranges || after.epoch > before.epoch, "other ranges in the same epoch");
    Ok(())
}

/// A run that ends without promotion leaves nobody on its candidate.
fn ending(before: &State, entry: &Entry) -> Result<(), String> {
    let (seen, after) = (&entry.observation, &entry.next);
    let stage = |state: &State| state.run.as_ref().map(|run| run.stage.clone());
    if matches!((stage(before), stage(after)), (Some(Stage::Reverting(_)), Some(Stage::Draining(_)))) {
        let nobody = matches!(seen.everywhere, Delivery::Unknown { .. });
        holds!(live(&seen.policy) || nobody, "the end of a run is not proved: {:?}", seen.policy);
        holds!(matches!(after.default_route, DefaultRoute::Settled(_)), "the default route is still on its way");
    }
    if let (Some(run), None) = (&before.run, &after.run) {
        let drained = matches!(run.stage, Stage::Draining(_));
        holds!(drained || after.stable == run.candidate, "the run of {} ended in {:?}", run.candidate, run.stage);
        let refused = matches!(&run.stage, Stage::Draining(Ending::Refused { .. }));
        holds!(!refused || after.refused.as_ref().is_some_and(|r| r.version == run.candidate), "the refusal is forgotten");
    }
    Ok(())
}

/// Of one state.
pub(crate) fn state(plan: &Plan, state: &State) -> Result<(), String> {
    let text = serde_json::to_string(state).map_err(|error| error.to_string())?;
    holds!(serde_json::from_str::<State>(&text).ok().as_ref() == Some(state), "the state does not survive its JSON");
    holds!(state.installed.contains_key(&state.stable), "stable is not installed");
    let target = state.installed.get(state.default_route.target()).ok_or("the default route names what is not installed")?;
    holds!(!matches!(target.stage, Installation::Leaving { .. }), "the default route names what leaves");
    if let Some(run) = &state.run {
        ranges(state, run)?;
    }
    let wanted = desired(plan, state);
    if let Some(routes) = &wanted.routes {
        holds!(routes.versions.iter().any(|version| version.name == routes.default), "no route to the default version");
        holds!(plan.routing == Routing::Managed, "routes that are not ours");
    }
    let retiring = matches!(state.retiring, Some(Retiring::LeavingRoutes | Retiring::Gone));
    holds!(wanted.routes.is_some() || retiring || plan.routing != Routing::Managed, "routes are missing");
    let services = wanted.service.into_iter().collect();
    let policy = shunt_core::merge::merge(1, None, services);
    shunt_filter_core::compile(policy, None).map(|_| ()).map_err(|error| format!("the filter would refuse the policy: {error}"))
}

fn ranges(state: &State, run: &Run) -> Result<(), String> {
    let mut end = 0;
    for Range { from, to, version } in &run.ranges {
        holds!(*from >= end && from < to && *to <= POINTS, "bad range {from}..{to} after {end}");
        holds!(state.installed.contains_key(version), "a range names {version}, which is not installed");
        holds!(*version == run.candidate, "a range names {version}, which is not the candidate");
        end = *to;
    }
    let sum: u32 = run.ranges.iter().map(|range| range.to - range.from).sum();
    holds!(sum == run.weight.points(), "ranges have {sum} points, the weight is {}", run.weight);
    // Installing again, when routing was handed over meanwhile: the filter says stable for it until it is in place.
    let leaves = state.installed.get(&run.candidate).is_some_and(|it| matches!(it.stage, Installation::Leaving { .. }));
    holds!(run.ranges.is_empty() || !leaves, "{} has keys and leaves", run.candidate);
    Ok(())
}
