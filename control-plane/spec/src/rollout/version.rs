//! `versions`: the named builds of the service.

mod command;
mod endpoints;
mod probe;
mod register;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::policy::FlagValue;
use shunt_filter_core::{BaselineName, VersionName};

use crate::plan::{Backend, Version};
use crate::problems::Problems;
use crate::schema::{ExactlyOne, filter};
use crate::time::Span;
pub use endpoints::refuses_requests;
pub use probe::ProbeSpec;
pub use register::RegisterSpec;

/// A named build and where it runs. Exactly one of `endpoints`, `dns`, `cluster`, `command`, `register`, `value`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ExactlyOne(&["endpoints", "dns", "cluster", "command", "register", "value"]))]
pub struct VersionSpec {
    /// Immutable, for example `v2`; never a role like "candidate". Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "filter::VersionName")]
    pub name: Option<VersionName>,
    /// `host:port` of each instance; clusters and routes are Shunt's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Vec<String>>,
    /// `host:port`; every address of that name is an instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<String>,
    /// A cluster of the user's own Envoy; routes are the user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Program and arguments of instances that Shunt starts and stops; no shell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// How many instances of the command at full size. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<u32>,
    /// Environment variable that tells an instance its port. Default: PORT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_env: Option<String>,
    /// Further environment variables of the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Working directory of the command. Default: the control plane's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_dir: Option<String>,
    /// Between SIGTERM and SIGKILL. Default: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_grace: Option<Span>,
    /// Instances that register themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub register: Option<RegisterSpec>,
    /// How the control plane asks an instance of `command` or `register` whether it is ready. Default: it accepts connections, or registers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeSpec>,
    /// How long an instance of `command` or `register` must be ready before it counts. Default: 0s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_ready: Option<Span>,
    /// A value of the feature flag that `flag` names.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::FlagValue>")]
    pub value: Option<FlagValue>,
}

/// What a version says about where it runs.
#[derive(Debug, Clone, Copy)]
enum Kind<'s> {
    Endpoints(&'s [String]),
    Dns(&'s str),
    Cluster(&'s str),
    Command(&'s [String]),
    Register(&'s RegisterSpec),
    Value(&'s FlagValue),
}

/// What one version is today and another one tomorrow. The route header, cookies and journals of running proxies name versions, so a
/// name must mean one build for ever.
const ROLES: [&str; 14] = [
    "active",
    "baseline",
    "canary",
    "candidate",
    "current",
    "latest",
    "live",
    "next",
    "preview",
    "previous",
    "primary",
    "shadow",
    "stable",
    "standby",
];
/// Most versions of one Rollout.
const VERSIONS_MAX: usize = 64;
/// Most instances of one version, and most endpoints.
const INSTANCES_MAX: u32 = 1_000;

/// All versions, every problem noted.
pub(crate) fn versions(written: Option<&[VersionSpec]>, problems: &mut Problems) -> Vec<Version> {
    let path = "spec.versions";
    let written = written.unwrap_or_default();
    match written.len() {
        0 => problems.add(path, "is missing: write at least one version, for example [{name: v1, endpoints: [\"127.0.0.1:9001\"]}]"),
        n if n > VERSIONS_MAX => problems.add(path, format!("has {n} versions: at most {VERSIONS_MAX} are allowed; remove old ones")),
        _ => {}
    }
    let mut seen = BTreeSet::new();
    let mut versions = Vec::new();
    for (index, spec) in written.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if spec.name.is_none() {
            problems.add(format!("{path}.name"), "is missing: write a name, for example v2");
        }
        if let Some(name) = spec.name.as_ref().filter(|name| ROLES.contains(&name.as_str())) {
            problems.add(
                format!("{path}.name"),
                format!("\"{name}\" is a role, which passes from version to version: write a name that means this build for ever, for example v2"),
            );
        }
        let backend = spec.backend(&path, problems);
        if spec.name.as_ref().is_some_and(BaselineName::is_reserved) {
            problems.add(
                format!("{path}.name"),
                "ends with -baseline: such names are kept for the copy of stable in an experiment; write another name",
            );
        }
        let (Some(name), Some(backend)) = (spec.name.clone(), backend) else { continue };
        if seen.insert(name.clone()) {
            versions.push(Version { name, backend });
        } else {
            problems.add(format!("{path}.name"), format!("{:?} names two versions: names must differ", name.as_str()));
        }
    }
    mixed(written, problems);
    value::twice(written, problems);
    versions
}

impl VersionSpec {
    fn kinds(&self) -> Vec<Kind<'_>> {
        let all = [
            self.endpoints.as_deref().map(Kind::Endpoints),
            self.dns.as_deref().map(Kind::Dns),
            self.cluster.as_deref().map(Kind::Cluster),
            self.command.as_deref().map(Kind::Command),
            self.register.as_ref().map(Kind::Register),
            self.value.as_ref().map(Kind::Value),
        ];
        all.into_iter().flatten().collect()
    }

    fn backend(&self, path: &str, problems: &mut Problems) -> Option<Backend> {
        let kinds = self.kinds();
        let [kind] = kinds.as_slice() else {
            problems.add(path, not_one(&kinds));
            return None;
        };
        self.stray(*kind, path, problems);
        match kind {
            Kind::Endpoints(written) => endpoints::endpoints(written, &format!("{path}.endpoints"), problems),
            Kind::Dns(name) => endpoints::dns(name, &format!("{path}.dns"), problems),
            Kind::Cluster(cluster) if cluster.trim().is_empty() => {
                problems.add(format!("{path}.cluster"), "is empty: write the name of a cluster of your own Envoy");
                None
            }
            Kind::Cluster(cluster) => Some(Backend::Cluster((*cluster).to_owned())),
            Kind::Command(command) => self.command(command, path, problems),
            Kind::Register(register) => register.backend(self.probe.as_ref(), self.min_ready, path, problems),
            Kind::Value(value) => value::value(value, &format!("{path}.value"), problems),
        }
    }

    /// Fields that belong to another kind.
    fn stray(&self, kind: Kind<'_>, path: &str, problems: &mut Problems) {
        let command = [
            ("instances", self.instances.is_some()),
            ("portEnv", self.port_env.is_some()),
            ("env", self.env.is_some()),
            ("workDir", self.work_dir.is_some()),
            ("terminationGrace", self.termination_grace.is_some()),
        ];
        let ours = [("probe", self.probe.is_some()), ("minReady", self.min_ready.is_some())];
        let (fields, owner) = match kind {
            Kind::Command(_) => return,
            Kind::Register(_) => (command.to_vec(), "command"),
            Kind::Endpoints(_) | Kind::Dns(_) | Kind::Cluster(_) | Kind::Value(_) => {
                ([command.as_slice(), &ours].concat(), "command or register")
            }
        };
        for (field, _) in fields.into_iter().filter(|(_, written)| *written) {
            let message = match (kind, field) {
                (Kind::Register(_), "instances") => "stands in register: write register: {instances: ..}".to_owned(),
                (Kind::Endpoints(_) | Kind::Dns(_), "probe") => {
                    "is for instances of command or register: write spec.health, by which the proxies check endpoints".to_owned()
                }
                (_, "probe" | "minReady") => format!("is for instances of {owner}: remove it"),
                _ => "is for instances that Shunt starts (command): remove it".to_owned(),
            };
            problems.add(format!("{path}.{field}"), message);
        }
    }
}

fn not_one(kinds: &[Kind<'_>]) -> String {
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    match kinds {
        [] => "does not say where it runs: write one of endpoints (for example endpoints: [\"127.0.0.1:9001\"]), dns, command, register, cluster (of your own Envoy), or value (of a feature flag)".to_owned(),
        [Kind::Endpoints(_), Kind::Cluster(_)] => {
            "has both endpoints and cluster: keep endpoints if Shunt owns the routes, cluster if your own Envoy configuration does".to_owned()
        }
        _ => format!("has {}: a version runs in one way, keep one of them", names.join(" and ")),
    }
}

impl Kind<'_> {
    fn name(self) -> &'static str {
        match self {
            Kind::Endpoints(_) => "endpoints",
            Kind::Dns(_) => "dns",
            Kind::Cluster(_) => "cluster",
            Kind::Command(_) => "command",
            Kind::Register(_) => "register",
            Kind::Value(_) => "value",
        }
    }

    /// Who routes to it: versions of one Rollout agree in this.
    fn routed_by(self) -> &'static str {
        match self {
            Kind::Endpoints(_) | Kind::Dns(_) | Kind::Command(_) | Kind::Register(_) => "Shunt",
            Kind::Cluster(_) => "your own Envoy",
            Kind::Value(_) => "no proxy",
        }
    }
}

/// Routes are either ours, or the user's, or there are none.
fn mixed(written: &[VersionSpec], problems: &mut Problems) {
    let kinds: Vec<(usize, Kind<'_>)> =
        written.iter().enumerate().flat_map(|(index, spec)| Some((index, *spec.kinds().first()?))).collect();
    let Some((_, first)) = kinds.first() else { return };
    if let Some((index, other)) = kinds.iter().find(|(_, kind)| kind.routed_by() != first.routed_by()) {
        // Both are named at the one that is not Shunt's to route.
        let (at, here, there) = match first.routed_by() {
            "Shunt" => (*index, other, first),
            _ => (kinds.first().map_or(0, |(index, _)| *index), first, other),
        };
        let message = format!(
            "is {} while another version has {}: use one kind for all versions of a Rollout (endpoints, dns, command and register go together)",
            article(*here),
            there.name()
        );
        problems.add(format!("spec.versions[{at}].{}", here.name()), message);
    }
}

fn article(kind: Kind<'_>) -> &'static str {
    match kind {
        Kind::Cluster(_) => "a cluster",
        Kind::Value(_) => "a value",
        Kind::Command(_) => "a command",
        Kind::Dns(_) => "a DNS name",
        Kind::Endpoints(_) => "a list of endpoints",
        Kind::Register(_) => "a registration",
    }
}
