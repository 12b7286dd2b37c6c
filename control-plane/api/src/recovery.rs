//! `/v1/recovery`: the states of all Rollouts made anew from what proxies run, after the store was lost.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_core::recovery::Running;
use shunt_filter_core::RolloutId;
use shunt_spec::schema::filter;

use crate::access::Actor;
use crate::app::{App, ControlRequest};
use crate::body::Body;
use crate::problem::Problem;
use crate::requests::submit;

/// What was seen at proxies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecoveryBody {
    /// What each proxy runs, in any order.
    pub running: Vec<Running>,
    /// Rollouts for which an operator confirmed what follows from it. Nothing is done unless these are all of them; empty: to look.
    #[serde(default)]
    #[schemars(with = "BTreeSet<filter::RolloutId>")]
    pub confirmed: BTreeSet<RolloutId>,
}

/// What follows from what proxies run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recovery {
    /// The next generation.
    pub generation: u64,
    /// All Rollouts, in order of id.
    pub rollouts: Vec<RecoveredRollout>,
    /// Whether it was done.
    pub done: bool,
}

/// What becomes of one Rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveredRollout {
    /// Which.
    #[schemars(with = "filter::RolloutId")]
    pub id: RolloutId,
    /// For people: who is stable, who keeps what, what waits.
    pub message: String,
}

/// `POST /v1/recovery`
pub(crate) async fn recover(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Body(body): Body<RecoveryBody>,
) -> Result<Json<Recovery>, Problem> {
    let by = actor.by("");
    Ok(Json(submit(&app, |reply| ControlRequest::Recover { body, by, reply }).await?))
}
