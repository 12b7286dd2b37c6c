//! Hands a request to the process and waits for its answer, never for ever.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::app::{App, ControlRequest, Reply};
use crate::problem::Problem;

/// How long the process may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Has something done, or asks what only the process knows now: it comes before all that is only looked at. [`Problem::NoAnswer`] when
/// the process takes longer than 10 s or is ending.
pub(crate) async fn submit<T>(app: &App, request: impl FnOnce(Reply<T>) -> ControlRequest) -> Result<T, Problem> {
    exchange(&app.requests, request).await
}

/// Looks something up in what is recorded: in a queue of its own, so that no number of readers holds up an abort.
pub(crate) async fn read<T>(app: &App, request: impl FnOnce(Reply<T>) -> ControlRequest) -> Result<T, Problem> {
    exchange(&app.reads, request).await
}

async fn exchange<T>(to: &mpsc::Sender<ControlRequest>, request: impl FnOnce(Reply<T>) -> ControlRequest) -> Result<T, Problem> {
    let (reply, answer) = oneshot::channel();
    let exchange = async {
        to.send(request(reply)).await.map_err(|_| Problem::NoAnswer)?;
        answer.await.map_err(|_| Problem::NoAnswer)
    };
    let answer = timeout(PATIENCE, exchange).await.map_err(|_| Problem::NoAnswer)??;
    Ok(answer?)
}
