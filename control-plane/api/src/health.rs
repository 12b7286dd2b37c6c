//! Whether the process lives, and whether it is ready.

use axum::extract::State;
use axum::http::StatusCode;

use crate::app::App;

/// `GET /healthz`: the process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: state is read, all Rollouts have contributed, xDS is served.
pub(crate) async fn readyz(State(app): State<App>) -> (StatusCode, &'static str) {
    if *app.stopping.borrow() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if *app.ready.borrow() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "starting: not every Rollout has contributed to the policy yet\n")
    }
}
