//! What people and pipelines ask of a Rollout.

use axum::extract::{Path, State};
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shunt_core::Verb;
use shunt_filter_core::VersionName;
use shunt_spec::schema::filter;

use crate::access::Actor;
use crate::app::{Accepted, App, ControlRequest, RolloutNow};
use crate::body::{Body, one_line};
use crate::problem::Problem;
use crate::refusal::Refusal;
use crate::requests::submit;
use crate::rollouts::find;

/// `POST /v1/rollouts/{namespace}/{name}/commands`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// Who asks; empty: `api`. A token's name takes its place: this counts only while there are no tokens.
    #[serde(default)]
    pub by: String,
    /// True: also where an A/B test is undecided, or speaks against the promotion; refused with 409 otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirm: bool,
}

/// `POST /v1/rollouts/{namespace}/{name}/release`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseBody {
    /// The version that should be stable.
    #[schemars(with = "filter::VersionName")]
    pub version: VersionName,
    /// Why, in the author's words: for history and audit.
    #[serde(default)]
    pub reason: String,
    /// Who asks; empty: `api`.
    #[serde(default)]
    pub by: String,
}

/// `POST /v1/rollouts/{namespace}/{name}/rollback`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollbackBody {
    /// The version to go back to. None: the stable one while a release runs, else the one that was stable before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::VersionName>")]
    pub to: Option<VersionName>,
    /// Why, in the author's words: for history and audit.
    #[serde(default)]
    pub reason: String,
    /// Who asks; empty: `api`.
    #[serde(default)]
    pub by: String,
}

/// `POST .../commands`
pub(crate) async fn command(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path((namespace, name)): Path<(String, String)>,
    Body(body): Body<CommandBody>,
) -> Result<Json<Accepted>, Problem> {
    let rollout = find(&app, &namespace, &name)?.view.id.clone();
    let CommandBody { verb, revision, confirm, .. } = body;
    let (by, reason) = (actor.by(&one_line(&body.by)), one_line(&body.reason));
    actor.does(word(verb), reason.clone());
    Ok(Json(submit(&app, |reply| ControlRequest::Command { rollout, verb, revision, by, reason, confirm, reply }).await?))
}

/// `POST .../release`
pub(crate) async fn release(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path((namespace, name)): Path<(String, String)>,
    Body(body): Body<ReleaseBody>,
) -> Result<Json<Accepted>, Problem> {
    let rollout = find(&app, &namespace, &name)?.view.id.clone();
    let (version, by, reason) = (body.version, actor.by(&one_line(&body.by)), one_line(&body.reason));
    actor.does("release", with_reason(&version, &reason));
    Ok(Json(submit(&app, |reply| ControlRequest::Release { rollout, version, by, reason, reply }).await?))
}

/// `POST .../rollback`: the release goes back, and with it everybody.
pub(crate) async fn rollback(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Path((namespace, name)): Path<(String, String)>,
    Body(body): Body<RollbackBody>,
) -> Result<Json<Accepted>, Problem> {
    let now = find(&app, &namespace, &name)?;
    let version = body.to.or_else(|| before(&now)).ok_or_else(|| Problem::from(Refusal::NoFormer { stable: now.state.stable.clone() }))?;
    let (rollout, by, reason) = (now.view.id.clone(), actor.by(&one_line(&body.by)), one_line(&body.reason));
    actor.does("rollback", with_reason(&version, &reason));
    Ok(Json(submit(&app, |reply| ControlRequest::Release { rollout, version, by, reason, reply }).await?))
}

fn with_reason(version: &VersionName, reason: &str) -> String {
    if reason.is_empty() { version.to_string() } else { format!("{version}: {reason}") }
}

/// The version to go back to: from a running or refused release the stable one, else the one before it that is still there.
fn before(now: &RolloutNow) -> Option<VersionName> {
    let stable = &now.state.stable;
    if now.state.run.is_some() || now.plan.release != *stable {
        return Some(stable.clone());
    }
    let previous = now.state.previous.iter().map(|previous| &previous.version);
    let former = now.state.former.iter().rev().map(|former| &former.version);
    previous.chain(former).find(|version| *version != stable && now.plan.version(version).is_some()).cloned()
}

/// A verb as it goes over the wire, also one with an argument.
fn word(verb: Verb) -> String {
    match serde_json::to_value(verb) {
        Ok(Value::String(word)) => word,
        Ok(Value::Object(one)) => one.keys().next().cloned().unwrap_or_default(),
        _ => "command".to_owned(),
    }
}
