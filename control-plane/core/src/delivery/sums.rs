//! Adding up counters of several VMs.

use std::collections::BTreeMap;

use shunt_filter_core::report::{Counters, EpochReport, LatencySlots, ServiceReport};

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
            Some(mine) if mine.epoch == theirs.epoch => add_epoch(mine, theirs),
            Some(mine) if mine.epoch > theirs.epoch => {}
            mine => *mine = Some(theirs.clone()),
        }
    }
}

pub(super) fn add_epoch(into: &mut EpochReport, from: &EpochReport) {
    for (version, counters) in &from.versions {
        into.versions.entry(version.clone()).or_default().add(counters);
    }
    into.seen.union_with(&from.seen);
    into.failed.union_with(&from.failed);
    if let Some(theirs) = &from.latency {
        add_latency(into.latency.get_or_insert_default(), theirs);
    }
    for (goal, cells) in &from.goals {
        into.goals.entry(goal.clone()).or_default().union_with(cells);
    }
    if let Some(theirs) = &from.cells {
        into.cells.get_or_insert_default().union_with(theirs);
    }
}

/// Of a slot that both have seen, `into` keeps its first request: it was told first.
pub(super) fn add_latency(into: &mut LatencySlots, from: &LatencySlots) {
    let new = from.seen.minus(&into.seen);
    into.first_slow.union_with(&from.first_slow.common(&new));
    into.seen.union_with(&new);
    into.above_p90.union_with(&from.above_p90);
    into.above_p99.union_with(&from.above_p99);
}

fn add_numbers<K: Ord + Clone>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, number) in from {
        let mine = into.entry(key.clone()).or_default();
        *mine = mine.saturating_add(*number);
    }
}

/// Requests that were open when their VM ended without counting them are lost, not running.
pub(super) fn close(mut service: ServiceReport) -> ServiceReport {
    let shut = |counters: &mut Counters| counters.started = counters.started.min(counters.ended());
    service.versions.values_mut().for_each(shut);
    service
}

/// Requests that were not answered by the version decided for them.
pub(super) fn misrouted(service: &ServiceReport) -> u64 {
    service.misrouted.saturating_add(service.unrouted)
}
