//! The HTTP API of the control plane: what people, pipelines and the filters talk to.
//!
//! Nothing here changes a Rollout: commands are handed to the process ([`App::asks`]), which records them for `advance`.
//! [`router`] has all paths; errors are `application/problem+json` ([`problem::Problem`]) and say what to do next.

pub mod app;
mod ask;
mod body;
pub mod commands;
pub mod explain;
mod guard;
mod health;
pub mod metrics;
mod peer;
pub mod problem;
pub mod proxies;
mod reports;
pub mod rollouts;
mod scrape;
mod stream;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::from_fn;
use axum::routing::{delete, get, post};

pub use app::{Accepted, App, Ask, ProxyView, Refusal, Rejection, Reply, RolloutNow};
pub use metrics::Metrics;
pub use peer::Peer;
pub use problem::{Problem, ProblemBody};

/// All routes of the API.
pub fn router(app: App) -> Router {
    let reports = Router::new().route(shunt_filter_core::names::REPORT_PATH, post(reports::post));
    Router::new()
        .route("/v1/rollouts", get(rollouts::list))
        .route("/v1/rollouts/{namespace}/{name}", get(rollouts::get))
        .route("/v1/rollouts/{namespace}/{name}/commands", post(commands::command))
        .route("/v1/rollouts/{namespace}/{name}/release", post(commands::release))
        .route("/v1/rollouts/{namespace}/{name}/history", get(rollouts::history))
        .route("/v1/rollouts/{namespace}/{name}/journal", get(rollouts::journal))
        .route("/v1/proxies", get(proxies::list))
        .route("/v1/proxies/{node}", delete(proxies::forget))
        .route("/v1/policy", get(rollouts::policy))
        .route("/v1/explain", post(explain::explain))
        .route("/v1/watch", get(stream::watch))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(scrape::metrics))
        .layer(DefaultBodyLimit::max(body::BODY_MAX))
        .merge(reports.layer(DefaultBodyLimit::max(reports::REPORT_MAX)))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(guard::same_machine))
        .with_state(app)
}

async fn unknown_path(request: Request) -> Problem {
    Problem::UnknownPath(request.uri().path().to_owned())
}

async fn wrong_method(request: Request) -> Problem {
    Problem::Method(format!("{} {}", request.method(), request.uri().path()))
}
