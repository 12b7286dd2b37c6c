//! What is recorded of a Rollout: enough to go on after a crash at any line. Traffic, routes and scale are derived from it.

mod exposure;
mod stage;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::policy::{LatencyThresholds, Range};
use shunt_filter_core::{BaselineName, VersionName, Weight};
use shunt_spec::plan::{Backend, Plan, Routing, Step};
use shunt_spec::time::Time;

pub use crate::analysis::Warmed;
use crate::figures::Figures;
pub use stage::{Ending, Stage};

/// The recorded state of one Rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// Grows by one with each recorded transition.
    pub revision: u64,
    /// Gets all traffic that nothing else claims.
    pub stable: VersionName,
    /// What the default route names.
    pub default_route: DefaultRoute,
    /// Versions with clusters and routes of ours, and how far each is.
    pub installed: BTreeMap<VersionName, Installed>,
    /// Number of the last attempt; part of the salt.
    pub attempt: u64,
    /// Raised whenever the split changes; slot bitmaps belong to it.
    pub epoch: u64,
    /// The running release.
    pub run: Option<Run>,
    /// The old version while it is kept warm after a promotion.
    pub previous: Option<Previous>,
    /// The release that was refused last; Degraded while `release:` still names it.
    pub refused: Option<Refused>,
    /// A release that ended without promotion and without fault (a shadow that only looked, an A/B test without a winner); it is not
    /// started again while `release:` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concluded: Option<Concluded>,
    /// Versions that were stable before, newest last; at most [`FORMER_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Former>,
    /// How long requests of stable took when the epoch began, or since when it is known; none: not known yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<LatencyThresholds>,
    /// What the steps of the last release ended with.
    #[serde(default, skip_serializing_if = "Figures::is_empty")]
    pub figures: Figures,
    /// Set when the manifest is gone: the Rollout is on its way out.
    pub retiring: Option<Retiring>,
}

/// Most former stables that are remembered.
pub const FORMER_MAX: usize = 10;

/// A release that ended without promotion and without fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Concluded {
    /// The version.
    pub version: VersionName,
    /// What came of it, with numbers.
    pub result: String,
    /// When.
    pub at: Time,
}

/// A version that was stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Former {
    /// Its name.
    pub version: VersionName,
    /// Until when it was stable.
    pub until: Time,
}

impl State {
    /// The version that was stable before `stable`; none: there was none.
    pub fn before_stable(&self) -> Option<&VersionName> {
        self.former.last().map(|former| &former.version)
    }

    /// Of a Rollout without recorded state: the version in `release:` is stable at once, without steps.
    pub fn initial(plan: &Plan) -> Self {
        let stage = match plan.routing {
            Routing::Managed => Installation::Installing,
            Routing::External { .. } | Routing::Flag { .. } => Installation::Serving,
        };
        let installed = plan.versions.iter().map(|v| (v.name.clone(), Installed { backend: v.backend.clone(), stage: stage.clone() }));
        Self {
            revision: 0,
            stable: plan.release.clone(),
            default_route: DefaultRoute::Settled(plan.release.clone()),
            installed: installed.collect(),
            attempt: 0,
            epoch: 0,
            run: None,
            previous: None,
            refused: None,
            concluded: None,
            former: Vec::new(),
            thresholds: None,
            figures: Figures::default(),
            retiring: None,
        }
    }

    /// Whether clusters and routes of this version are in place everywhere.
    pub fn serving(&self, version: &VersionName) -> bool {
        self.installed.get(version).is_some_and(|installed| installed.stage == Installation::Serving)
    }

    /// What a glance needs. A run that waits for an operator (a pause without end, or a hold) is Paused.
    pub fn phase(&self, plan: &Plan) -> Phase {
        match &self.run {
            None if self.refused.as_ref().is_some_and(|refused| refused.version == plan.release) => Phase::Degraded,
            None => Phase::Healthy,
            Some(run) => match run.stage.ending() {
                Some(Ending::Refused { .. }) => Phase::Degraded,
                Some(Ending::RolledBack | Ending::Superseded | Ending::Deleted | Ending::Concluded { .. }) => Phase::Progressing,
                None if run.paused.is_some() => Phase::Paused,
                // It runs away from a refused release.
                None if self.refused.as_ref().is_some_and(|refused| refused.version == plan.release) => Phase::Degraded,
                None if run.stage.step().and_then(|step| plan.steps.get(step)).is_some_and(Step::waits_for_an_operator) => Phase::Paused,
                None => Phase::Progressing,
            },
        }
    }
}

/// What the default route names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum DefaultRoute {
    /// Every proxy has it: the filter may leave the route header out for this version.
    Settled(VersionName),
    /// On its way to this version: the header is always written.
    Changing {
        /// The new one.
        to: VersionName,
    },
}

impl DefaultRoute {
    /// The version that the route should name.
    pub fn target(&self) -> &VersionName {
        match self {
            DefaultRoute::Settled(version) | DefaultRoute::Changing { to: version } => version,
        }
    }
}

/// A version with a cluster and a route of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Installed {
    /// Where it runs, as last accepted; kept while it leaves although the manifest no longer says it.
    pub backend: Backend,
    /// How far it is.
    pub stage: Installation,
}

/// How far a version is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Installation {
    /// Cluster and route are on their way; nothing may name it yet.
    Installing,
    /// In place everywhere: may be named.
    Serving,
    /// No longer in the manifest and no longer named; goes when that is proved and its requests have ended.
    Leaving {
        /// Since when.
        since: Time,
    },
}

/// One execution of the strategy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// The version being released.
    pub candidate: VersionName,
    /// When it started.
    pub started: Time,
    /// The split of this attempt; ranges of the candidate only, what they leave over is stable's.
    pub ranges: Vec<Range>,
    /// The candidate's share of keys.
    pub weight: Weight,
    /// Where it is.
    pub stage: Stage,
    /// Since when it is there.
    pub since: Time,
    /// A hold, by command or by a deadline.
    pub paused: Option<Paused>,
    /// The last epoch in which the analysis passed, or an operator went on without it.
    pub passed: Option<u64>,
    /// The epoch in which an operator went on although it fails, past the point of no return.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regardless: Option<u64>,
    /// True on the way back to an old version that was still warm: without steps, and not judged, because the other way leads to
    /// what it flees from.
    #[serde(default)]
    pub returning: bool,
    /// How warm the instances are that users meet.
    #[serde(default, skip_serializing_if = "Warmed::is_cold")]
    pub warmed: Warmed,
    /// Since when requests are held (recreate): no version answers until the run ends, one way or the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Time>,
    /// How many instances each side has, as far as they are ours.
    #[serde(default)]
    pub sizes: Sizes,
    /// A fresh copy of stable while an experiment runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineName>,
    /// Further versions that this run has given keys to: they stay until it is over.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub arms: BTreeSet<VersionName>,
    /// The step that follows the installation; not the first when an operator restarted from a later one.
    #[serde(default)]
    pub first_step: usize,
    /// Set when this run replaces one that could not go back: the keys of that run stay where they are until this candidate takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_from: Option<VersionName>,
}

/// Shares of full size, as of the last step that scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sizes {
    /// The candidate's.
    pub candidate: Weight,
    /// Stable's.
    pub stable: Weight,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { candidate: Weight::ALL, stable: Weight::ALL }
    }
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Paused {
    /// Since when.
    pub at: Time,
    /// Why, and by whom.
    pub reason: String,
}

/// The old version after a promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Previous {
    /// Its name.
    pub version: VersionName,
    /// Warm until then; what is past only waits until no proxy can use it any more.
    pub until: Time,
    /// How many instances it keeps, as a share of full size.
    #[serde(default = "all")]
    pub size: Weight,
}

fn all() -> Weight {
    Weight::ALL
}

/// A refused release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// The version.
    pub version: VersionName,
    /// Why, with numbers.
    pub reason: String,
    /// When.
    pub at: Time,
}

/// A Rollout whose manifest is gone, after its run has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Retiring {
    /// The run is being ended.
    EndingRun,
    /// The service leaves the policy.
    LeavingPolicy,
    /// Routes and clusters are taken away.
    LeavingRoutes,
    /// Nothing of it is left: the store may forget it.
    Gone,
}

/// What a glance needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub enum Phase {
    /// `release:` is stable.
    Healthy,
    /// A run is on its way.
    Progressing,
    /// A run waits for an operator.
    Paused,
    /// `release:` was refused.
    Degraded,
    /// A proxy refuses its clusters or routes: what was accepted before stays in force. Set by the platform.
    Rejected,
}
