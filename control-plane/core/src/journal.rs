//! The journal: each transition is one line with all that led to it, so that it can be printed, explained and run again.

use serde::{Deserialize, Serialize};
use shunt_filter_core::RolloutId;

use crate::command::Command;
use crate::observation::Observation;
use crate::state::State;
use crate::time::Time;

/// One transition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Which Rollout.
    pub rollout: RolloutId,
    /// The revision it made.
    pub revision: u64,
    /// When.
    pub at: Time,
    /// Digest of the plan it was made under.
    pub plan: String,
    /// What happened, as one sentence with numbers.
    pub reason: String,
    /// The command that caused it.
    pub command: Option<Command>,
    /// What was seen.
    pub observation: Observation,
    /// The state after it.
    pub next: State,
}
