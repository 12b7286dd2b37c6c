//! One service.

use std::collections::BTreeSet;

use crate::assignment::Assignment;
use crate::at::At;
use crate::compile::assignment::{self, Raw};
use crate::compile::split::{self, Find};
use crate::compile::{PolicyError, Problem, watch};
use crate::limits;
use crate::matching::Reads;
use crate::mirror::CompiledMirror;
use crate::names::{RouteHeader, VersionName};
use crate::policy::{Mirror, ServicePolicy, VersionPolicy};
use crate::request::Needs;
use crate::service::{Service, Version};
use crate::signing::Signing;
use crate::split::mirror_seed;

/// Checks and compiles everything of a service but its hosts.
#[inline(never)]
pub(super) fn compile(raw: &ServicePolicy, signing: Option<&Signing>, at: &At<'_>) -> Result<Service, PolicyError> {
    let versions = compile_versions(raw, at)?;
    let known: Vec<&VersionName> = versions.iter().map(|version| &version.name).collect();
    let find = |name: &VersionName, at: &At<'_>| assignment::version(&known, name, at);
    if let Some(default) = &raw.default_route {
        find(default, &at.field("defaultRoute"))?;
    }
    let watch = watch::of_service(raw, &find, at)?;
    let mut reads = Reads::default();
    let parts = Raw {
        key: &raw.key,
        signing,
        keyless: raw.keyless,
        rules: &raw.rules,
        split: &raw.split,
        stable: &raw.stable,
        counted_rule: raw.counted_rule.as_deref(),
        goals: &raw.goals,
    };
    let mut assignment = assignment::compile(&parts, &mut reads, &find, at)?;
    let mirror = match &raw.mirror {
        Some(mirror) => Some(compile_mirror(mirror, &mut reads, &find, &at.field("mirror"))?),
        None => None,
    };
    assignment.fields = std::mem::take(&mut reads.fields);
    assignment.regex_work = reads.budget.work();
    assignment.needs = needs(&assignment, mirror.as_ref(), &reads);
    let stable = versions.get(assignment.stable).cloned().ok_or_else(|| at.wrong(Problem::NoVersions))?;
    Ok(Service { name: raw.name.clone(), watch, default_route: raw.default_route.clone(), versions, stable, assignment, mirror })
}

#[inline(never)]
fn compile_versions(raw: &ServicePolicy, at: &At<'_>) -> Result<Vec<Version>, PolicyError> {
    let at = at.field("versions");
    at.bound(raw.versions.len(), limits::VERSIONS)?;
    if raw.versions.is_empty() {
        return Err(at.wrong(Problem::NoVersions));
    }
    let mut names = BTreeSet::new();
    for (index, version) in raw.versions.iter().enumerate() {
        let at = at.index(index);
        if !names.insert(&version.name) {
            return Err(at.field("name").wrong(Problem::Duplicate(version.name.to_string())));
        }
        let clusters = at.field("clusters");
        clusters.bound(version.clusters.len(), limits::CLUSTERS)?;
        for (index, cluster) in version.clusters.iter().enumerate() {
            clusters.index(index).length(cluster, limits::FIELD_NAME)?;
        }
    }
    Ok(raw.versions.iter().map(|version| lay_out(raw, version)).collect())
}

/// A version with the route headers that name it, made once. One that is not serving has none: only stable is still decided then,
/// and the default route is the safe way to it.
fn lay_out(service: &ServicePolicy, version: &VersionPolicy) -> Version {
    let route = |mirror: Option<&VersionName>| {
        RouteHeader { rollout: service.name.clone(), version: version.name.clone(), mirror: mirror.cloned() }.to_string()
    };
    let is_default = service.default_route.as_ref() == Some(&version.name);
    let mirrored: Vec<_> = service.mirror.iter().flat_map(mirrored).collect();
    let copies = service
        .versions
        .iter()
        .filter(|other| version.serving && other.serving && other.name != version.name && mirrored.contains(&&other.name));
    Version {
        name: version.name.clone(),
        serving: version.serving,
        clusters: version.clusters.clone(),
        aggregate: version.aggregate,
        route: (version.serving && !is_default).then(|| route(None)),
        copies: copies.map(|other| (other.name.clone(), route(Some(&other.name)))).collect(),
    }
}

fn mirrored(mirror: &Mirror) -> impl Iterator<Item = &VersionName> {
    mirror.split.ranges.iter().map(|range| &range.version).chain(mirror.split.weights.keys())
}

#[inline(never)]
fn compile_mirror(raw: &Mirror, reads: &mut Reads, find: Find<'_>, at: &At<'_>) -> Result<CompiledMirror, PolicyError> {
    Ok(CompiledMirror {
        split: split::compile(&raw.split, mirror_seed, find, &at.field("split"))?,
        matches: reads.compile(&raw.matches, &at.field("match"))?,
        unsafe_methods: raw.unsafe_methods,
        max_body: raw.max_body_bytes,
    })
}

/// What must be read of a request, no more.
fn needs(assignment: &Assignment, mirror: Option<&CompiledMirror>, reads: &Reads) -> Needs {
    let mut needs = assignment::needs(assignment, reads);
    if let Some(mirror) = mirror.filter(|mirror| !mirror.split.is_empty()) {
        let bodies = ["content-length", "transfer-encoding"].map(str::to_owned).to_vec();
        let method = !mirror.unsafe_methods;
        needs.join(&Needs { headers: bodies, method, path: false, request_id: mirror.split.everybody().is_none() });
    }
    needs
}
