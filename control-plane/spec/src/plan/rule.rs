//! Rules for some of the requests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::matching::Match;
use shunt_filter_core::{VersionName, Weight};

/// A rule with its version resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedRule {
    /// Its name.
    pub name: String,
    /// Any of these; empty: every request.
    pub matches: Vec<Match>,
    /// Who answers; none: the version that has `role` (rules of steps, overrides of the mesh policy).
    pub version: Option<VersionName>,
    /// Who answers when `version` is none.
    #[serde(default)]
    pub role: Role,
    /// Share of the matching keys.
    pub weight: Weight,
}

/// A version by what it is at the moment, for rules that do not name one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// The version being released; without a run the rule falls through.
    #[default]
    Candidate,
    /// Stable, whatever the split says.
    Stable,
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Role::Candidate => "candidate",
            Role::Stable => "stable",
        })
    }
}
