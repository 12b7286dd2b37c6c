//! What only shows when all manifests are looked at together.

use std::collections::{BTreeMap, BTreeSet};

use shunt_filter_core::compile::Problem;
use shunt_filter_core::{RolloutId, limits};

use super::{Document, Manifest, ManifestError};
use crate::plan::{Plan, Routing};
use crate::time::Time;

/// Rollouts that must change nothing because an older one owns a host of theirs, each with a sentence for people. `plans` come with
/// the time each was first seen; of two seen at once the smaller name is older. Hosts are compared with their port: no port means
/// all of them, and 80 and 443 are one, because requests that name no port may mean either. A wildcard and an exact host below it are
/// no conflict: the exact one wins. Feature flags conflict only with a flag of the same name.
pub fn conflicts(plans: &[(&Plan, Time)]) -> BTreeMap<RolloutId, String> {
    let mut by_age: Vec<&(&Plan, Time)> = plans.iter().collect();
    by_age.sort_by_key(|(plan, seen)| (*seen, plan.id.clone()));
    let mut owners = Owners::new();
    let mut refused = BTreeMap::new();
    for (plan, _) in by_age {
        match taken(plan, &owners).or_else(|| crowded(plan, &owners)).or_else(|| costly(plan, &owners)) {
            Some(sentence) => {
                refused.insert(plan.id.clone(), sentence);
            }
            None => {
                for host in &plan.hosts {
                    owners.entry(host).or_default().push(plan);
                }
            }
        }
    }
    refused
}

/// Hosts with the Rollouts that have them.
type Owners<'p> = BTreeMap<&'p str, Vec<&'p Plan>>;

fn taken(plan: &Plan, owners: &Owners<'_>) -> Option<String> {
    let owner = |host: &String| owners.get(host.as_str())?.iter().find(|owner| rivals(owner, plan) && same_port(owner, plan)).copied();
    plan.hosts.iter().find_map(|host| Some(sentence(host, plan, owner(host)?)))
}

/// Whether two Rollouts decide the same thing: who answers, or the value of one flag.
fn rivals(a: &Plan, b: &Plan) -> bool {
    match (&a.routing, &b.routing) {
        (Routing::Flag { name: a, .. }, Routing::Flag { name: b, .. }) => a == b,
        (Routing::Flag { .. }, _) | (_, Routing::Flag { .. }) => false,
        (Routing::Managed | Routing::External { .. }, Routing::Managed | Routing::External { .. }) => true,
    }
}

/// A filter takes so many flags per request; one flag too many would make it refuse the policy of everybody. Flags are counted that
/// may meet at some host below this one's.
fn crowded(plan: &Plan, owners: &Owners<'_>) -> Option<String> {
    let Routing::Flag { .. } = &plan.routing else { return None };
    let flags = met(plan, owners).filter(|other| matches!(other.routing, Routing::Flag { .. }));
    let flags: BTreeSet<&RolloutId> = flags.map(|other| &other.id).collect();
    let host = plan.hosts.first()?;
    (flags.len() >= limits::FLAGS).then(|| {
        format!("host {host} has {} older flags, and a request can get no more: nothing is changed until one of them goes", flags.len())
    })
}

/// A request meets the regular expressions of its service and of all flags at its host; what is too much there, a filter refuses for
/// everybody. Only parts of different Rollouts are added up here: each alone was tried when it was compiled.
fn costly(plan: &Plan, owners: &Owners<'_>) -> Option<String> {
    let own = plan.regex_work();
    if own == 0 {
        return None;
    }
    let others: BTreeMap<&RolloutId, &Plan> = met(plan, owners).map(|other| (&other.id, other)).collect();
    let dear: Vec<(&RolloutId, usize)> = others.iter().map(|(id, other)| (*id, other.regex_work())).filter(|(_, work)| *work > 0).collect();
    let work = dear.iter().fold(own, |sum, (_, work)| sum.saturating_add(*work));
    if dear.is_empty() || work <= limits::REGEX_WORK {
        return None;
    }
    let with: Vec<String> = dear.iter().map(|(id, _)| id.to_string()).collect();
    let problem = Problem::RegexWorkAtHost { work, with: with.join(", ") };
    Some(format!("host {}: {problem}; nothing is changed until then", plan.hosts.first()?))
}

/// Older Rollouts that may decide about the same requests as this one: those with a host that is above or below one of its own.
fn met<'o, 'p>(plan: &'o Plan, owners: &'o Owners<'p>) -> impl Iterator<Item = &'p Plan> + use<'o, 'p> {
    let meets = |host: &str| plan.hosts.iter().any(|own| covers(own, host) || covers(host, own));
    owners.iter().filter(move |(host, _)| meets(host)).flat_map(|(_, plans)| plans.iter().copied())
}

/// Whether a host as written, perhaps a wildcard, means all that another one means.
fn covers(pattern: &str, host: &str) -> bool {
    pattern == host || pattern.strip_prefix('*').is_some_and(|suffix| suffix.starts_with('.') && host.ends_with(suffix))
}

/// Requests that name no port may mean either of the default ones.
fn same_port(a: &Plan, b: &Plan) -> bool {
    match (a.port, b.port) {
        (None, _) | (_, None) | (Some(80 | 443), Some(80 | 443)) => true,
        (Some(a), Some(b)) => a == b,
    }
}

fn sentence(host: &str, plan: &Plan, owner: &Plan) -> String {
    let port = match plan.port.or(owner.port) {
        Some(port) => format!(":{port}"),
        None => String::new(),
    };
    if let Routing::Flag { name, .. } = &plan.routing {
        return format!(
            "the flag {name} of host {host}{port} belongs to the older Rollout {}: nothing is changed until one of the two gives it up",
            owner.id
        );
    }
    format!("host {host}{port} belongs to the older Rollout {}: nothing is changed until one of the two gives it up", owner.id)
}

/// What there may be only one of.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Who<'d> {
    MeshPolicy,
    Rollout(&'d RolloutId),
    AnalysisTemplate(Option<&'d str>, &'d str),
}

fn who(document: &Document) -> Who<'_> {
    match &document.manifest {
        Manifest::MeshPolicy(_) => Who::MeshPolicy,
        Manifest::Rollout(rollout) => Who::Rollout(&rollout.id),
        Manifest::AnalysisTemplate(template) => Who::AnalysisTemplate(template.namespace.as_deref(), &template.name),
    }
}

/// Resources that are written twice: of one Rollout all but the first in the order given, of mesh policies and templates the same.
pub fn duplicates(documents: &[Document]) -> Vec<ManifestError> {
    let mut first: BTreeMap<Who<'_>, &Document> = BTreeMap::new();
    let mut errors = Vec::new();
    for document in documents {
        match first.get(&who(document)) {
            None => {
                first.insert(who(document), document);
            }
            Some(other) => {
                let at = format!("{}:{}", other.origin.file(), other.origin.line());
                errors.push(match &document.manifest {
                    Manifest::Rollout(rollout) => {
                        document.origin.error("metadata.name", format!("{} is written at {at} too: remove one", rollout.id))
                    }
                    Manifest::MeshPolicy(_) => {
                        document.origin.error("kind", format!("there is a MeshPolicy at {at} already: a mesh has one"))
                    }
                    Manifest::AnalysisTemplate(template) => document
                        .origin
                        .error("metadata.name", format!("AnalysisTemplate {} is written at {at} too: remove one", template.name)),
                });
            }
        }
    }
    errors
}
