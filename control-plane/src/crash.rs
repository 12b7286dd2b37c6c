//! Where a test may make the process die, or a proxy refuse a Rollout. Release builds have nothing of it.
//!
//! What a crash costs is tried by killing the real process between any two lines of its work. From outside no test can hit the
//! moment between a record and what follows from it, a millisecond later; this does.

use shunt_core::Desired;
use shunt_filter_core::RolloutId;
#[cfg(debug_assertions)]
use shunt_spec::Span;

/// The Rollout after whose every record the process dies.
#[cfg(debug_assertions)]
const AFTER_RECORD: &str = "SHUNT_CRASH_AFTER_RECORD";

/// A transition of this Rollout was recorded, and nothing else has happened yet.
#[cfg(debug_assertions)]
pub(crate) fn after_record(id: &RolloutId) {
    if std::env::var(AFTER_RECORD).is_ok_and(|named| named == id.to_string()) {
        tracing::warn!(rollout = %id, "dies now, because {AFTER_RECORD} asks for it");
        std::process::abort();
    }
}

/// A transition of this Rollout was recorded, and nothing else has happened yet.
#[cfg(not(debug_assertions))]
pub(crate) const fn after_record(_id: &RolloutId) {}

/// A duration that no manifest may have, because Envoy refuses it, takes the place of this one: time-outs of routes and intervals of
/// health checks. What manifests may say is bounded by what Envoy takes, so a refusal needs help.
#[cfg(debug_assertions)]
const SPOILED: &str = "SHUNT_SPOILED_DURATION";

/// One day more than a protobuf holds.
#[cfg(debug_assertions)]
const IMPOSSIBLE: Span = Span::seconds(3_652_501 * 86_400);

/// Where the Rollout has the named duration, Envoy will refuse its routes or its clusters.
#[cfg(debug_assertions)]
pub(crate) fn spoil(desired: &mut Desired) {
    let Some(named) = std::env::var(SPOILED).ok().and_then(|text| text.parse::<Span>().ok()) else { return };
    let Some(routes) = &mut desired.routes else { return };
    let spans = routes.timeout.iter_mut().chain(routes.health.iter_mut().map(|health| &mut health.interval));
    spans.filter(|span| **span == named).for_each(|span| *span = IMPOSSIBLE);
}

/// Where the Rollout has the named duration, Envoy will refuse its routes or its clusters.
#[cfg(not(debug_assertions))]
pub(crate) const fn spoil(_desired: &mut Desired) {}
