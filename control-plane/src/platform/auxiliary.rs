//! What is kept beside Rollouts: tokens, audit, repeated requests, calls, messages, measurements. None of it decides where traffic goes.

use shunt_core::analysis::external_metrics::Scope;
use shunt_core::call::Progress;
use shunt_core::event::OutboxMessage;
use shunt_filter_core::RolloutId;
use shunt_filter_core::signing::Signing;
use shunt_spec::Time;

/// One message and how often it was tried.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Posted {
    /// Its place in line.
    pub(crate) number: u64,
    /// Whose.
    pub(crate) rollout: RolloutId,
    /// When what it tells of happened.
    pub(crate) at: Time,
    /// What it says.
    pub(crate) message: OutboxMessage,
    /// Tries so far.
    pub(crate) tries: u32,
    /// When the next one is due.
    pub(crate) next: Time,
    /// Why it was given up, if it was.
    pub(crate) dead: Option<String>,
}

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CallRecord {
    /// Whose.
    pub(crate) rollout: RolloutId,
    /// Which.
    pub(crate) id: String,
    /// How far it is.
    pub(crate) progress: Progress,
}

/// Whose measurements.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MeasurementKey {
    /// The Rollout.
    pub(crate) rollout: RolloutId,
    /// Attempt and step.
    pub(crate) scope: Scope,
    /// The metric's name.
    pub(crate) metric: String,
    /// Of what it asks and how that is judged: one that is changed begins anew.
    pub(crate) digest: String,
}

/// Signing keys, and since when the current one signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SigningRecord {
    /// The keys.
    pub(crate) keys: Signing,
    /// When the current one was made.
    pub(crate) since: Time,
}

/// Entries of one Rollout that are kept; older ones go.
pub(crate) const CALLS_KEPT: usize = 200;
