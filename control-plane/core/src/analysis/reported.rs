//! What reports say of an epoch beside failures and times.

use shunt_filter_core::VersionName;
use shunt_filter_core::outcome::ResponseClass;
use shunt_filter_core::report::{EpochReport, Slots};

/// Slots with a request that its client left before response headers, or that was in flight for far longer than is usual.
pub(super) fn unanswered_slots(evidence: &EpochReport) -> Slots {
    let mut slots = evidence.abandoned.clone();
    if let Some(hanging) = &evidence.hanging {
        slots.union_with(&hanging.slots);
    }
    slots
}

/// Requests of a version without an answer: those that were left, and those that hang now.
pub(super) fn unanswered(evidence: &EpochReport, version: &VersionName) -> u64 {
    let abandoned = evidence.versions.get(version).map_or(0, |counters| counters.abandoned);
    let hanging = evidence.hanging.as_ref().and_then(|hanging| hanging.versions.get(version)).copied().unwrap_or_default();
    abandoned.saturating_add(hanging)
}

/// Slots with an answer of this class.
pub(super) fn slots(evidence: &EpochReport, class: ResponseClass) -> Slots {
    evidence.responses.get(&class).map(|responses| responses.slots.clone()).unwrap_or_default()
}

/// A version's answers of this class.
pub(super) fn answers(evidence: &EpochReport, class: ResponseClass, version: &VersionName) -> u64 {
    evidence.responses.get(&class).and_then(|responses| responses.versions.get(version)).copied().unwrap_or_default()
}
