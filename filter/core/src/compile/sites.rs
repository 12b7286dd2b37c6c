//! Claims on hosts -> sites, each with its service and its flags.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::at::At;
use crate::compile::{PolicyError, Problem};
use crate::flag::CompiledFlag;
use crate::hosts::{Claims, Hosts};
use crate::limits;
use crate::service::Service;
use crate::site::CompiledSite;

/// All different sites, and where each host has its own. Those without flags come first, one for each service.
#[inline(never)]
pub(super) fn lay_out(
    claims: &Claims<'_>,
    services: &[Service],
    flags: &[CompiledFlag],
) -> Result<(Vec<CompiledSite>, Hosts), PolicyError> {
    let alone = |position: usize| CompiledSite::new(Some(position), Vec::new(), services, flags);
    let mut sites: Vec<CompiledSite> = (0..services.len()).map(alone).collect();
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    let mut most = 0;
    let hosts = claims.resolve(|owners| {
        let service = owners.iter().find(|(name, _)| name.is_empty()).map(|(_, by)| *by);
        let mut decided: Vec<usize> = Vec::new();
        for (_, by) in owners.iter().filter(|(name, _)| !name.is_empty()) {
            decided.insert(decided.partition_point(|other| other < by), *by);
        }
        if decided.is_empty() {
            return service;
        }
        most = most.max(decided.len());
        let position = *known.entry(key(service, &decided)).or_insert_with(|| {
            sites.push(CompiledSite::new(service, decided, services, flags));
            sites.len().saturating_sub(1)
        });
        Some(position)
    });
    At::root("flags").bound(most, limits::FLAGS)?;
    for site in sites.iter().filter(|site| !site.flags.is_empty()) {
        check_work(site, services, flags)?;
    }
    Ok((sites, hosts))
}

/// Each part alone is within the bound already.
fn check_work(site: &CompiledSite, services: &[Service], flags: &[CompiledFlag]) -> Result<(), PolicyError> {
    let service = site.service.and_then(|at| services.get(at)).map(|service| (&service.name, service.assignment.regex_work));
    let of_flags = site.flags.iter().filter_map(|at| flags.get(*at)).map(|flag| (&flag.rollout, flag.assignment.regex_work));
    let parts: Vec<_> = service.into_iter().chain(of_flags).filter(|(_, work)| *work > 0).collect();
    let work = parts.iter().fold(0usize, |sum, (_, work)| sum.saturating_add(*work));
    if work <= limits::REGEX_WORK {
        return Ok(());
    }
    let with: Vec<String> = parts.iter().map(|(rollout, _)| rollout.to_string()).collect();
    let last = site.flags.last().copied().unwrap_or_default();
    Err(At::root("flags").index(last).wrong(Problem::RegexWorkAtHost { work, with: with.join(", ") }))
}

/// Says service and flags in one text.
fn key(service: Option<usize>, flags: &[usize]) -> String {
    let mut key = String::new();
    for position in service.iter().chain(flags) {
        // Writing to a `String` cannot fail.
        write!(key, "{position} ").unwrap_or_default();
    }
    // Without a service the flags begin with a space.
    if service.is_none() { format!(" {key}") } else { key }
}
