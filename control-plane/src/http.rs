//! Serves the API over HTTP.

use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::{Extension, Router};
use futures::{Stream, StreamExt};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use shunt_api::Peer;

use crate::tls::Wire;

/// A client that has not sent its headers by then is not going to.
const HEADERS: Duration = Duration::from_secs(30);

/// A silent HTTP/2 connection is asked whether it lives, and closed when it does not say so in time.
const ALIVE: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(10);

/// Requests that one HTTP/2 connection may have open.
const STREAMS: u32 = 64;

/// Serves until `stop` ends, then lets connections finish what they have begun.
///
/// Not `axum::serve`: a stopping Envoy sends its last report and closes at once, and that report would go with the connection unless
/// half-closed connections are served.
pub(crate) async fn serve(mut incoming: impl Stream<Item = io::Result<Wire>> + Unpin, router: Router, stop: impl Future<Output = ()>) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().half_close(true).timer(TokioTimer::new()).header_read_timeout(HEADERS);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(ALIVE).keep_alive_timeout(ANSWER).max_concurrent_streams(STREAMS);
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let wire = tokio::select! {
            next = incoming.next() => match next {
                Some(Ok(wire)) => wire,
                Some(Err(_)) => continue,
                None => break,
            },
            () = &mut stop => break,
        };
        let peer = Peer { address: wire.address, caller: wire.caller.clone() };
        let service = TowerToHyperService::new(router.clone().layer(Extension(peer)));
        let connection = graceful.watch(builder.serve_connection_with_upgrades(TokioIo::new(wire), service).into_owned());
        // A broken connection is the client's to mend: filters post again, the CLI says so.
        tokio::spawn(async move { drop(connection.await) });
    }
    drop(incoming);
    graceful.shutdown().await;
}
