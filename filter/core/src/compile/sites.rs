//! Claims on hosts -> sites, each with its service and its flags.

use std::collections::BTreeMap;

use crate::at::At;
use crate::compile::PolicyError;
use crate::flag::CompiledFlag;
use crate::hosts::{Claims, Hosts};
use crate::limits;
use crate::service::Service;
use crate::site::CompiledSite;

/// All different sites, and where each host has its own.
pub(super) fn lay_out(
    claims: &Claims<'_>,
    services: &[Service],
    flags: &[CompiledFlag],
) -> Result<(Vec<CompiledSite>, Hosts), PolicyError> {
    let mut known: BTreeMap<(Option<usize>, Vec<usize>), usize> = BTreeMap::new();
    let mut sites = Vec::with_capacity(services.len());
    let mut most = 0;
    let hosts = claims.resolve(|owners| {
        if owners.is_empty() {
            return None;
        }
        let service = owners.iter().find(|(name, _)| name.is_empty()).map(|(_, by)| *by);
        let mut decided: Vec<usize> = owners.iter().filter(|(name, _)| !name.is_empty()).map(|(_, by)| *by).collect();
        decided.sort_unstable();
        most = most.max(decided.len());
        let position = *known.entry((service, decided.clone())).or_insert_with(|| {
            sites.push(CompiledSite::new(service, decided, services, flags));
            sites.len().saturating_sub(1)
        });
        Some(position)
    });
    At::root("flags").bound(most, limits::FLAGS)?;
    Ok((sites, hosts))
}
