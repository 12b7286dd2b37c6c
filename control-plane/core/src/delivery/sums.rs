//! Adding up counters of several VMs.

use std::collections::BTreeMap;

use shunt_filter_core::report::{Counters, EpochReport, ServiceReport};

/// Adds all of `from`; of two epochs the newer one stays, equal ones are united.
pub(super) fn add_service(into: &mut ServiceReport, from: &ServiceReport) {
    for (mine, theirs) in [
        (&mut into.keyless, from.keyless),
        (&mut into.misrouted, from.misrouted),
        (&mut into.unrouted, from.unrouted),
        (&mut into.not_serving, from.not_serving),
    ] {
        *mine = mine.saturating_add(theirs);
    }
    add_numbers(&mut into.mirrored, &from.mirrored);
    add_numbers(&mut into.rules, &from.rules);
    for (version, counters) in &from.versions {
        into.versions.entry(version.clone()).or_default().add(counters);
    }
    if let Some(theirs) = &from.epoch {
        match &mut into.epoch {
            Some(mine) if mine.epoch == theirs.epoch => mine.add(theirs),
            Some(mine) if mine.epoch > theirs.epoch => {}
            mine => *mine = Some(theirs.clone()),
        }
    }
}

/// Adds what a service tells of the same epoch.
pub(super) fn add_epoch(into: &mut EpochReport, from: &ServiceReport) {
    if let Some(epoch) = from.epoch.as_ref().filter(|epoch| epoch.epoch == into.epoch) {
        into.add(epoch);
    }
}

/// Adds only what does not always grow: exemplars, and the requests that hang now.
pub(super) fn add_details(into: &mut EpochReport, from: &ServiceReport, of: Liveness) {
    let Some(epoch) = from.epoch.as_ref().filter(|epoch| epoch.epoch == into.epoch) else { return };
    for (version, theirs) in &epoch.exemplars {
        into.exemplars.entry(version.clone()).or_default().add(theirs);
    }
    if let (Some(mine), Some(theirs), Liveness::Lives) = (&mut into.hanging, &epoch.hanging, of) {
        add_numbers(&mut mine.versions, &theirs.versions);
    }
}

/// Whether a VM counts as living.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Liveness {
    /// It posted lately.
    Lives,
    /// It did not, or it has ended: what it had in flight is lost.
    Silent,
}

fn add_numbers<K: Ord + Clone>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, number) in from {
        let mine = into.entry(key.clone()).or_default();
        *mine = mine.saturating_add(*number);
    }
}

/// Requests that were open when their VM ended without counting them are lost, neither running nor hanging.
pub(super) fn close(mut service: ServiceReport) -> ServiceReport {
    let shut = |counters: &mut Counters| counters.started = counters.started.min(counters.ended());
    service.versions.values_mut().for_each(shut);
    if let Some(hanging) = service.epoch.as_mut().and_then(|epoch| epoch.hanging.as_mut()) {
        hanging.versions.clear();
    }
    service
}

/// Requests that were not answered by the version decided for them.
pub(super) fn misrouted(service: &ServiceReport) -> u64 {
    service.misrouted.saturating_add(service.unrouted)
}
