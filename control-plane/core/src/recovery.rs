//! What proxies run -> the state of a Rollout whose record is lost.
//!
//! A policy says which version is stable and which one each user has. It does not say at which step a run is, what was refused, or for
//! how long anything has lasted. So what is known stays as it is, and what is not known waits for an operator: a run is held, and a
//! release that is not stable counts as refused until `retry`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::policy::{Range, Rule, Split};
use shunt_filter_core::{BaselineName, RolloutId, RoutingPolicy, VersionName, Weight};
use shunt_spec::plan::{Plan, Routing, Step};
use shunt_spec::schema::filter;
use shunt_spec::time::Time;
use thiserror::Error;

use crate::state::{DefaultRoute, Installation, Paused, Refused, Run, Sizes, Stage, State, Warmed};

/// What one proxy runs, as its admin interface shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// What its filter was configured with.
    #[schemars(with = "filter::RoutingPolicy")]
    pub policy: RoutingPolicy,
    /// By Rollout, the version that its default route names, where routes are the control plane's.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, filter::VersionName>")]
    pub default_routes: BTreeMap<RolloutId, VersionName>,
}

/// A state made from what proxies run.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovered {
    /// To be recorded; its revision is that of a new Rollout.
    pub state: State,
    /// For the operator who decides whether it is right.
    pub sentence: String,
}

/// Why no state can be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecoveryError {
    /// Proxies use a version that the manifest does not have.
    #[error("proxies send {what} of {rollout} to {version}, which is not among its versions: add it to the manifest first")]
    UnknownVersion {
        /// Whose.
        rollout: RolloutId,
        /// Which version.
        version: VersionName,
        /// `all keys`, or a share.
        what: String,
    },
}

/// The state of this plan's Rollout. `running`: what was seen at proxies, in any order; the highest generation counts.
pub fn recover(plan: &Plan, running: &[Running], now: Time) -> Result<Recovered, RecoveryError> {
    let newest = running.iter().max_by_key(|one| one.policy.generation);
    let part = newest.and_then(|newest| Part::of(&plan.id, &newest.policy));
    let route = default_route(plan, running);
    let Some(stable) = part.as_ref().map(|part| part.stable.clone()).or_else(|| route.clone()) else {
        let sentence = format!("no proxy knows it: {} is stable at once, as its manifest says", plan.release);
        return Ok(Recovered { state: State::initial(plan), sentence });
    };
    known(plan, &stable, "all other keys".to_owned())?;
    let ranges: Vec<Range> = part.as_ref().map(|part| part.ranges.clone()).unwrap_or_default();
    for range in &ranges {
        known(plan, &range.version, percent(share(&ranges, &range.version)))?;
    }
    let generation = newest.map_or(0, |newest| newest.policy.generation);
    let base = State {
        default_route: target(plan, part.as_ref(), route.as_ref(), &stable),
        installed: installed(plan, part.as_ref(), &stable, route.as_ref()),
        // Higher than any of the life before: what was counted in its epochs, and told of its attempts, is not taken for new.
        epoch: part.as_ref().map_or(0, |part| part.epoch).max(generation).saturating_add(1),
        attempt: part.as_ref().and_then(|part| part.attempt).unwrap_or(generation),
        stable,
        ..State::initial(plan)
    };
    Ok(match candidate(plan, &base.stable, &ranges) {
        Some(candidate) => in_run(plan, base, candidate, ranges, now),
        None => at_rest(plan, base, now),
    })
}

/// One Rollout's part of a policy, whether its versions are routed or are values.
struct Part {
    stable: VersionName,
    default_route: Option<VersionName>,
    serving: BTreeSet<VersionName>,
    epoch: u64,
    attempt: Option<u64>,
    ranges: Vec<Range>,
}

impl Part {
    fn of(id: &RolloutId, policy: &RoutingPolicy) -> Option<Self> {
        if let Some(service) = policy.services.iter().find(|service| service.name == *id) {
            let split = in_force(&service.split, &service.rules, service.counted_rule.as_ref());
            return Some(Self {
                default_route: service.default_route.clone(),
                serving: service.versions.iter().filter(|version| version.serving).map(|version| version.name.clone()).collect(),
                ..Self::new(&service.stable, service.epoch, split)
            });
        }
        let flag = policy.flags.iter().find(|flag| flag.rollout == *id)?;
        let split = in_force(&flag.split, &flag.rules, flag.counted_rule.as_ref());
        Some(Self { serving: flag.values.keys().cloned().collect(), ..Self::new(&flag.stable, flag.epoch, split) })
    }

    fn new(stable: &VersionName, epoch: u64, split: &Split) -> Self {
        // A fresh copy of stable that an experiment made is not there any more; its keys are stable's.
        let ranges = split.ranges.iter().filter(|range| !BaselineName::is_reserved(&range.version));
        let attempt = split.salt.rsplit('/').next().and_then(|number| number.parse().ok());
        Self { stable: stable.clone(), default_route: None, serving: BTreeSet::new(), epoch, attempt, ranges: ranges.cloned().collect() }
    }
}

/// The split that gives keys to the run: that of the cohort of an A/B test, where there is one.
fn in_force<'p>(split: &'p Split, rules: &'p [Rule], counted: Option<&String>) -> &'p Split {
    rules.iter().find(|rule| Some(&rule.name) == counted).map_or(split, |rule| &rule.split)
}

fn known(plan: &Plan, version: &VersionName, what: String) -> Result<(), RecoveryError> {
    let there = plan.versions.iter().any(|planned| planned.name == *version);
    let error = || RecoveryError::UnknownVersion { rollout: plan.id.clone(), version: version.clone(), what };
    if there { Ok(()) } else { Err(error()) }
}

/// What the default route names: at the proxy with the highest generation that has one, or in the operator's own routes.
fn default_route(plan: &Plan, running: &[Running]) -> Option<VersionName> {
    match &plan.routing {
        Routing::External { default_route } => Some(default_route.clone()),
        Routing::Flag { .. } => None,
        Routing::Managed => {
            let named = |one: &Running| Some((one.policy.generation, one.default_routes.get(&plan.id)?.clone()));
            running.iter().filter_map(named).max_by_key(|(generation, _)| *generation).map(|(_, version)| version)
        }
    }
}

fn target(plan: &Plan, part: Option<&Part>, route: Option<&VersionName>, stable: &VersionName) -> DefaultRoute {
    let settled = part.map_or(Some(stable), |part| part.default_route.as_ref());
    match (&plan.routing, settled) {
        (Routing::Managed, Some(version)) => DefaultRoute::Settled(version.clone()),
        (Routing::Managed, None) => DefaultRoute::Changing { to: route.unwrap_or(stable).clone() },
        (Routing::External { default_route }, _) => DefaultRoute::Settled(default_route.clone()),
        (Routing::Flag { .. }, _) => DefaultRoute::Settled(stable.clone()),
    }
}

fn installed(
    plan: &Plan,
    part: Option<&Part>,
    stable: &VersionName,
    route: Option<&VersionName>,
) -> BTreeMap<VersionName, crate::state::Installed> {
    let mut installed = State::initial(plan).installed;
    for (name, version) in &mut installed {
        // What answers users now must not be withheld from them until it is proved anew.
        if name == stable || Some(name) == route || part.is_some_and(|part| part.serving.contains(name)) {
            version.stage = Installation::Serving;
        }
    }
    installed
}

/// The version being released: the one in `release`, or else the one with most keys.
fn candidate(plan: &Plan, stable: &VersionName, ranges: &[Range]) -> Option<VersionName> {
    let others: BTreeSet<&VersionName> = ranges.iter().map(|range| &range.version).filter(|version| *version != stable).collect();
    let most = || others.iter().max_by_key(|version| share(ranges, version)).copied();
    others.get(&&plan.release).copied().or_else(most).cloned()
}

fn share(ranges: &[Range], version: &VersionName) -> Weight {
    let own = ranges.iter().filter(|range| range.version == *version);
    let points = own.map(|range| range.to.saturating_sub(range.from)).fold(0, u32::saturating_add);
    Weight::ppm(points)
}

fn percent(weight: Weight) -> String {
    format!("{weight} of keys")
}

/// The step that a run with this weight is at, as far as that can be told: the last one that asks for no more.
fn step_of(plan: &Plan, weight: Weight) -> usize {
    let asks = |step: &Step| match step {
        Step::SetWeight(asked) => *asked <= weight,
        Step::AbTest(_) | Step::Experiment(_) => true,
        _ => false,
    };
    plan.steps.iter().rposition(asks).unwrap_or(0)
}

fn in_run(plan: &Plan, base: State, candidate: VersionName, ranges: Vec<Range>, now: Time) -> Recovered {
    let weight = share(&ranges, &candidate);
    let step = step_of(plan, weight);
    let switching = weight == Weight::ALL && *base.default_route.target() == candidate;
    let stage = match weight == Weight::ALL {
        true if switching => Stage::Switching,
        true => Stage::Shifting,
        false => Stage::Applying { step },
    };
    let place = match stage {
        Stage::Applying { .. } => format!(" at step {}", step.saturating_add(1)),
        _ => String::new(),
    };
    let reason = "its record was lost and made anew from what proxies run: `shunt resume` goes on, `shunt abort` gives all keys back";
    let sentence = format!(
        "{} is stable, {candidate} keeps {}; the run is held{place} until `shunt resume` or `shunt abort`",
        base.stable,
        percent(weight)
    );
    let run = Run {
        arms: ranges.iter().map(|range| range.version.clone()).filter(|version| *version != base.stable && *version != candidate).collect(),
        candidate,
        started: now,
        ranges,
        weight,
        stage,
        since: now,
        paused: Some(Paused { at: now, reason: reason.to_owned() }),
        passed: None,
        regardless: None,
        returning: false,
        warmed: Warmed::Cold,
        held: None,
        sizes: Sizes::default(),
        baseline: None,
        first_step: 0,
        forward_from: None,
    };
    Recovered { state: State { run: Some(run), ..base }, sentence }
}

fn at_rest(plan: &Plan, base: State, now: Time) -> Recovered {
    if base.stable == plan.release {
        let sentence = format!("{} is stable, as its manifest says", base.stable);
        return Recovered { state: base, sentence };
    }
    let reason = format!("its record was lost: whether {} had been refused is not known", plan.release);
    let sentence = format!(
        "{} is stable; {}, which its manifest names, is released by `shunt retry`, because it may have been refused",
        base.stable, plan.release
    );
    let refused = Some(Refused { version: plan.release.clone(), reason, at: now });
    Recovered { state: State { refused, ..base }, sentence }
}

#[cfg(test)]
mod tests;
