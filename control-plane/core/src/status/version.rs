//! Versions as people and pipelines see them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::exemplar::Exemplars;
use shunt_filter_core::{VersionName, Weight};
use shunt_spec::plan::Plan;
use shunt_spec::schema::filter;

use crate::instance::InstanceView;
use crate::observation::Observation;
use crate::state::State;

/// One version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionStatus {
    /// Its name.
    #[schemars(with = "filter::VersionName")]
    pub name: VersionName,
    /// What it is in the Rollout.
    pub role: VersionRole,
    /// Share of keys the split gives it.
    #[schemars(with = "filter::Weight")]
    pub weight: Weight,
    /// Measured share of requests in this epoch, percent; none: no requests yet.
    pub share: Option<f64>,
    /// Ended requests in all, as far as reported.
    pub requests: u64,
    /// Failed ones.
    pub failed: u64,
    /// In flight.
    pub open: u64,
    /// Examples of what failed, or was no usual answer: in this epoch, or, after a release, in the step that it ended with.
    #[serde(default, skip_serializing_if = "Exemplars::is_empty")]
    #[schemars(with = "filter::Exemplars")]
    pub exemplars: Exemplars,
    /// Its instances, where they are ours to know; filled in by the platform.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<InstanceView>,
}

/// What a version is in its Rollout: the first of these that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum VersionRole {
    /// It gets all that nothing else claims.
    Stable,
    /// It is being released.
    Candidate,
    /// It was stable before, and is kept warm.
    Previous,
    /// It was released last, and refused.
    Refused,
    /// The manifest does not name it any more, and it is not gone yet.
    Leaving,
    /// The manifest names it, and no more.
    Idle,
}

impl fmt::Display for VersionRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            VersionRole::Stable => "stable",
            VersionRole::Candidate => "candidate",
            VersionRole::Previous => "previous",
            VersionRole::Refused => "refused",
            VersionRole::Leaving => "leaving",
            VersionRole::Idle => "idle",
        })
    }
}

pub(super) fn versions(plan: &Plan, state: &State, seen: &Observation) -> Vec<VersionStatus> {
    let leaving = state.installed.keys().filter(|name| plan.version(name).is_none());
    let names = plan.versions.iter().map(|version| &version.name).chain(leaving);
    let requests: u64 = seen.versions.values().map(|version| version.in_epoch).fold(0, u64::saturating_add);
    names.map(|name| version_view(plan, state, seen, name, requests)).collect()
}

fn version_view(plan: &Plan, state: &State, seen: &Observation, name: &VersionName, requests: u64) -> VersionStatus {
    let seen = seen.versions.get(name).cloned().unwrap_or_default();
    // After a release nothing is counted any more.
    let recorded = state.figures.versions.get(name).copied().unwrap_or_default();
    let examples = || state.run.is_none().then(|| state.figures.steps.last()?.exemplars.get(name).cloned()).flatten().unwrap_or_default();
    VersionStatus {
        name: name.clone(),
        role: role(plan, state, name),
        weight: weight(state, name),
        share: (requests > 0).then(|| seen.in_epoch as f64 * 100.0 / requests as f64),
        requests: seen.total.max(recorded.requests),
        failed: seen.failed.max(recorded.failed),
        open: seen.open,
        exemplars: if seen.exemplars.is_empty() { examples() } else { seen.exemplars },
        instances: Vec::new(),
    }
}

fn role(plan: &Plan, state: &State, name: &VersionName) -> VersionRole {
    if *name == state.stable {
        VersionRole::Stable
    } else if state.run.as_ref().is_some_and(|run| run.candidate == *name) {
        VersionRole::Candidate
    } else if state.previous.as_ref().is_some_and(|previous| previous.version == *name) {
        VersionRole::Previous
    } else if state.refused.as_ref().is_some_and(|refused| refused.version == *name) {
        VersionRole::Refused
    } else if plan.version(name).is_none() {
        VersionRole::Leaving
    } else {
        VersionRole::Idle
    }
}

/// Its share of the keys that the split gives away, or that take part in an A/B test; what no range covers is stable's.
fn weight(state: &State, name: &VersionName) -> Weight {
    let Some(run) = &state.run else {
        return if *name == state.stable { Weight::ALL } else { Weight::ZERO };
    };
    let points = |of: &dyn Fn(&VersionName) -> bool| {
        let own = run.ranges.iter().filter(|range| of(&range.version)).map(|range| range.to.saturating_sub(range.from));
        own.fold(0, u32::saturating_add)
    };
    if *name == state.stable {
        return Weight::ppm(Weight::ALL.points().saturating_sub(points(&|version| *version != state.stable)));
    }
    Weight::ppm(points(&|version| version == name))
}
