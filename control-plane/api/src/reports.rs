//! Takes the posts of the filters: quickly, tolerantly, and never more than can be worked on.
//!
//! First whether the connection speaks for the node, by the first fields of the report; then whether there is memory for what it says;
//! each list in it is bounded while it is read ([`shunt_filter_core::report`]).

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use shunt_core::identity::Caller;
use shunt_filter_core::footprint::Footprint;
use shunt_filter_core::report::Report;
use tokio::sync::mpsc::error::TrySendError;

use crate::app::{App, Post, Sender};
use crate::peer::Peer;
use crate::problem::Problem;

/// Longest report that is read, bytes: some 5,000 services with counters and a few hundred under analysis.
pub(crate) const REPORT_MAX: usize = 8 * 1024 * 1024;

/// Longest node id and VM id, bytes.
const ID_MAX: usize = 512;

/// Whose report it is; the rest is passed over.
#[derive(Deserialize)]
struct Head {
    node: String,
    vm: String,
}

/// `POST /v1/reports`. Any content type; unknown fields are ignored (an older control plane must live with a newer filter). A proxy
/// reports only for itself: its connection must speak for the node.
pub(crate) async fn post(State(app): State<App>, peer: Option<Extension<Peer>>, body: Bytes) -> Result<StatusCode, Problem> {
    let Head { node, vm } = read(&body)?;
    for (name, id) in [("node", &node), ("vm", &vm)] {
        if id.is_empty() || id.len() > ID_MAX || id.chars().any(char::is_control) {
            return Err(Problem::Unreadable(format!("{name}: must be 1 to {ID_MAX} printable bytes")));
        }
    }
    let caller = peer.unwrap_or_default().0.caller;
    caller.may_be(&node)?;
    let sender = match caller {
        Caller::Certified(_) => Sender::Certified,
        Caller::Local | Caller::Unknown => Sender::Uncertified,
    };
    take(&app, &node, sender, &body).inspect_err(|problem| app.memory.refuse(&node, &problem.to_string(), (app.access.now)()))
}

fn take(app: &App, node: &str, sender: Sender, body: &[u8]) -> Result<StatusCode, Problem> {
    let report: Report = read(body)?;
    let room = app.memory.take(node, sender, report.footprint())?;
    match app.reports.try_send(Post { report, sender, room }) {
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

fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        tracing::debug!(%error, "a report was refused");
        Problem::Unreadable(format!("not a report: {error}"))
    })
}
