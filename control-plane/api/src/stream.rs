//! Server-sent events: the Rollouts now, and again whenever one of them changes.

use std::convert::Infallible;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use futures::stream::unfold;
use serde::Deserialize;
use shunt_filter_core::RolloutId;

use crate::app::App;
use crate::body::QueryParams;
use crate::problem::Problem;
use crate::rollouts::{find, list_now};

/// `?rollout=<namespace>/<name>`
#[derive(Debug, Deserialize)]
pub(crate) struct WatchQuery {
    rollout: Option<RolloutId>,
}

/// `GET /v1/watch`: events named `rollouts`, each a whole [`crate::rollouts::RolloutList`]. A client that is too slow misses
/// states in between, never the last one. Ends when the process ends.
pub(crate) async fn watch(
    State(app): State<App>,
    QueryParams(query): QueryParams<WatchQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    if let Some(id) = &query.rollout {
        find(&app, id.namespace(), id.name())?;
    }
    let watching = Watching { app, only: query.rollout, last: None };
    Ok(Sse::new(unfold(watching, Watching::next)).keep_alive(KeepAlive::default()))
}

struct Watching {
    app: App,
    only: Option<RolloutId>,
    last: Option<String>,
}

impl Watching {
    /// The next event; none when the process ends. Changes that concern other Rollouts are left out.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if *self.app.stopping.borrow_and_update() {
                return None;
            }
            self.app.rollouts.mark_unchanged();
            self.app.problems.mark_unchanged();
            let text = serde_json::to_string(&list_now(&self.app, self.only.as_ref())).unwrap_or_default();
            if self.last.as_ref() != Some(&text) {
                let event = Event::default().event("rollouts").data(&text);
                self.last = Some(text);
                return Some((Ok(event), self));
            }
            let changed = tokio::select! {
                changed = self.app.rollouts.changed() => changed,
                changed = self.app.problems.changed() => changed,
                changed = self.app.stopping.changed() => changed,
            };
            changed.ok()?;
        }
    }
}
