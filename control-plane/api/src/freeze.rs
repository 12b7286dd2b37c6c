//! `/v1/freeze`: nothing goes forward, anywhere, until an operator ends it. Aborts and rollbacks work.

use axum::extract::State;
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_core::observation::Freeze;
use shunt_spec::Time;

use crate::access::Actor;
use crate::app::{App, ControlRequest};
use crate::body::{Body, one_line};
use crate::problem::Problem;
use crate::requests::submit;

/// Who freezes, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FreezeBody {
    /// Who asks; empty: `api`.
    #[serde(default)]
    pub by: String,
    /// Why, for operators who find it. Required.
    pub reason: String,
}

pub(crate) async fn get(State(app): State<App>) -> Json<Freeze> {
    let freeze = app.freeze.borrow().clone();
    Json(freeze)
}

pub(crate) async fn put(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Body(body): Body<FreezeBody>,
) -> Result<Json<Freeze>, Problem> {
    if body.reason.trim().is_empty() {
        return Err(Problem::Unreadable("reason is empty: say why, everybody whose release stands still will ask".to_owned()));
    }
    let (by, reason) = (actor.by(&one_line(&body.by)), one_line(&body.reason));
    actor.does("freeze", reason.clone());
    // The process knows the time.
    let wanted = Freeze::On { by, reason, since: Time::default() };
    Ok(Json(submit(&app, |reply| ControlRequest::Freeze { freeze: wanted, reply }).await?))
}

pub(crate) async fn delete(State(app): State<App>) -> Result<Json<Freeze>, Problem> {
    Ok(Json(submit(&app, |reply| ControlRequest::Freeze { freeze: Freeze::Off, reply }).await?))
}
