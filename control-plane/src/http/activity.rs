//! Whether anything is asked on a connection: one on which nothing is, however lively it looks, only takes a place.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use futures::StreamExt;
use tokio::sync::watch;
use tokio::time::timeout;

/// Bytes of an answer that fit into a socket's buffers.
const SMALL: u64 = 64 * 1024;

/// Requests that are open on one connection. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    open: Arc<watch::Sender<usize>>,
}

impl Default for Activity {
    fn default() -> Self {
        Self { open: Arc::new(watch::channel(0).0) }
    }
}

/// One of them; it is over when the last byte of its answer was handed on.
struct Open(Arc<watch::Sender<usize>>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open = open.saturating_sub(1));
    }
}

impl Activity {
    /// The same service, with its requests noted here.
    pub(super) fn watched(&self, router: Router) -> Router {
        let activity = self.clone();
        router.layer(from_fn(move |request: Request, next: Next| {
            let open = activity.begin();
            async move { hold(open, next.run(request).await) }
        }))
    }

    fn begin(&self) -> Open {
        self.open.send_modify(|open| *open += 1);
        Open(self.open.clone())
    }

    /// Ends when no request was open for so long.
    pub(super) async fn idle(&self, limit: Duration) {
        let mut seen = self.open.subscribe();
        loop {
            // The sender lives as long as this.
            drop(seen.wait_for(|open| *open == 0).await);
            if timeout(limit, seen.changed()).await.is_err() {
                return;
            }
        }
    }
}

/// Small answers are handed on at once, and keep their length.
fn hold(open: Open, response: Response) -> Response {
    if response.body().size_hint().exact().is_some_and(|length| length <= SMALL) {
        return response;
    }
    response.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |piece| {
            let _open = &open;
            piece
        }))
    })
}
