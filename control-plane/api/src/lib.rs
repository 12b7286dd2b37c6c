//! The HTTP API of the control plane: what people, pipelines and the filters talk to.
//!
//! Nothing here changes a Rollout: commands are handed to the process ([`App::requests`]), which records them for `advance`.
//! [`router`] has all paths; errors are `application/problem+json` ([`problem::Problem`]) and say what to do next.

pub mod access;
pub mod access_store;
pub mod app;
mod arrival;
mod authorize;
mod body;
pub mod commands;
pub mod explain;
pub mod freeze;
mod health;
pub mod limits;
pub mod logs;
mod manifests;
pub mod memory;
pub mod metrics;
pub mod openapi;
mod origin_check;
mod peer;
pub mod problem;
pub mod proxies;
pub mod recovery;
pub mod refusal;
pub mod registrations;
mod reports;
mod requests;
pub mod rollouts;
mod routes;
mod scrape;
pub mod shares;
mod stream;
pub mod tokens;
mod wait;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn;

pub use access::{Access, Actor, Role, Token, TokenHash};
pub use access_store::AccessRequest;
pub use app::{Accepted, App, ControlRequest, Post, ProxyStatus, Registered, Rejection, Reply, RolloutNow, Sender};
pub use health::{Notice, Severity};
pub use limits::{Lane, Limits};
pub use memory::{Budgets, Memory};
pub use metrics::Metrics;
pub use peer::{Peer, Transport};
pub use problem::{Problem, ProblemBody};
pub use refusal::{InstanceRefused, RecoveryRefused, Refusal, RefusalCode, TokenRefused};

/// All routes of the API; see `routes.rs` for the table.
pub fn router(app: App) -> Router {
    let routes = routes::guarded(&app).fallback(unknown_path).method_not_allowed_fallback(wrong_method);
    routes.layer(from_fn(origin_check::own_name)).with_state(app)
}

async fn unknown_path(request: Request) -> Problem {
    Problem::UnknownPath(request.uri().path().to_owned())
}

async fn wrong_method(request: Request) -> Problem {
    Problem::Method(format!("{} {}", request.method(), request.uri().path()))
}
