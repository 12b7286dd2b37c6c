//! Who answers what is decided: the part of a proof that a policy in force everywhere does not give.

use std::collections::BTreeSet;

use shunt_spec::plan::{Plan, Routing};

use crate::observation::{Answers, Observation};
use crate::state::Run;
use shunt_filter_core::{RouteHeader, VersionName};

/// Most proxies that a sentence names.
const NODES_SHOWN: usize = 5;

/// `Err` when something that was decided for a version of the run went astray and the version never answered. Where nothing was decided
/// for it, nothing is missing: no traffic is no proof against it, and no pass of the analysis either.
pub(super) fn answered(plan: &Plan, run: &Run, seen: &Observation) -> Result<(), String> {
    let exposed: BTreeSet<&VersionName> = run.ranges.iter().map(|range| &range.version).chain([&run.candidate]).collect();
    match exposed.into_iter().find_map(|version| astray(plan, version, seen)) {
        Some(missing) => Err(missing),
        None => Ok(()),
    }
}

/// What is wrong with the way to a version that has never answered; none: it has, or nothing was decided for it.
pub(super) fn astray(plan: &Plan, version: &VersionName, seen: &Observation) -> Option<String> {
    let own = seen.versions.get(version)?;
    let Answers::Astray { nodes } = &own.answers else { return None };
    if own.astray == 0 {
        return Some(unanswered(version, own.abandoned, &named(nodes)));
    }
    let requests = match own.astray {
        1 => format!("1 request decided for {version} was"),
        many => format!("{many} requests decided for {version} were"),
    };
    let nodes = named(nodes);
    Some(match (&plan.routing, plan.version(version).and_then(|version| version.backend.cluster())) {
        (Routing::External { default_route }, Some(cluster)) => {
            let header = RouteHeader { rollout: plan.id.clone(), version: version.clone(), mirror: None };
            let default = if default_route == version { ", nor a default route" } else { "" };
            format!(
                "{requests} answered by another cluster or by none: {nodes} has no route for `x-shunt-route: {header}`{default} that leads to cluster {cluster}"
            )
        }
        _ => format!("{requests} answered by another version or by none, and none by {version}, at {nodes}: are its endpoints up?"),
    })
}

fn unanswered(version: &VersionName, abandoned: u64, nodes: &str) -> String {
    let clients = if abandoned == 1 { "1 client".to_owned() } else { format!("{abandoned} clients") };
    format!("{version} has answered nothing at {nodes}: {clients} left before any answer")
}

fn named(nodes: &[String]) -> String {
    let shown = nodes.iter().take(NODES_SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match nodes.len().saturating_sub(NODES_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
