//! Hands a question to the process and waits for its answer, never for ever.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::app::{App, Ask, Reply};
use crate::problem::Problem;

/// How long the process may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The process's answer; [`Problem::NoAnswer`] when it takes longer than 10 s or is ending.
pub(crate) async fn ask<T>(app: &App, question: impl FnOnce(Reply<T>) -> Ask) -> Result<T, Problem> {
    let (reply, answer) = oneshot::channel();
    let exchange = async {
        app.asks.send(question(reply)).await.map_err(|_| Problem::NoAnswer)?;
        answer.await.map_err(|_| Problem::NoAnswer)
    };
    let answer = timeout(PATIENCE, exchange).await.map_err(|_| Problem::NoAnswer)??;
    Ok(answer?)
}
