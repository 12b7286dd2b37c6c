//! Where a test may make the process die. Release builds have nothing of it.
//!
//! What a crash costs is tried by killing the real process between any two lines of its work. From outside nobody can hit the
//! moment between a record and what follows from it, a millisecond later; this does.

use shunt_filter_core::RolloutId;

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
