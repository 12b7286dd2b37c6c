//! Tokens over HTTP, for admins: made, listed, revoked. And who did what.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::RolloutId;
use shunt_spec::Time;
use shunt_spec::schema::filter;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::access::{Actor, Role, Token};
use crate::access_store::{AccessRequest, AuditEntry, AuditWanted, NewToken, Secret};
use crate::app::{App, Reply};
use crate::body::{Body, QueryParams};
use crate::problem::Problem;
use crate::requests::PATIENCE;

/// Entries of the audit when nothing is said.
const AUDIT_DEFAULT: usize = 50;
/// Most entries of the audit in one answer.
const AUDIT_MAX: usize = 1_000;

/// A token as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenView {
    /// Its name.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// The one Rollout whose instances it may register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::RolloutId>")]
    pub rollout: Option<RolloutId>,
    /// When it was made.
    pub created: Time,
    /// Who made it.
    pub by: String,
    /// From when on it is no longer valid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Time>,
}

impl From<&Token> for TokenView {
    fn from(token: &Token) -> Self {
        let Token { name, role, rollout, created, by, expires, .. } = token.clone();
        Self { name, role, rollout, created, by, expires }
    }
}

/// `GET /v1/tokens`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenList {
    /// In order of name; also those that have expired.
    pub tokens: Vec<TokenView>,
}

/// `GET /v1/audit`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// Newest first.
    pub entries: Vec<AuditEntry>,
    /// Say `before=` this for the next page; none: that was all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// `?before=&rollout=&since=&limit=`
#[derive(Debug, Deserialize)]
pub(crate) struct AuditQuery {
    before: Option<u64>,
    rollout: Option<RolloutId>,
    since: Option<Time>,
    limit: Option<usize>,
}

/// `GET /v1/tokens`
pub(crate) async fn list(State(app): State<App>) -> Json<TokenList> {
    Json(TokenList { tokens: app.access.tokens.borrow().iter().map(TokenView::from).collect() })
}

/// `POST /v1/tokens`
pub(crate) async fn create(
    State(app): State<App>,
    Extension(actor): Extension<Actor>,
    Body(token): Body<NewToken>,
) -> Result<(StatusCode, Json<Secret>), Problem> {
    let by = actor.name().to_owned();
    let bound = token.rollout.as_ref().map(|rollout| format!(" for {rollout}")).unwrap_or_default();
    actor.does("createToken", format!("{} with the role {}{bound}", crate::body::one_line(&token.name), token.role));
    let secret = submit(&app, |reply| AccessRequest::Create { token, by, reply }).await?;
    Ok((StatusCode::CREATED, Json(secret)))
}

/// `DELETE /v1/tokens/{name}`
pub(crate) async fn revoke(State(app): State<App>, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    submit(&app, |reply| AccessRequest::Revoke { name, reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/audit?before=&rollout=&since=&limit=`
pub(crate) async fn audit(State(app): State<App>, QueryParams(query): QueryParams<AuditQuery>) -> Result<Json<Audit>, Problem> {
    let AuditQuery { before, rollout, since, limit } = query;
    let limit = limit.unwrap_or(AUDIT_DEFAULT).clamp(1, AUDIT_MAX);
    let wanted = AuditWanted { before, rollout, since, limit };
    let entries = submit(&app, |reply| AccessRequest::Audit { wanted, reply }).await?;
    let next = if entries.len() < limit { None } else { entries.last().map(|entry| entry.id) };
    Ok(Json(Audit { entries, next }))
}

async fn submit<T>(app: &App, request: impl FnOnce(Reply<T>) -> AccessRequest) -> Result<T, Problem> {
    let (reply, answer) = oneshot::channel();
    let exchange = async {
        app.access.store.send(request(reply)).await.map_err(|_| Problem::NoAnswer)?;
        answer.await.map_err(|_| Problem::NoAnswer)
    };
    Ok(timeout(PATIENCE, exchange).await.map_err(|_| Problem::NoAnswer)???)
}
