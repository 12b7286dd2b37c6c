//! (plan, state) -> what the world should be.

mod calls;
mod flag;
mod scale;
mod watched;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shunt_filter_core::names::{fallback_cluster, version_cluster};
use shunt_filter_core::policy::{Flag, Goal, Mirror, Rule, Split, VersionPolicy};
use shunt_filter_core::{RolloutId, ServicePolicy, VersionName, Weight};
use shunt_spec::plan::{AbTestStep, HealthCheck, Plan, PlannedRule, Protocol, Role, Routing, Step, TestGoal, Timeouts, Version};
use shunt_spec::time::Span;

use crate::call::Call;
use crate::ranges::reshape;
use crate::state::{DefaultRoute, Ending, Installation, Installed, Retiring, Run, Stage, State};
pub(crate) use calls::rollback_id;
pub use calls::{call_id, calls};
pub use scale::scaled;
pub(crate) use watched::hang_after;

/// What one Rollout wants of the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Desired {
    /// Its part of the routing policy; none when there is nothing to decide, or its versions are values.
    pub service: Option<ServicePolicy>,
    /// Its part of the routing policy when its versions are values.
    #[serde(default)]
    pub flag: Option<Flag>,
    /// Its routes, clusters and endpoints; none when they are not ours, or no longer wanted.
    pub routes: Option<Routes>,
    /// Instances of the versions whose instances are ours.
    pub scale: BTreeMap<VersionName, u32>,
    /// What should be asked or done now.
    pub calls: Vec<Call>,
}

/// The routes of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Routes {
    /// Whose.
    pub id: RolloutId,
    /// Hosts, wildcards as `*.suffix`.
    pub hosts: Vec<String>,
    /// Port in the authority; none: any.
    pub port: Option<u16>,
    /// What the default route names.
    pub default: VersionName,
    /// True: every request gets a direct response (503, `retry-after`, marked `x-shunt-held`), whatever its header says.
    #[serde(default)]
    pub held: bool,
    /// Versions with a cluster and a header route, each with its endpoints by the time it is published.
    pub versions: Vec<Version>,
    /// Which version may get copies of which version's requests: (answering, copy).
    pub mirrors: Vec<(VersionName, VersionName)>,
    /// What upstreams speak.
    pub protocol: Protocol,
    /// Active health checks.
    pub health: Option<HealthCheck>,
    /// Longest time a request may take.
    pub timeout: Option<Span>,
    /// What ends streams.
    #[serde(default, skip_serializing_if = "Timeouts::are_default")]
    pub timeouts: Timeouts,
}

/// What the world should be.
pub fn desired(plan: &Plan, state: &State) -> Desired {
    Desired {
        service: service(plan, state),
        flag: flag::flag(plan, state),
        routes: routes(plan, state),
        scale: scale::scale(plan, state),
        calls: calls::calls(plan, state),
    }
}

fn service(plan: &Plan, state: &State) -> Option<ServicePolicy> {
    if !in_policy(plan, state) || matches!(plan.routing, Routing::Flag { .. }) {
        return None;
    }
    Some(ServicePolicy {
        name: plan.id.clone(),
        hosts: plan.hosts.clone(),
        short_hosts: Vec::new(),
        port: plan.port,
        epoch: state.epoch,
        stable: state.stable.clone(),
        default_route: default_route(plan, state),
        versions: state.installed.iter().map(|(name, installed)| version_policy(plan, state, name, installed)).collect(),
        key: plan.key.clone(),
        keyless: plan.keyless,
        rules: rules(plan, state),
        split: split(plan, state),
        mirror: mirror(plan, state),
        analysis: is_watched(state),
        counted_rule: counted_rule(plan, state),
        latency: watched::latency(plan, state),
        responses: watched::responses(plan, state),
        hang_after_ms: watched::hang_after_ms(plan, state),
        tolerance: watched::tolerance(plan, state),
        goals: goals(plan, state),
    })
}

/// Whether an analysis may run, so that reports must say what it needs.
fn is_watched(state: &State) -> bool {
    state.run.is_some() || state.previous.is_some()
}

fn counted_rule(plan: &Plan, state: &State) -> Option<String> {
    test(plan, state).filter(|test| !test.matches.is_empty())?;
    cohort(plan, state).map(|rule| rule.name)
}

fn goals(plan: &Plan, state: &State) -> Vec<Goal> {
    test(plan, state).map(|test| test.goals.iter().map(TestGoal::policy).collect()).unwrap_or_default()
}

/// Name of the rule that gives the arms of an A/B test to those who take part.
const COHORT: &str = "shunt-ab-test";

/// The A/B test that is on.
fn test<'p>(plan: &'p Plan, state: &State) -> Option<&'p AbTestStep> {
    match plan.steps.get(state.run.as_ref()?.stage.step()?)? {
        Step::AbTest(test) => Some(test),
        _ => None,
    }
}

/// Only services with something to decide are in the policy, so that its size follows active rollouts.
fn in_policy(plan: &Plan, state: &State) -> bool {
    let held_by_default = match &plan.routing {
        Routing::Managed => state.default_route != DefaultRoute::Settled(state.stable.clone()),
        Routing::External { default_route } => *default_route != state.stable,
        // An absent flag means the default, so every other value is said for as long as the flag lives.
        Routing::Flag { .. } => true,
    };
    let leaving = matches!(state.retiring, Some(Retiring::LeavingPolicy | Retiring::LeavingRoutes | Retiring::Gone));
    !leaving && (state.run.is_some() || state.previous.is_some() || held_by_default || !plan.rules.is_empty())
}

fn default_route(plan: &Plan, state: &State) -> Option<VersionName> {
    match (&plan.routing, &state.default_route) {
        (Routing::External { default_route }, _) => Some(default_route.clone()),
        (Routing::Flag { .. }, _) => None,
        (Routing::Managed, DefaultRoute::Settled(version)) => Some(version.clone()),
        (Routing::Managed, DefaultRoute::Changing { .. }) => None,
    }
}

fn version_policy(plan: &Plan, state: &State, name: &VersionName, installed: &Installed) -> VersionPolicy {
    let (clusters, aggregate) = if installed.backend.has_endpoints() {
        let own = version_cluster(&plan.id, name);
        // The version that the default route names has nothing to fall back to, so its cluster's name is proof enough.
        let plain = state.default_route == DefaultRoute::Settled(name.clone());
        (vec![fallback_cluster(&plan.id, name), own], !plain)
    } else {
        (installed.backend.cluster().cloned().into_iter().collect(), false)
    };
    VersionPolicy { name: name.clone(), serving: installed.stage == Installation::Serving, clusters, aggregate }
}

/// Overrides of the mesh, then long-lived rules, then the cohorts of the run's steps so far.
fn rules(plan: &Plan, state: &State) -> Vec<Rule> {
    let cohorts = state.run.iter().flat_map(|run| run.steps_in_force(plan)).filter_map(|step| match step {
        Step::Rule(rule) => Some(rule),
        _ => None,
    });
    let cohort = cohort(plan, state);
    plan.rules.iter().chain(cohorts).filter_map(|rule| rule_policy(plan, state, rule)).chain(cohort).collect()
}

/// The arms of an A/B test among those who take part.
fn cohort(plan: &Plan, state: &State) -> Option<Rule> {
    let test = test(plan, state).filter(|test| !test.matches.is_empty())?;
    let ranges = state.run.as_ref().filter(|run| run.exposes())?.ranges.clone();
    Some(Rule {
        name: COHORT.to_owned(),
        matches: test.matches.clone(),
        split: Split { salt: salt(plan, state), ranges, ..Split::default() },
    })
}

fn salt(plan: &Plan, state: &State) -> String {
    format!("{}/{}", plan.id, state.attempt)
}

fn rule_policy(plan: &Plan, state: &State, rule: &PlannedRule) -> Option<Rule> {
    let version = match (&rule.version, rule.role) {
        (Some(version), _) => version,
        (None, Role::Stable) => &state.stable,
        (None, Role::Candidate) => &state.run.as_ref().filter(|run| run.exposes())?.candidate,
    };
    if withheld(state, version).is_some() || !state.installed.contains_key(version) {
        return None;
    }
    let ranges = reshape(&[], &[(version.clone(), rule.weight)]);
    let salt = format!("{}/rule/{}", plan.id, rule.name);
    Some(Rule { name: rule.name.clone(), matches: rule.matches.clone(), split: Split { salt, ranges, ..Split::default() } })
}

/// Why rules and mirrors that name this version fall through, if they do: it was refused and an operator must decide first.
pub fn withheld<'s>(state: &'s State, version: &VersionName) -> Option<&'s str> {
    let recorded = state.refused.as_ref().filter(|refused| refused.version == *version).map(|refused| refused.reason.as_str());
    let ending = state.run.as_ref().filter(|run| run.candidate == *version).and_then(|run| match &run.stage {
        Stage::Clearing(Ending::Refused { reason })
        | Stage::Reverting(Ending::Refused { reason })
        | Stage::Draining(Ending::Refused { reason }) => Some(reason.as_str()),
        _ => None,
    });
    ending.or(recorded)
}

fn split(plan: &Plan, state: &State) -> Split {
    // With a cohort only its rule assigns arms.
    let everybody = test(plan, state).is_none_or(|test| test.matches.is_empty());
    let ranges = state.run.as_ref().filter(|run| everybody && run.exposes()).map(|run| run.ranges.clone()).unwrap_or_default();
    Split { salt: salt(plan, state), ranges, ..Split::default() }
}

fn mirror(plan: &Plan, state: &State) -> Option<Mirror> {
    let run = state.run.as_ref()?;
    let step = run.steps_in_force(plan).iter().rev().find_map(|step| match step {
        Step::Mirror(mirror) => Some(mirror),
        _ => None,
    })?;
    if step.weight == Weight::ZERO || withheld(state, &run.candidate).is_some() {
        return None;
    }
    Some(Mirror {
        split: Split { salt: salt(plan, state), ranges: reshape(&[], &[(run.candidate.clone(), step.weight)]), ..Split::default() },
        matches: step.matches.clone(),
        unsafe_methods: step.unsafe_methods,
        max_body_bytes: step.max_body_bytes,
    })
}

fn routes(plan: &Plan, state: &State) -> Option<Routes> {
    let leaving = matches!(state.retiring, Some(Retiring::LeavingRoutes | Retiring::Gone));
    if leaving || plan.routing != Routing::Managed {
        return None;
    }
    let versions = state.installed.iter().map(|(name, installed)| Version { name: name.clone(), backend: installed.backend.clone() });
    Some(Routes {
        id: plan.id.clone(),
        hosts: plan.hosts.clone(),
        port: plan.port,
        default: state.default_route.target().clone(),
        held: state.run.as_ref().is_some_and(is_held),
        versions: versions.collect(),
        mirrors: mirrors(plan, state),
        protocol: plan.protocol,
        health: plan.health.clone(),
        timeout: plan.timeout,
        timeouts: plan.timeouts,
    })
}

/// Requests are held until the candidate, or stable again, can answer.
pub(crate) fn is_held(run: &Run) -> bool {
    run.held.is_some() && !matches!(run.stage, Stage::Switching | Stage::Reverting(_) | Stage::Draining(_))
}

/// Routes with copies stand from the run's first moment to its last, so that a mirror step changes the policy only.
fn mirrors(plan: &Plan, state: &State) -> Vec<(VersionName, VersionName)> {
    let wanted = plan.steps.iter().any(|step| matches!(step, Step::Mirror(_)));
    let Some(run) = state.run.as_ref().filter(|_| wanted) else {
        return Vec::new();
    };
    let others = state.installed.keys().filter(|name| **name != run.candidate);
    others.map(|name| (name.clone(), run.candidate.clone())).collect()
}
