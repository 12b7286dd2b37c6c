//! One service.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::at::At;
use crate::compile::split::{self, Find};
use crate::compile::{PolicyError, Problem};
use crate::flag::{self, Choice, CompiledFlag};
use crate::key::Chain;
use crate::limits;
use crate::matching::Reads;
use crate::mirror::CompiledMirror;
use crate::names::{FLAGS_HEADER, RouteHeader, SHADOW_HEADER, VersionName};
use crate::policy::{Flag, Mirror, Rule, ServicePolicy, VersionPolicy};
use crate::request::Needs;
use crate::service::{CompiledRule, Service, Version};
use crate::split::{Ranges, mirror_seed, seed};

/// Checks and compiles everything of a service but its hosts.
pub(super) fn compile(raw: ServicePolicy, at: &At<'_>) -> Result<Service, PolicyError> {
    let versions = compile_versions(&raw, at)?;
    let find = |name: &VersionName, at: &At<'_>| find_version(&versions, name, at);
    let stable = find(&raw.stable, &at.field("stable"))?;
    if let Some(default) = &raw.default_route {
        find(default, &at.field("defaultRoute"))?;
    }
    let mut reads = Reads::default();
    let chain = Chain::compile(&raw.key, raw.keyless, &mut reads.fields, &at.field("key"))?;
    let rules = compile_rules(&raw.rules, &mut reads, &find, &at.field("rules"))?;
    let split = split::compile(&raw.split, seed, &find, &at.field("split"))?;
    let mirror = match &raw.mirror {
        Some(mirror) => Some(compile_mirror(mirror, &mut reads, &find, &at.field("mirror"))?),
        None => None,
    };
    let flags = compile_flags(&raw.flags, &mut reads, &at.field("flags"))?;
    let mut service = Service {
        name: raw.name,
        needs: Needs::default(),
        epoch: raw.epoch,
        analysis: raw.analysis,
        stable,
        default_route: raw.default_route,
        fields: std::mem::take(&mut reads.fields),
        versions,
        chain,
        rules,
        split,
        mirror,
        flags,
    };
    service.needs = needs(&service, &reads);
    Ok(service)
}

fn compile_versions(raw: &ServicePolicy, at: &At<'_>) -> Result<Vec<Arc<Version>>, PolicyError> {
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
    Ok(raw.versions.iter().map(|version| Arc::new(lay_out(raw, version))).collect())
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

fn find_version(versions: &[Arc<Version>], name: &VersionName, at: &At<'_>) -> Result<Arc<Version>, PolicyError> {
    versions.iter().find(|version| version.name == *name).cloned().ok_or_else(|| unknown(name, versions.iter().map(|v| &v.name), at))
}

fn unknown<'a>(name: &VersionName, known: impl Iterator<Item = &'a VersionName>, at: &At<'_>) -> PolicyError {
    let known: Vec<_> = known.map(VersionName::as_str).collect();
    at.wrong(Problem::UnknownVersion { name: name.to_string(), known: known.join(", ") })
}

fn compile_rules<T>(raw: &[Rule], reads: &mut Reads, find: Find<'_, T>, at: &At<'_>) -> Result<Vec<CompiledRule<T>>, PolicyError> {
    at.bound(raw.len(), limits::RULES)?;
    let mut names = BTreeSet::new();
    let compiled = raw.iter().enumerate().map(|(index, rule)| {
        let at = at.index(index);
        let name = at.field("name");
        name.length(&rule.name, limits::NAME)?;
        if !is_rule_name(&rule.name) {
            return Err(name.wrong(Problem::RuleName(rule.name.clone())));
        }
        if !names.insert(&rule.name) {
            return Err(name.wrong(Problem::Duplicate(rule.name.clone())));
        }
        Ok(CompiledRule {
            name: rule.name.clone(),
            matches: reads.compile(&rule.matches, &at.field("match"))?,
            split: split::compile(&rule.split, seed, find, &at.field("split"))?,
        })
    });
    compiled.collect()
}

/// Rules are labels of counters.
fn is_rule_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn compile_mirror(raw: &Mirror, reads: &mut Reads, find: Find<'_, Arc<Version>>, at: &At<'_>) -> Result<CompiledMirror, PolicyError> {
    Ok(CompiledMirror {
        split: split::compile(&raw.split, mirror_seed, find, &at.field("split"))?,
        matches: reads.compile(&raw.matches, &at.field("match"))?,
        unsafe_methods: raw.unsafe_methods,
        max_body: raw.max_body_bytes,
    })
}

fn compile_flags(raw: &[Flag], reads: &mut Reads, at: &At<'_>) -> Result<Vec<CompiledFlag>, PolicyError> {
    at.bound(raw.len(), limits::FLAGS)?;
    let mut names = BTreeSet::new();
    let compiled = raw.iter().enumerate().map(|(index, flag)| {
        let at = at.index(index);
        if !names.insert(&flag.name) {
            return Err(at.field("name").wrong(Problem::Duplicate(flag.name.clone())));
        }
        compile_flag(flag, reads, &at)
    });
    compiled.collect()
}

fn compile_flag(raw: &Flag, reads: &mut Reads, at: &At<'_>) -> Result<CompiledFlag, PolicyError> {
    let name = at.field("name");
    name.length(&raw.name, limits::NAME)?;
    if !flag::is_key(&raw.name) {
        return Err(name.wrong(Problem::FlagName(raw.name.clone())));
    }
    let values = at.field("values");
    values.bound(raw.values.len(), limits::VERSIONS)?;
    for (version, value) in &raw.values {
        let at = values.key(version.as_str());
        if let crate::policy::FlagValue::String(text) = value {
            at.length(text, limits::TEXT)?;
        }
        if !flag::is_item(value) {
            return Err(at.wrong(Problem::FlagItem));
        }
    }
    let default = raw.values.get(&raw.default);
    let choices: Vec<_> = raw
        .values
        .iter()
        .map(|(version, value)| Arc::new(Choice { version: version.clone(), value: (Some(value) != default).then(|| value.clone()) }))
        .collect();
    let find = |name: &VersionName, at: &At<'_>| {
        let choice = choices.iter().find(|choice| choice.version == *name).cloned();
        choice.ok_or_else(|| unknown(name, raw.values.keys(), at))
    };
    Ok(CompiledFlag {
        name: raw.name.clone(),
        rules: compile_rules(&raw.rules, reads, &find, &at.field("rules"))?,
        split: split::compile(&raw.split, seed, &find, &at.field("split"))?,
        default: find(&raw.default, &at.field("default"))?,
    })
}

/// What must be read of a request, no more.
fn needs(service: &Service, reads: &Reads) -> Needs {
    let mut headers = vec![SHADOW_HEADER.to_owned()];
    headers.extend(service.fields.headers.iter().cloned());
    if !service.fields.cookies.is_empty() {
        headers.push("cookie".to_owned());
    }
    if !service.flags.is_empty() {
        headers.push(FLAGS_HEADER.to_owned());
    }
    let mirror = service.mirror.as_ref().filter(|mirror| !mirror.split.is_empty());
    let lengths =
        ["content-length", "transfer-encoding"].into_iter().filter(|name| mirror.is_some() && !headers.iter().any(|other| other == name));
    headers.extend(lengths.map(str::to_owned).collect::<Vec<_>>());
    Needs {
        headers,
        method: reads.method || mirror.is_some_and(|mirror| !mirror.unsafe_methods),
        path: reads.path || service.chain.reads_query(),
        request_id: mirror.is_some_and(|mirror| mirror.split.everybody().is_none())
            || (service.chain.reads_request_id() && hashes_a_key(service)),
    }
}

fn hashes_a_key(service: &Service) -> bool {
    fn partial<T>(rules: &[CompiledRule<T>]) -> bool {
        rules.iter().any(|rule| hashed(&rule.split))
    }
    fn hashed<T>(split: &Ranges<T>) -> bool {
        !split.is_empty() && split.everybody().is_none()
    }
    // The service's own split hashes even when it is everybody's, for the slot.
    !service.split.is_empty() || partial(&service.rules) || service.flags.iter().any(|flag| !flag.split.is_empty() || partial(&flag.rules))
}
