//! Overrides: rules of the mesh that come before every Rollout's own.

use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;
use shunt_filter_core::matching::Match;

use crate::manifest::Problems;
use crate::plan::{PlannedRule, Role};
use crate::rollout::rule::{self, RuleNames};

/// A request that matches gets the version with that role, in every Rollout.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OverrideSpec {
    /// Its name in decisions and counters. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Any of these. Required.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<Vec<Match>>,
    /// `candidate` (no run: falls through) or `stable`. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Role>,
}

impl OverrideSpec {
    /// The rule; none when something of it is missing, which [`check`] notes.
    pub(crate) fn rule(&self) -> Option<PlannedRule> {
        Some(PlannedRule { name: self.name.clone()?, matches: self.matches.clone()?, version: None, role: self.to?, weight: Weight::ALL })
    }
}

/// Notes what is missing or said twice.
pub(super) fn check(overrides: &[OverrideSpec], problems: &mut Problems) {
    let mut names = RuleNames::new();
    for (index, spec) in overrides.iter().enumerate() {
        let path = format!("spec.overrides[{index}]");
        let _ = rule::name(spec.name.as_deref(), &path, &mut names, problems);
        if spec.matches.as_ref().is_none_or(Vec::is_empty) {
            problems.add(format!("{path}.match"), "is missing: write at least one match, or every request of the mesh would match");
        }
        if spec.to.is_none() {
            problems.add(format!("{path}.to"), "is missing: write candidate or stable");
        }
    }
}
