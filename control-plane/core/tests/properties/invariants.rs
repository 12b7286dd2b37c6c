//! What holds of every transition and of every state, whatever happens.

use shunt_core::desired::{desired, scaled};
use shunt_core::journal::Entry;
use shunt_core::observation::Delivery;
use shunt_core::state::{DefaultRoute, Ending, Installation, Retiring, Run, Stage, State};
use shunt_filter_core::Weight;
use shunt_filter_core::policy::Range;
use shunt_filter_core::weight::POINTS;
use shunt_spec::plan::{Plan, Routing};

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
    stopped(plan, before, entry)?;
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

/// Nothing that a user may be sent to is taken away.
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

/// Within a run keys only move to the candidate, except when it ends. Another candidate takes over only as an arm of a test, or where
/// nothing goes back.
fn running(before: &State, after: &State) -> Result<(), String> {
    let (Some(old), Some(new)) = (&before.run, &after.run) else { return Ok(()) };
    let forward = new.forward_from.is_some() && new.stage == Stage::Preparing && after.attempt == before.attempt + 1;
    let arm = new.ranges == old.ranges && new.ranges.iter().any(|range| range.version == new.candidate);
    holds!(forward || (before.attempt == after.attempt && (old.candidate == new.candidate || arm)), "a run became another one");
    if new.stage.ending().is_some() {
        holds!(new.ranges.is_empty() || new.weight <= old.weight, "an ending run gets more keys");
        return Ok(());
    }
    if old.candidate != new.candidate {
        return Ok(());
    }
    holds!(new.weight >= old.weight, "the weight went from {} to {}", old.weight, new.weight);
    let kept =
        |range: &&Range| new.ranges.iter().any(|other| other.version == range.version && other.from <= range.from && range.to <= other.to);
    let own = old.ranges.iter().filter(|range| range.version == old.candidate);
    holds!(own.clone().filter(kept).count() == own.count(), "keys were taken away: {:?} -> {:?}", old.ranges, new.ranges);
    holds!(new.ranges == old.ranges || after.epoch > before.epoch, "other ranges in the same epoch");
    Ok(())
}

/// No version is without the instances that its keys need.
fn instances(plan: &Plan, state: &State) -> Result<(), String> {
    if plan.routing != Routing::Managed {
        return Ok(());
    }
    let held = desired(plan, state).routes.is_some_and(|routes| routes.held);
    let target = state.default_route.target();
    let gone = state.retiring == Some(Retiring::Gone);
    holds!(held || gone || scaled(plan, state, target) != Some(0), "the default route names {target}, which has no instances");
    let replaced = state.run.as_ref().is_some_and(|run| run.held.is_some());
    holds!(replaced || gone || scaled(plan, state, &state.stable) != Some(0), "stable has no instances");
    let Some(run) = &state.run else { return Ok(()) };
    let stop_first = Weight::ppm(250_000);
    let carries = run.sizes.stable.points() + run.weight.points() + stop_first.points();
    holds!(
        held || run.held.is_some() || carries >= POINTS,
        "stable has {} of its instances and all but {} of keys",
        run.sizes.stable,
        run.weight
    );
    let exposed = run.ranges.iter().map(|range| &range.version).find(|version| scaled(plan, state, version) == Some(0));
    holds!(exposed.is_none(), "{exposed:?} has keys and no instances");
    Ok(())
}

/// Instances go only when no expected proxy may still use them.
fn stopped(plan: &Plan, before: &State, entry: &Entry) -> Result<(), String> {
    let everywhere = &entry.observation.everywhere;
    let known = live(everywhere) || matches!(everywhere, Delivery::Unknown { .. });
    for version in entry.next.installed.keys() {
        let stops = scaled(plan, before, version) > Some(0) && scaled(plan, &entry.next, version) == Some(0);
        let clears = matches!(entry.next.run.as_ref().map(|run| &run.stage), Some(Stage::Clearing(_)));
        // Started for a step that has not come: no user was ever sent there.
        let unused = before.run.as_ref().is_some_and(|run| run.candidate != *version && !run.arms.contains(version));
        holds!(!stops || known || clears || unused, "{version} stops while {everywhere:?}");
    }
    Ok(())
}

/// A run that ends without promotion leaves no user on its candidate.
fn ending(before: &State, entry: &Entry) -> Result<(), String> {
    let (seen, after) = (&entry.observation, &entry.next);
    let stage = |state: &State| state.run.as_ref().map(|run| run.stage.clone());
    if matches!((stage(before), stage(after)), (Some(Stage::Reverting(_)), Some(Stage::Draining(_)))) {
        let no_proxies = matches!(seen.everywhere, Delivery::Unknown { .. });
        holds!(live(&seen.policy) || no_proxies, "the end of a run is not proved: {:?}", seen.policy);
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
    instances(plan, state)?;
    let wanted = desired(plan, state);
    if let Some(routes) = &wanted.routes {
        holds!(routes.versions.iter().any(|version| version.name == routes.default), "no route to the default version");
        holds!(plan.routing == Routing::Managed, "routes that are not ours");
    }
    let retiring = matches!(state.retiring, Some(Retiring::LeavingRoutes | Retiring::Gone));
    holds!(wanted.routes.is_some() || retiring || plan.routing != Routing::Managed, "routes are missing");
    let policy = shunt_core::merge::merge(1, None, [wanted]);
    shunt_filter_core::compile(policy, None).map(|_| ()).map_err(|error| format!("the filter would refuse the policy: {error}"))
}

fn ranges(state: &State, run: &Run) -> Result<(), String> {
    let mut end = 0;
    for Range { from, to, version } in &run.ranges {
        holds!(*from >= end && from < to && *to <= POINTS, "bad range {from}..{to} after {end}");
        let known = state.installed.get(version).ok_or(format!("a range names {version}, which is not installed"))?;
        // Installing again, when routing was handed over meanwhile: the filter says stable for it until it is in place.
        holds!(!matches!(known.stage, Installation::Leaving { .. }), "{version} has keys and leaves");
        end = *to;
    }
    // Until it is there, what it takes over from has the keys.
    let owner = run.forward_from.as_ref().filter(|_| run.stage == Stage::Preparing);
    let own = run.ranges.iter().filter(|range| owner.is_some() || range.version == run.candidate);
    let sum: u32 = own.map(|range| range.to - range.from).sum();
    holds!(sum == run.weight.points(), "ranges have {sum} points, the weight is {}", run.weight);
    Ok(())
}
