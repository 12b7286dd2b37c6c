//! Serves the API over HTTP.

mod activity;

use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::{Extension, Router};
use futures::{Stream, StreamExt};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use shunt_api::{Peer, Transport};

use crate::tls::Connection;
use activity::Activity;

/// Requests that one HTTP/2 connection may have open.
const STREAMS: u32 = 64;

/// How long connections may be good for nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// A client that has not sent the headers of its next request by then is not going to. Between requests, too, over HTTP/1.
    pub(crate) headers: Duration,
    /// A connection without an open request is closed after this time; filters post every few seconds.
    pub(crate) idle: Duration,
    /// A silent HTTP/2 connection is asked whether it lives, and closed when it does not say so in time.
    pub(crate) alive: Duration,
    /// How long it may take to say so, and to end.
    pub(crate) answer: Duration,
}

impl Default for Times {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { headers: seconds(30), idle: seconds(60), alive: seconds(30), answer: seconds(10) }
    }
}

/// Serves until `stop` ends, then lets connections finish what they have begun.
///
/// Not `axum::serve`: a stopping Envoy sends its last report and closes at once, and that report would go with the connection unless
/// half-closed connections are served.
pub(crate) async fn serve(
    mut incoming: impl Stream<Item = io::Result<Connection>> + Unpin,
    router: Router,
    times: Times,
    stop: impl Future<Output = ()>,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().half_close(true).timer(TokioTimer::new()).header_read_timeout(times.headers);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(times.alive)
        .keep_alive_timeout(times.answer)
        .max_concurrent_streams(STREAMS);
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            next = incoming.next() => match next {
                Some(Ok(accepted)) => accepted,
                Some(Err(_)) => continue,
                None => break,
            },
            () = &mut stop => break,
        };
        let peer = Peer { address: accepted.address, caller: accepted.caller.clone(), transport: transport(&accepted) };
        let activity = Activity::default();
        let service = TowerToHyperService::new(activity.watched(router.clone().layer(Extension(peer))));
        let connection = graceful.watch(builder.serve_connection_with_upgrades(TokioIo::new(accepted), service).into_owned());
        tokio::spawn(async move {
            tokio::select! {
                // A broken connection is the client's to mend: filters post again, the CLI says so.
                ended = connection => drop(ended),
                () = activity.idle(times.idle) => {}
            }
        });
    }
    drop(incoming);
    graceful.shutdown().await;
}

fn transport(connection: &Connection) -> Transport {
    if connection.is_clear() { Transport::Clear } else { Transport::Tls }
}

#[cfg(test)]
mod tests;
