//! How an A/B test stands: several versions compared by goals.

use serde::{Deserialize, Serialize};
use shunt_filter_core::VersionName;

/// How an A/B test stands at one look.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contest {
    /// The judgement.
    pub outcome: ContestOutcome,
    /// One sentence with numbers.
    pub message: String,
    /// By arm and goal, for people: rates, effect with its interval.
    pub effects: Vec<Effect>,
}

impl Contest {
    /// True when no test is on.
    pub fn is_none(&self) -> bool {
        self.outcome == ContestOutcome::None
    }
}

/// What can be said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ContestOutcome {
    /// No test is on.
    #[default]
    None,
    /// Not enough data to say anything.
    NotEnoughData,
    /// Enough data: the interval of every effect lies within what counts as no difference, or the duration is over without a winner.
    NoDifference,
    /// This one is better than all others in the first goal, and not worse in the rest.
    Winner(VersionName),
    /// The shares of users differ from the weights: something loses users, and no comparison can be trusted.
    SampleRatioMismatch,
}

/// One arm against stable, in one goal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// The arm.
    pub version: VersionName,
    /// The goal.
    pub goal: String,
    /// Users who reached it, as people read it: `57 of 1203 (4.7 %)`.
    pub value: String,
    /// The same of the control (stable).
    pub baseline: String,
    /// Difference in percentage points.
    pub difference: f64,
    /// Lower end of its interval, which holds at every look (anytime-valid), percentage points.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}
