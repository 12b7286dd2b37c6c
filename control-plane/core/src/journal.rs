//! The journal: each transition is one line with all that led to it, so that it can be printed, explained and run again.

mod incident;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::{RolloutId, VersionName};

pub use incident::{Incident, Replayed};
use shunt_spec::plan::Plan;
use shunt_spec::schema::filter;
use shunt_spec::time::Time;

use crate::advance::{Next, advance};
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
    /// [`advance`] made it from the one before.
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

impl Entry {
    /// Makes the transition again: from the state before it (the entry before this one, or [`State::initial`]) and the plan with
    /// this entry's digest. The same code gives the same state and reason.
    pub fn replay(&self, plan: &Plan, before: &State) -> Next {
        // A digest says what the manifest said, not that it is gone; who retires, does so because it is.
        let plan = Plan { gone: self.next.retiring.is_some(), ..plan.clone() };
        advance(&plan, before, &self.observation, self.command.as_slice())
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
