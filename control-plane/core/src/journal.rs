//! The journal: each transition is one line with all that led to it, so that it can be printed, explained and run again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::schema::filter;
use shunt_spec::time::Time;

use crate::command::Command;
use crate::observation::Observation;
use crate::state::State;

/// One transition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Which Rollout.
    #[schemars(with = "filter::RolloutId")]
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
    #[schemars(with = "Option<filter::Open>")]
    pub command: Option<Command>,
    /// What was seen.
    #[schemars(with = "filter::Open")]
    pub observation: Observation,
    /// The state after it.
    #[schemars(with = "filter::Open")]
    pub next: State,
    /// Where that state came from.
    #[serde(default, skip_serializing_if = "Origin::is_advance")]
    pub origin: Origin,
}

/// Where a state came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// `advance` made it from the one before.
    #[default]
    Advance,
    /// It was made from what proxies ran, after the store was lost.
    Recovery,
}

impl Origin {
    fn is_advance(&self) -> bool {
        *self == Origin::Advance
    }
}

/// Who asked for a release or a rollback, and why: what changed the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseAsked {
    /// When.
    pub at: Time,
    /// The version that should be stable.
    #[schemars(with = "filter::VersionName")]
    pub version: VersionName,
    /// Who asked.
    pub by: String,
    /// Why, in the author's words; may be empty.
    #[serde(default)]
    pub reason: String,
}
