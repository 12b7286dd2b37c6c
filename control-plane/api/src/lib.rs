//! The HTTP API of the control plane: what people, pipelines and the filters talk to.
//!
//! Nothing here changes a Rollout: commands are handed to the process ([`App::asks`]), which records them for `advance`.

pub mod app;
pub mod metrics;

pub use app::{Accepted, App, Ask, ProxyView, Refusal, Rejection, RolloutNow};
pub use metrics::Metrics;

/// All routes of the API.
pub fn router(app: App) -> axum::Router {
    axum::Router::new().with_state(app)
}
