//! Takes the posts of the filters: quickly, tolerantly, and never more than can be worked on.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use shunt_filter_core::report::Report;
use tokio::sync::mpsc::error::TrySendError;

use crate::app::App;
use crate::peer::Peer;
use crate::problem::Problem;

/// Longest report that is read, bytes: some 5,000 services with counters and a few hundred under analysis.
pub(crate) const REPORT_MAX: usize = 8 * 1024 * 1024;

/// Longest node id and VM id, bytes.
const ID_MAX: usize = 512;

/// `POST /v1/reports`. Any content type; unknown fields are ignored (an older control plane must live with a newer filter). A proxy
/// reports only for itself: its connection must speak for the node.
pub(crate) async fn post(
    State(app): State<App>,
    peer: Option<Extension<Peer>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let body = body.map_err(|rejection| too_large(&rejection))?;
    let report: Report = serde_json::from_slice(&body).map_err(|error| unreadable(&format!("not a report: {error}")))?;
    for (name, id) in [("node", &report.node), ("vm", &report.vm)] {
        if id.is_empty() || id.len() > ID_MAX || id.chars().any(char::is_control) {
            return Err(unreadable(&format!("{name}: must be 1 to {ID_MAX} printable bytes")));
        }
    }
    peer.unwrap_or_default().caller.may_be(&report.node)?;
    match app.reports.try_send(report) {
        Ok(()) => {
            app.metrics.reports_taken.inc();
            Ok(StatusCode::NO_CONTENT)
        }
        Err(TrySendError::Full(_)) => {
            app.metrics.reports_refused.inc();
            Err(Problem::Busy("reports"))
        }
        Err(TrySendError::Closed(_)) => Err(Problem::NoAnswer),
    }
}

fn too_large(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { Problem::TooLarge(REPORT_MAX) } else { unreadable(&rejection.body_text()) }
}

fn unreadable(what: &str) -> Problem {
    tracing::debug!(what, "a report was refused");
    Problem::Unreadable(what.to_owned())
}
