//! `rules`: who goes to which version whatever the split says.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::matching::Match;
use shunt_filter_core::{VersionName, Weight};

use crate::plan::{PlannedRule, Role, Version};
use crate::problems::Problems;
use crate::schema::filter;

/// A long-lived rule, independent of a release.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleSpec {
    /// Its name in decisions and counters. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// Any of these. Required.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<filter::Match>")]
    pub matches: Option<Vec<Match>>,
    /// Who answers. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "filter::VersionName")]
    pub version: Option<VersionName>,
    /// Percent of the matching keys; the others fall through. Default: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::Weight>")]
    pub weight: Option<Weight>,
}

/// Names of rules, each with the path of the field that took it: they must differ within a Rollout, its steps and the overrides.
pub(crate) type RuleNames = BTreeMap<String, String>;

impl RuleSpec {
    /// The rule, every problem noted. `path` is where this stands in the manifest.
    pub(crate) fn rule(&self, path: &str, versions: &[Version], names: &mut RuleNames, problems: &mut Problems) -> Option<PlannedRule> {
        let name = name(self.name.as_deref(), path, names, problems);
        let matches = matches(self.matches.as_deref(), path, problems);
        match &self.version {
            None => problems.add(format!("{path}.version"), "is missing: write the name of one of spec.versions"),
            Some(version) if versions.iter().all(|known| known.name != *version) => {
                problems.add(format!("{path}.version"), unknown_version(version, versions));
            }
            Some(_) => {}
        }
        Some(PlannedRule {
            name: name?,
            matches: matches?,
            version: Some(self.version.clone()?),
            role: Role::default(),
            weight: weight(self.weight, path, problems),
        })
    }
}

/// The name of a rule, noted as taken.
pub(crate) fn name(name: Option<&str>, path: &str, names: &mut RuleNames, problems: &mut Problems) -> Option<String> {
    let at = format!("{path}.name");
    let Some(name) = name else {
        problems.add(at, "is missing: write a name for decisions and counters, for example testers");
        return None;
    };
    if let Err(error) = name.parse::<VersionName>() {
        problems.add(at, error);
        return None;
    }
    if let Some(other) = names.get(name) {
        problems.add(at, format!("{name:?} is the name of {other} too: names of rules must differ"));
        return None;
    }
    names.insert(name.to_owned(), path.to_owned());
    Some(name.to_owned())
}

/// At least one match.
pub(crate) fn matches(matches: Option<&[Match]>, path: &str, problems: &mut Problems) -> Option<Vec<Match>> {
    match matches {
        Some(matches) if !matches.is_empty() => Some(matches.to_vec()),
        _ => {
            let message = "is missing: write at least one match; for a share of all requests use the step setWeight";
            problems.add(format!("{path}.match"), message);
            None
        }
    }
}

/// The share of the matching keys; no user is refused.
pub(crate) fn weight(weight: Option<Weight>, path: &str, problems: &mut Problems) -> Weight {
    let weight = weight.unwrap_or(Weight::ALL);
    if weight == Weight::ZERO {
        problems.add(format!("{path}.weight"), "0 makes the rule do nothing: write more, or remove the rule");
    }
    weight
}

/// What to say about a version that is not listed.
pub(crate) fn unknown_version(version: &VersionName, versions: &[Version]) -> String {
    let known: Vec<&str> = versions.iter().map(|version| version.name.as_str()).collect();
    format!("{:?} is not in spec.versions: write one of {}, or add it there", version.as_str(), known.join(", "))
}
