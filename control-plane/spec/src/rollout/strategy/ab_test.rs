//! `abTest`: arms compared by goals, as a strategy and as a step.

mod external;
mod goal;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::matching::Match;
use shunt_filter_core::{VersionName, Weight};

use super::{List, Terms};
use crate::plan::{AbTestStep, Arm, OnWinner, Step};
use crate::problems::Problems;
use crate::rollout::analysis::Around;
use crate::rollout::quantity::Points;
use crate::rollout::rule::unknown_version;
use crate::schema::filter;
use crate::time::Span;
pub use goal::{GoalSpec, HeaderSpec, StatusRange};

/// Several versions compared by goals.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AbTestSpec {
    /// Who is compared with stable. Default: the release, with half of the keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arms: Option<Vec<ArmSpec>>,
    /// Who takes part: any of these. Default: everybody.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<filter::Match>>")]
    pub matches: Option<Vec<Match>>,
    /// What counts as success; the first decides. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub goals: Option<Vec<GoalSpec>>,
    /// At most this long. Default: until there is a result.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
    /// Whether a result ends it before its time is over. Default: true without `duration`, else false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_significant: Option<bool>,
    /// Whether an operator promotes the winner, or it promotes itself. Default: ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_winner: Option<OnWinner>,
    /// Differences smaller than this do not count, in percentage points. Default: 0.5pp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub negligible: Option<Points>,
}

/// A version that is compared with stable.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArmSpec {
    /// Who. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "filter::VersionName")]
    pub version: Option<VersionName>,
    /// Percent of the keys that take part. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "filter::Weight")]
    pub weight: Option<Weight>,
}

/// More arms need more users than any service has.
const ARMS_MAX: usize = 8;
/// Differences too small to act on.
const NEGLIGIBLE: Weight = Weight::ppm(5_000);

impl AbTestSpec {
    pub(super) fn add(&self, path: &str, list: &mut List<'_>) {
        let arms = self.arms(path, list.terms, list.problems);
        let goals = goal::goals(self.goals.as_deref(), path, &Around::of_test(list.terms.owner), list.problems);
        if self.matches.as_ref().is_some_and(Vec::is_empty) {
            list.refuse(format!("{path}.match"), "is empty: write who takes part, or leave it out for everybody");
        }
        if self.duration == Some(Span::default()) {
            list.refuse(format!("{path}.duration"), "0s is no time at all: write for example 7d");
        }
        if self.duration.is_none() && self.until_significant == Some(false) {
            list.refuse(
                format!("{path}.untilSignificant"),
                "is false without a duration, so it would never end: write duration, for example 7d",
            );
        }
        let step = AbTestStep {
            arms,
            matches: self.matches.clone().unwrap_or_default(),
            goals,
            duration: self.duration,
            until_significant: self.until_significant.unwrap_or(self.duration.is_none()),
            on_winner: self.on_winner.unwrap_or_default(),
            negligible: self.negligible.map_or(NEGLIGIBLE, Points::weight),
        };
        list.push(path, Step::AbTest(Box::new(step)));
    }

    fn arms(&self, path: &str, terms: &Terms<'_>, problems: &mut Problems) -> Vec<Arm> {
        let half = Weight::ppm(Weight::ALL.points().div_euclid(2));
        let release = |weight| terms.release.map(|version| Arm { version: version.clone(), weight });
        let Some(written) = &self.arms else { return release(half).into_iter().collect() };
        let path = format!("{path}.arms");
        match written.len() {
            0 => problems.add(&path, "is empty: write {version, weight} of each, or leave it out for the release with 50"),
            n if n > ARMS_MAX => problems.add(&path, format!("has {n} arms: at most {ARMS_MAX} are allowed")),
            _ => {}
        }
        let mut arms: Vec<Arm> = Vec::new();
        let mut seen = BTreeSet::new();
        for (index, arm) in written.iter().enumerate() {
            let Some(arm) = arm.check(&format!("{path}[{index}]"), terms, problems) else { continue };
            if seen.insert(arm.version.clone()) {
                arms.push(arm);
            } else {
                problems.add(format!("{path}[{index}].version"), format!("{:?} is another arm already: remove one", arm.version.as_str()));
            }
        }
        let left = left(&arms);
        if left == Weight::ZERO && !arms.is_empty() {
            problems.add(&path, "get all keys, so no user is left on stable to compare with: let the weights add up to less than 100");
        }
        // At rest the release is what is stable, and no arm; when one is released that is not named, it takes part like the smallest.
        let smallest = arms.iter().map(|arm| arm.weight).min().unwrap_or(half).min(Weight::ppm(left.points().div_euclid(2)));
        if arms.iter().all(|arm| Some(&arm.version) != terms.release) {
            arms.extend(release(smallest));
        }
        arms
    }
}

/// What the arms leave over: the control's.
fn left(arms: &[Arm]) -> Weight {
    let taken = arms.iter().map(|arm| arm.weight.points()).fold(0, u32::saturating_add);
    Weight::ppm(Weight::ALL.points().saturating_sub(taken))
}

impl ArmSpec {
    fn check(&self, path: &str, terms: &Terms<'_>, problems: &mut Problems) -> Option<Arm> {
        match &self.version {
            None => problems.add(format!("{path}.version"), "is missing: write the name of one of spec.versions"),
            Some(version) if terms.versions.iter().all(|known| known.name != *version) => {
                problems.add(format!("{path}.version"), unknown_version(version, terms.versions));
            }
            Some(_) => {}
        }
        match self.weight {
            None => problems.add(format!("{path}.weight"), "is missing: write percent of the keys, for example 50"),
            Some(Weight::ZERO) => problems.add(format!("{path}.weight"), "0 compares no users: write more than 0"),
            Some(_) => {}
        }
        Some(Arm { version: self.version.clone()?, weight: self.weight? })
    }
}
