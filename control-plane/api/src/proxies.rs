//! Proxies: who they are, how far they have come, and how to say that one is gone.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::{App, ControlRequest, ProxyStatus};
use crate::problem::Problem;
use crate::requests::submit;

/// `GET /v1/proxies`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyList {
    /// Of the policy last published.
    pub generation: u64,
    /// Version of this control plane; the filter that it brings along has the same.
    #[serde(default)]
    pub version: String,
    /// In order of node id.
    pub proxies: Vec<ProxyStatus>,
}

/// `GET /v1/proxies`
pub(crate) async fn list(State(app): State<App>) -> Json<ProxyList> {
    let generation = app.policy.borrow().generation;
    Json(ProxyList { generation, version: env!("CARGO_PKG_VERSION").to_owned(), proxies: app.proxies.borrow().to_vec() })
}

/// `DELETE /v1/proxies/{node}`
pub(crate) async fn forget(State(app): State<App>, Path(node): Path<String>) -> Result<StatusCode, Problem> {
    submit(&app, |reply| ControlRequest::Forget { node, reply }).await?;
    Ok(StatusCode::NO_CONTENT)
}
