//! What people and pipelines see of a Rollout.

use serde::{Deserialize, Serialize};
use shunt_filter_core::{RolloutId, VersionName, Weight};

use crate::analysis::Verdict;
use crate::observation::{Delivery, Observation};
use crate::plan::Plan;
use crate::state::{Phase, State};
use crate::time::Time;

/// One Rollout, ready to be shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolloutView {
    /// Which.
    pub id: RolloutId,
    /// At a glance.
    pub phase: Phase,
    /// One sentence: what it does or waits for, with numbers.
    pub message: String,
    /// The state's revision; commands name it.
    pub revision: u64,
    /// Number of the last attempt.
    pub attempt: u64,
    /// Gets all that nothing else claims.
    pub stable: VersionName,
    /// What the manifest asks for.
    pub release: VersionName,
    /// The version being released.
    pub candidate: Option<VersionName>,
    /// Where the run is among its steps.
    pub step: Option<StepView>,
    /// All versions, in the manifest's order, leaving ones last.
    pub versions: Vec<VersionView>,
    /// The analysis at its last look.
    pub verdicts: Vec<Verdict>,
    /// How far the policy has come.
    pub policy: Delivery,
    /// How far clusters and routes have come.
    pub routes: Delivery,
    /// Requests another version answered than was decided, or none.
    pub misrouted: u64,
    /// What somebody should know: conflicts, refused manifests, silent proxies.
    pub warnings: Vec<String>,
    /// When the view was made.
    pub at: Time,
}

/// Where a run is among its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepView {
    /// Counted from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// As written: `setWeight 5 %`.
    pub text: String,
    /// When the run came to where it is.
    pub since: Time,
}

/// One version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionView {
    /// Its name.
    pub name: VersionName,
    /// stable, candidate, previous, refused, leaving, or idle.
    pub role: String,
    /// Share of keys the split gives it.
    pub weight: Weight,
    /// Measured share of requests in this epoch, percent; none: no requests yet.
    pub share: Option<f64>,
    /// Ended requests in all, as far as reported.
    pub requests: u64,
    /// Failed ones.
    pub failed: u64,
    /// In flight.
    pub open: u64,
}

/// The view of one Rollout at one moment.
pub fn view(_plan: &Plan, _state: &State, _seen: &Observation) -> RolloutView {
    todo!()
}
