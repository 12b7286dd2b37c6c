//! What a report has more than the one before it, added to a sum.

use std::collections::BTreeMap;

use shunt_filter_core::VersionName;
use shunt_filter_core::report::{Bits, Counters, EpochReport, Exemplars, Hanging, LatencySlots, Responses, ServiceReport};

use super::sums::add_service;

/// Adds what `new` has more than `old`, whose numbers are part of the sum. None: it has less of something, and the sum is worth nothing
/// any more. Exemplars and the requests that hang now are left to the caller ([`details`]).
///
/// Sums that have reached the largest number stay there, as they do when all numbers are added up: none of them goes back.
pub(super) fn grow(sum: &mut ServiceReport, old: Option<&ServiceReport>, new: &ServiceReport) -> Option<()> {
    let Some(old) = old else {
        add_service(sum, new);
        return Some(());
    };
    let ServiceReport { keyless, misrouted, unrouted, not_serving, mirrored, versions, rules, epoch } = new;
    number(&mut sum.keyless, old.keyless, *keyless)?;
    number(&mut sum.misrouted, old.misrouted, *misrouted)?;
    number(&mut sum.unrouted, old.unrouted, *unrouted)?;
    number(&mut sum.not_serving, old.not_serving, *not_serving)?;
    numbers(&mut sum.mirrored, &old.mirrored, mirrored)?;
    map(&mut sum.versions, &old.versions, versions, counters)?;
    numbers(&mut sum.rules, &old.rules, rules)?;
    newest_epoch(&mut sum.epoch, old.epoch.as_ref(), epoch.as_ref())
}

/// What does not only grow, and the epoch that it belongs to; none: there is nothing of the kind.
#[derive(PartialEq)]
pub(super) struct Details<'r> {
    epoch: u64,
    exemplars: &'r BTreeMap<VersionName, Exemplars>,
    hanging: Option<&'r BTreeMap<VersionName, u64>>,
}

/// See [`Details`].
pub(super) fn details(service: Option<&ServiceReport>) -> Option<Details<'_>> {
    let EpochReport { epoch, exemplars, hanging, .. } = service?.epoch.as_ref()?;
    let hanging = hanging.as_ref().map(|hanging| &hanging.versions).filter(|versions| !versions.is_empty());
    (!exemplars.is_empty() || hanging.is_some()).then_some(Details { epoch: *epoch, exemplars, hanging })
}

/// Of several epochs a sum has the newest one alone.
fn newest_epoch(sum: &mut Option<EpochReport>, old: Option<&EpochReport>, new: Option<&EpochReport>) -> Option<()> {
    let newest = sum.as_ref().map(|sum| sum.epoch);
    let counted = old.filter(|old| Some(old.epoch) == newest);
    match (sum, new) {
        (sum, Some(new)) if newest.is_none_or(|newest| newest < new.epoch) => *sum = Some(new.clone()),
        (Some(sum), Some(new)) if sum.epoch == new.epoch => match counted {
            Some(old) => epoch(sum, old, new)?,
            None => sum.add(new),
        },
        // What it counted in the newest epoch is gone.
        _ if counted.is_some() => return None,
        _ => {}
    }
    Some(())
}

fn epoch(sum: &mut EpochReport, old: &EpochReport, new: &EpochReport) -> Option<()> {
    let EpochReport { epoch: _, versions, seen, failed, abandoned, hanging, responses, exemplars: _, latency, goals, cells } = new;
    map(&mut sum.versions, &old.versions, versions, counters)?;
    set(&mut sum.seen, &old.seen, seen)?;
    set(&mut sum.failed, &old.failed, failed)?;
    set(&mut sum.abandoned, &old.abandoned, abandoned)?;
    option(&mut sum.hanging, old.hanging.as_ref(), hanging.as_ref(), |sum, old, new| {
        let Hanging { versions: _, slots } = new;
        set(&mut sum.slots, &old.slots, slots)
    })?;
    map(&mut sum.responses, &old.responses, responses, |sum, old, new| {
        let Responses { versions, slots } = new;
        numbers(&mut sum.versions, &old.versions, versions)?;
        set(&mut sum.slots, &old.slots, slots)
    })?;
    option(&mut sum.latency, old.latency.as_ref(), latency.as_ref(), |sum, old, new| {
        let LatencySlots { seen, first_slow: _, above_p90, above_p99 } = new;
        set(&mut sum.seen, &old.seen, seen)?;
        set(&mut sum.above_p90, &old.above_p90, above_p90)?;
        set(&mut sum.above_p99, &old.above_p99, above_p99)
    })?;
    map(&mut sum.goals, &old.goals, goals, set)?;
    option(&mut sum.cells, old.cells.as_ref(), cells.as_ref(), set)
}

fn counters(sum: &mut Counters, old: &Counters, new: &Counters) -> Option<()> {
    let Counters { started, succeeded, failed, cancelled, abandoned, uncounted, astray, latency } = new;
    number(&mut sum.started, old.started, *started)?;
    number(&mut sum.succeeded, old.succeeded, *succeeded)?;
    number(&mut sum.failed, old.failed, *failed)?;
    number(&mut sum.cancelled, old.cancelled, *cancelled)?;
    number(&mut sum.abandoned, old.abandoned, *abandoned)?;
    number(&mut sum.uncounted, old.uncounted, *uncounted)?;
    number(&mut sum.astray, old.astray, *astray)?;
    if latency.len() < old.latency.len() {
        return None;
    }
    if sum.latency.len() < latency.len() {
        sum.latency.resize(latency.len(), 0);
    }
    let before = old.latency.iter().copied().chain(std::iter::repeat(0));
    for ((sum, old), new) in sum.latency.iter_mut().zip(before).zip(latency) {
        number(sum, old, *new)?;
    }
    Some(())
}

fn number(sum: &mut u64, old: u64, new: u64) -> Option<()> {
    *sum = sum.saturating_add(new.checked_sub(old)?);
    Some(())
}

fn numbers<K: Ord + Clone>(sum: &mut BTreeMap<K, u64>, old: &BTreeMap<K, u64>, new: &BTreeMap<K, u64>) -> Option<()> {
    map(sum, old, new, |sum, old, new| number(sum, *old, *new))
}

fn set<N, const COUNT: u32, const DIGITS: usize>(
    sum: &mut Bits<N, COUNT, DIGITS>,
    old: &Bits<N, COUNT, DIGITS>,
    new: &Bits<N, COUNT, DIGITS>,
) -> Option<()>
where
    N: Copy + PartialEq + Into<u32> + TryFrom<u32>,
{
    // Unchanged is the most frequent case by far.
    if old != new {
        new.contains_all(old).then_some(())?;
        sum.union_with(new);
    }
    Some(())
}

/// Every key that there was must still be there.
fn map<K: Ord + Clone, V: Default>(
    sum: &mut BTreeMap<K, V>,
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
    grow: impl Fn(&mut V, &V, &V) -> Option<()>,
) -> Option<()> {
    old.keys().all(|key| new.contains_key(key)).then_some(())?;
    let nothing = V::default();
    for (key, new) in new {
        let old = old.get(key).unwrap_or(&nothing);
        match sum.get_mut(key) {
            Some(sum) => grow(sum, old, new)?,
            None => grow(sum.entry(key.clone()).or_default(), old, new)?,
        }
    }
    Some(())
}

fn option<T: Default>(sum: &mut Option<T>, old: Option<&T>, new: Option<&T>, grow: impl Fn(&mut T, &T, &T) -> Option<()>) -> Option<()> {
    match (old, new) {
        (Some(_), None) => None,
        (_, None) => Some(()),
        (old, Some(new)) => grow(sum.get_or_insert_default(), old.unwrap_or(&T::default()), new),
    }
}
