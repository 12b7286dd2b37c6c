//! Whether the process lives, whether it is ready, and what an operator should know about it.

use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;

/// Something about the control plane as a whole that an operator should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// What follows from it.
    pub severity: Severity,
    /// What is wrong and what to do, for people.
    pub message: String,
}

/// What follows from a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The control plane does its work.
    Warning,
    /// It does not, or not all of it: `/readyz` answers 503.
    NotReady,
}

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: state is read, all Rollouts have contributed, xDS is served, and nothing keeps the control plane from its work.
/// Warnings stand below.
pub(crate) async fn readyz(State(app): State<App>) -> (StatusCode, String) {
    let notices = app.notices.borrow().clone();
    let failures: Vec<&str> =
        notices.iter().filter(|notice| notice.severity == Severity::NotReady).map(|notice| notice.message.as_str()).collect();
    let (status, word) = if *app.stopping.borrow() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned())
    } else if !failures.is_empty() {
        (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", failures.join("\nnot ready: ")))
    } else if *app.ready.borrow() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting: not every Rollout has contributed to the policy yet\n".to_owned())
    };
    let warnings = notices.iter().filter(|notice| notice.severity == Severity::Warning);
    (status, warnings.fold(word, |text, notice| format!("{text}warning: {}\n", notice.message)))
}
