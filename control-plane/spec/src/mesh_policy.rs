//! `kind: MeshPolicy`: mesh-wide defaults, overrides for testers, limits and prohibitions. A Rollout may be stricter, never looser.

mod limits;
mod settle;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;
use shunt_filter_core::cookie::CookieAttributes;
use shunt_filter_core::matching::Match;
use shunt_filter_core::policy::{KeySource, Keyless};

use crate::compile::filter_check;
use crate::plan::{PlannedRule, Role};
use crate::problems::Problems;
use crate::rollout::HealthSpec;
use crate::rollout::rule::{self, RuleNames};
use crate::schema::filter;
use crate::time::Span;
pub use limits::{Limits, Prohibition};
pub use settle::BUILT_IN;
pub(crate) use settle::{Bound, Settle};

/// The mesh policy: at most one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeshPolicy {
    /// `metadata.name`, for messages.
    pub name: String,
    /// What it says.
    pub spec: MeshPolicySpec,
}

/// `spec` of a MeshPolicy; all of it optional.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct MeshPolicySpec {
    /// What a Rollout gets that does not say it itself.
    pub defaults: Defaults,
    /// Rules that come before every Rollout's own, for testers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrides: Vec<OverrideSpec>,
    /// How loose a Rollout may be.
    pub limits: Limits,
    /// What no Rollout may do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prohibit: Vec<Prohibition>,
}

/// What a Rollout gets that does not say it itself. Units and meaning are those of the Rollout's fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Defaults {
    /// Key chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<filter::KeySource>>")]
    pub key: Option<Vec<KeySource>>,
    /// What happens when nothing of the key chain is present.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::Keyless>")]
    pub keyless: Option<Keyless>,
    /// Attributes of generated cookies, each used where a Rollout's `generate` leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::CookieAttributes>")]
    pub cookie: Option<CookieAttributes>,
    /// Percent of keys before the analysis has passed once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::Weight>")]
    pub max_exposed: Option<Weight>,
    /// Requests of the candidate in a step before a pass is possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_samples: Option<u64>,
    /// How long the old version stays warm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_old: Option<Span>,
    /// How long a wait may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_deadline: Option<Span>,
    /// How long requests in flight may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_deadline: Option<Span>,
    /// How long stable may answer for the candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_deadline: Option<Span>,
    /// Health checks, where the routes are Shunt's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthSpec>,
}

impl MeshPolicy {
    /// Notes what contradicts itself or could not be served.
    pub(crate) fn check(&self, problems: &mut Problems) {
        check_overrides(&self.spec.overrides, problems);
        self.spec.limits.check(problems);
        self.spec.check_defaults(problems);
        filter_check::mesh(&self.spec, problems);
    }

    /// Whether no Rollout may do this; the reason names the field.
    pub(crate) fn forbids(&self, what: Prohibition) -> Option<String> {
        self.spec.prohibit.contains(&what).then(|| format!("MeshPolicy spec.prohibit ({})", what.as_str()))
    }
}

/// A request that matches gets the version with that role, in every Rollout.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OverrideSpec {
    /// Its name in decisions and counters. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// Any of these. Required.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<filter::Match>")]
    pub matches: Option<Vec<Match>>,
    /// `candidate` (no run: falls through) or `stable`. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub to: Option<Role>,
}

impl OverrideSpec {
    /// The rule; none when something of it is missing, which the check of the policy notes.
    pub(crate) fn rule(&self) -> Option<PlannedRule> {
        Some(PlannedRule { name: self.name.clone()?, matches: self.matches.clone()?, version: None, role: self.to?, weight: Weight::ALL })
    }
}

/// Notes what is missing or said twice.
fn check_overrides(overrides: &[OverrideSpec], problems: &mut Problems) {
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
