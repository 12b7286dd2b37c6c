//! From a raw policy to a [`Router`]: checks everything, then lays it out for quick decisions. The control plane compiles with the
//! same code before it pushes, so a proxy never sees a policy that it would refuse.

use std::collections::BTreeSet;

use crate::at::At;
use crate::flag::CompiledFlag;
use crate::hosts::{Claims, Pattern, Port};
use crate::limits;
use crate::names::RolloutId;
use crate::policy::{FORMAT, Flag, ReportPolicy, RoutingPolicy, ServicePolicy, ShortHost};
use crate::router::Router;
use crate::service::Service;
use crate::signing::Signing;

mod assignment;
mod flag;
mod problem;
mod service;
mod sites;
mod split;
mod watch;

pub use problem::{PolicyError, Problem};

/// Compiles a policy for callers of one namespace (none: unknown, then short hosts mean nothing). What is refused does not depend on
/// the namespace.
///
/// # Errors
/// The first thing in the policy that the filter could not serve, with the path of its field.
#[inline(never)]
pub fn compile(policy: RoutingPolicy, caller_namespace: Option<&str>) -> Result<Router, PolicyError> {
    if policy.format != FORMAT {
        return Err(At::root("format").wrong(Problem::Format(policy.format)));
    }
    if let Some(report) = &policy.report {
        check_report(report, &At::root("report"))?;
    }
    let claims = claims(&policy, caller_namespace)?;
    let signing = policy.signing.as_ref();
    let (services, flags) = (services(&policy.services, signing)?, flags(&policy.flags, signing)?);
    let (sites, hosts) = sites::lay_out(&claims, &services, &flags)?;
    Ok(Router { generation: policy.generation, report: policy.report, services, flags, sites, hosts })
}

fn services(raw: &[ServicePolicy], signing: Option<&Signing>) -> Result<Vec<Service>, PolicyError> {
    let at = At::root("services");
    let mut names = BTreeSet::new();
    let compiled = raw.iter().enumerate().map(|(index, raw)| {
        let at = at.index(index);
        if !names.insert(&raw.name) {
            return Err(at.field("name").wrong(Problem::Duplicate(raw.name.to_string())));
        }
        service::compile(raw, signing, &at)
    });
    compiled.collect()
}

fn flags(raw: &[Flag], signing: Option<&Signing>) -> Result<Vec<CompiledFlag>, PolicyError> {
    let at = At::root("flags");
    let mut owners = BTreeSet::new();
    let compiled = raw.iter().enumerate().map(|(index, raw)| {
        let at = at.index(index);
        if !owners.insert(&raw.rollout) {
            return Err(at.field("rollout").wrong(Problem::Duplicate(raw.rollout.to_string())));
        }
        flag::compile(raw, signing, &at)
    });
    compiled.collect()
}

fn check_report(report: &ReportPolicy, at: &At<'_>) -> Result<(), PolicyError> {
    for (field, text) in [("cluster", &report.cluster), ("authority", &report.authority)] {
        let at = at.field(field);
        at.length(text, limits::FIELD_NAME)?;
        if text.is_empty() {
            return Err(at.wrong(Problem::EmptyText));
        }
    }
    for (field, period) in [("intervalMs", report.interval_ms), ("heartbeatMs", report.heartbeat_ms)] {
        if !limits::PERIOD_MS.contains(&period) {
            return Err(at.field(field).wrong(Problem::Period(period)));
        }
    }
    Ok(())
}

/// Who claims hosts, of services and flags alike.
struct Claimant<'p> {
    /// Of a flag; empty for a service.
    name: &'p str,
    rollout: &'p RolloutId,
    hosts: &'p [String],
    short_hosts: &'p [ShortHost],
    port: Port,
}

#[inline(never)]
fn claims<'p>(policy: &'p RoutingPolicy, caller_namespace: Option<&str>) -> Result<Claims<'p>, PolicyError> {
    let mut claims = Claims::default();
    let services = policy.services.iter().map(|ServicePolicy { name: rollout, hosts, short_hosts, port, .. }| Claimant {
        name: "",
        rollout,
        hosts,
        short_hosts,
        port: *port,
    });
    let flags = policy.flags.iter().map(|Flag { name, rollout, hosts, short_hosts, port, .. }| Claimant {
        name,
        rollout,
        hosts,
        short_hosts,
        port: *port,
    });
    claim(&mut claims, &services.collect::<Vec<_>>(), caller_namespace, &At::root("services"))?;
    claim(&mut claims, &flags.collect::<Vec<_>>(), caller_namespace, &At::root("flags"))?;
    Ok(claims)
}

/// Short hosts come last: for callers of their namespace they win over another service's host of the same name, as in Istio.
#[inline(never)]
fn claim<'p>(claims: &mut Claims<'p>, all: &[Claimant<'p>], caller_namespace: Option<&str>, at: &At<'_>) -> Result<(), PolicyError> {
    at.bound(all.len(), limits::SERVICES)?;
    let claimed_by = |first: usize| all.get(first).map(|first| first.rollout.to_string()).unwrap_or_default();
    for (index, claimant) in all.iter().enumerate() {
        let (at, port) = (at.index(index), claimant.port);
        check_port(port, &at)?;
        let list = at.field("hosts");
        list.bound(claimant.hosts.len(), limits::HOSTS)?;
        if claimant.hosts.is_empty() && claimant.short_hosts.is_empty() {
            return Err(list.wrong(Problem::NoHosts));
        }
        for (position, host) in claimant.hosts.iter().enumerate() {
            let at = list.index(position);
            let pattern = Pattern::parse(host).ok_or_else(|| at.wrong(Problem::Host(host.clone())))?;
            if let Some(first) = claims.claim(claimant.name, pattern, port, index) {
                return Err(at.wrong(Problem::HostTaken { host: host.clone(), by: claimed_by(first) }));
            }
        }
    }
    let mut taken = Claims::default();
    for (index, claimant) in all.iter().enumerate() {
        let at = at.index(index);
        let list = at.field("shortHosts");
        list.bound(claimant.short_hosts.len(), limits::HOSTS)?;
        for (position, short) in claimant.short_hosts.iter().enumerate() {
            let at = list.index(position);
            let Some(Pattern::Exact(host)) = Pattern::parse(&short.host) else {
                return Err(at.field("host").wrong(Problem::Host(short.host.clone())));
            };
            let within = Pattern::Exact(format!("{}/{host}", short.namespace));
            if let Some(first) = taken.claim(claimant.name, within, claimant.port, index) {
                return Err(at.field("host").wrong(Problem::HostTaken { host, by: claimed_by(first) }));
            }
            if caller_namespace == Some(short.namespace.as_str()) {
                claims.override_exact(claimant.name, host, claimant.port, index);
            }
        }
    }
    Ok(())
}

fn check_port(port: Port, at: &At<'_>) -> Result<(), PolicyError> {
    if port == Some(0) { Err(at.field("port").wrong(Problem::PortZero)) } else { Ok(()) }
}
