//! From a raw policy to a [`Router`]: checks everything, then lays it out for quick decisions. The control plane compiles with the
//! same code before it pushes, so a proxy never sees a policy that it would refuse.

use std::collections::BTreeMap;

use crate::at::At;
use crate::hosts::{Hosts, Pattern, Port};
use crate::limits;
use crate::policy::{FORMAT, ReportPolicy, RoutingPolicy, ServicePolicy};
use crate::router::Router;
use crate::service::Service;

mod problem;
mod service;
mod split;

pub use problem::{PolicyError, Problem};

/// Compiles a policy for callers of one namespace (none: unknown, then short hosts mean nothing). What is refused does not depend on
/// the namespace.
///
/// # Errors
/// The first thing in the policy that the filter could not serve, with the path of its field.
pub fn compile(policy: RoutingPolicy, caller_namespace: Option<&str>) -> Result<Router, PolicyError> {
    if policy.format != FORMAT {
        return Err(At::root("format").wrong(Problem::Format(policy.format)));
    }
    if let Some(report) = &policy.report {
        check_report(report, &At::root("report"))?;
    }
    let at = At::root("services");
    at.bound(policy.services.len(), limits::SERVICES)?;
    let hosts = compile_hosts(&policy.services, caller_namespace, &at)?;
    let mut names = BTreeMap::new();
    let mut services: Vec<Service> = Vec::with_capacity(policy.services.len());
    for (index, raw) in policy.services.into_iter().enumerate() {
        let at = at.index(index);
        if names.insert(raw.name.clone(), index).is_some() {
            return Err(at.field("name").wrong(Problem::Duplicate(raw.name.to_string())));
        }
        services.push(service::compile(raw, &at)?);
    }
    Ok(Router { generation: policy.generation, report: policy.report, services, hosts })
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
        if !limits::REPORT_MS.contains(&period) {
            return Err(at.field(field).wrong(Problem::Period(period)));
        }
    }
    Ok(())
}

/// Short hosts come last: for callers of their namespace they win over another service's host of the same name, as in Istio.
fn compile_hosts(services: &[ServicePolicy], caller_namespace: Option<&str>, at: &At<'_>) -> Result<Hosts, PolicyError> {
    let mut hosts = Hosts::default();
    let claimed_by = |first: usize| services.get(first).map(|service| service.name.to_string()).unwrap_or_default();
    for (index, service) in services.iter().enumerate() {
        let (at, port) = (at.index(index), service.port);
        check_port(port, &at)?;
        let list = at.field("hosts");
        list.bound(service.hosts.len(), limits::HOSTS)?;
        if service.hosts.is_empty() && service.short_hosts.is_empty() {
            return Err(list.wrong(Problem::NoHosts));
        }
        for (position, host) in service.hosts.iter().enumerate() {
            let at = list.index(position);
            let pattern = Pattern::parse(host).ok_or_else(|| at.wrong(Problem::Host(host.clone())))?;
            if let Some(first) = hosts.claim(pattern, port, index) {
                return Err(at.wrong(Problem::HostTaken { host: host.clone(), by: claimed_by(first) }));
            }
        }
    }
    let mut taken: BTreeMap<(&str, String, Port), usize> = BTreeMap::new();
    for (index, service) in services.iter().enumerate() {
        let at = at.index(index);
        let list = at.field("shortHosts");
        list.bound(service.short_hosts.len(), limits::HOSTS)?;
        for (position, short) in service.short_hosts.iter().enumerate() {
            let at = list.index(position);
            let Some(Pattern::Exact(host)) = Pattern::parse(&short.host) else {
                return Err(at.field("host").wrong(Problem::Host(short.host.clone())));
            };
            if let Some(first) = taken.insert((&short.namespace, host.clone(), service.port), index) {
                return Err(at.field("host").wrong(Problem::HostTaken { host, by: claimed_by(first) }));
            }
            if caller_namespace == Some(short.namespace.as_str()) {
                hosts.override_exact(host, service.port, index);
            }
        }
    }
    Ok(hosts)
}

fn check_port(port: Port, at: &At<'_>) -> Result<(), PolicyError> {
    if port == Some(0) { Err(at.field("port").wrong(Problem::PortZero)) } else { Ok(()) }
}
