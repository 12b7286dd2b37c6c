//! What people and pipelines ask of a Rollout.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use shunt_core::Verb;
use shunt_filter_core::VersionName;

use crate::app::{Accepted, App, Ask};
use crate::ask::ask;
use crate::body::{Body, one_line};
use crate::problem::Problem;
use crate::rollouts::find;

/// `POST /v1/rollouts/{namespace}/{name}/commands`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommandBody {
    /// What to do.
    pub verb: Verb,
    /// The revision its author saw; refused when the Rollout has moved on. None: whatever it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// Why, in the author's words.
    #[serde(default)]
    pub reason: String,
    /// Who asks; empty: `api`. Not checked: whoever reaches a loopback address is trusted.
    #[serde(default)]
    pub by: String,
}

/// `POST /v1/rollouts/{namespace}/{name}/release`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseBody {
    /// The version that should be stable.
    pub version: VersionName,
    /// Who asks; empty: `api`.
    #[serde(default)]
    pub by: String,
}

fn author(by: &str) -> String {
    let by = one_line(by);
    if by.is_empty() { "api".to_owned() } else { by }
}

/// `POST .../commands`
pub(crate) async fn command(
    State(app): State<App>,
    Path((namespace, name)): Path<(String, String)>,
    Body(body): Body<CommandBody>,
) -> Result<Json<Accepted>, Problem> {
    let rollout = find(&app, &namespace, &name)?.view.id.clone();
    let CommandBody { verb, revision, .. } = body;
    let (by, reason) = (author(&body.by), one_line(&body.reason));
    Ok(Json(ask(&app, |reply| Ask::Command { rollout, verb, revision, by, reason, reply }).await?))
}

/// `POST .../release`
pub(crate) async fn release(
    State(app): State<App>,
    Path((namespace, name)): Path<(String, String)>,
    Body(body): Body<ReleaseBody>,
) -> Result<Json<Accepted>, Problem> {
    let rollout = find(&app, &namespace, &name)?.view.id.clone();
    let (version, by) = (body.version, author(&body.by));
    Ok(Json(ask(&app, |reply| Ask::Release { rollout, version, by, reply }).await?))
}
