//! Rollouts as people and pipelines see them, and what they did.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_core::call::CallView;
use shunt_core::journal::ReleaseAsked;
use shunt_core::replay::Incident;
use shunt_core::status::{HistoryEntry, RolloutStatus};
use shunt_filter_core::{RolloutId, RoutingPolicy};
use shunt_spec::manifest::ManifestError;

use crate::app::{App, ControlRequest, RolloutNow};
use crate::body::QueryParams;
use crate::health::Notice;
use crate::problem::Problem;
use crate::requests::read;

/// Entries of a history when nothing is said.
const HISTORY_DEFAULT: usize = 50;
/// Most entries of a history in one answer.
const HISTORY_MAX: usize = 1_000;

/// `GET /v1/rollouts`, and each event of `GET /v1/watch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutList {
    /// In order of id.
    pub rollouts: Vec<RolloutStatus>,
    /// What is wrong with the manifests as they are now; their last good versions keep running.
    pub problems: Vec<ManifestError>,
    /// What an operator should know about the control plane as a whole.
    #[serde(default)]
    pub notices: Vec<Notice>,
}

/// `GET /v1/rollouts/{namespace}/{name}/history`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// Oldest first.
    pub entries: Vec<HistoryEntry>,
    /// Gates and hooks since the first of these entries, oldest first, with what came of each.
    #[serde(default)]
    pub calls: Vec<CallView>,
    /// Releases and rollbacks that were asked for through the API since the first of these entries, oldest first.
    #[serde(default)]
    pub releases: Vec<ReleaseAsked>,
}

/// `?limit=`
#[derive(Debug, Deserialize)]
pub(crate) struct HistoryQuery {
    limit: Option<usize>,
}

/// All that can be shown at this moment; of one Rollout only, when `only` names it.
pub(crate) fn list_now(app: &App, only: Option<&RolloutId>) -> RolloutList {
    let wanted = |id: &RolloutId| only.is_none_or(|only| only == id);
    let rollouts = app.rollouts.borrow().iter().filter(|now| wanted(&now.view.id)).map(|now| now.view.clone()).collect();
    let about = |problem: &&ManifestError| only.is_none() || problem.rollout.as_ref() == only;
    let problems = app.problems.borrow().iter().filter(about).cloned().collect();
    RolloutList { rollouts, problems, notices: app.notices.borrow().to_vec() }
}

/// The Rollout of these path parameters.
pub(crate) fn find(app: &App, namespace: &str, name: &str) -> Result<Arc<RolloutNow>, Problem> {
    let all = app.rollouts.borrow();
    if all.is_empty() && !*app.ready.borrow() {
        // Nothing is read yet: what is not known may be there all the same.
        return Err(Problem::Starting);
    }
    let found = all.iter().find(|now| now.view.id.namespace() == namespace && now.view.id.name() == name);
    found.cloned().ok_or_else(|| Problem::UnknownRollout {
        id: format!("{namespace}/{name}"),
        known: all.iter().map(|now| now.view.id.clone()).collect(),
    })
}

/// `GET /v1/rollouts`
pub(crate) async fn list(State(app): State<App>) -> Json<RolloutList> {
    Json(list_now(&app, None))
}

/// `GET /v1/rollouts/{namespace}/{name}/history?limit=`. Also of a Rollout that is gone: its journal outlives it.
pub(crate) async fn history(
    State(app): State<App>,
    Path((namespace, name)): Path<(String, String)>,
    QueryParams(query): QueryParams<HistoryQuery>,
) -> Result<Json<History>, Problem> {
    let rollout = RolloutId::new(&namespace, &name).map_err(|error| Problem::Unreadable(error.to_string()))?;
    let limit = query.limit.unwrap_or(HISTORY_DEFAULT).min(HISTORY_MAX);
    let history = read(&app, |reply| ControlRequest::History { rollout, limit, reply }).await?;
    if history.entries.is_empty() {
        find(&app, &namespace, &name)?;
    }
    Ok(Json(history))
}

/// `GET /v1/rollouts/{namespace}/{name}/journal?limit=`: the history with all that is needed to run it again elsewhere.
pub(crate) async fn journal(
    State(app): State<App>,
    Path((namespace, name)): Path<(String, String)>,
    QueryParams(query): QueryParams<HistoryQuery>,
) -> Result<Json<Incident>, Problem> {
    let rollout = RolloutId::new(&namespace, &name).map_err(|error| Problem::Unreadable(error.to_string()))?;
    let limit = query.limit.unwrap_or(HISTORY_MAX).min(HISTORY_MAX);
    let incident = read(&app, |reply| ControlRequest::Incident { rollout, limit, reply }).await?;
    if incident.entries.is_empty() {
        find(&app, &namespace, &name)?;
    }
    Ok(Json(incident))
}

/// `GET /v1/policy`: as last published, without what signs keys.
pub(crate) async fn policy(State(app): State<App>) -> Json<RoutingPolicy> {
    Json(RoutingPolicy::clone(&app.policy.borrow()).redacted())
}
