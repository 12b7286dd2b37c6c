//! The sample shop: an HTTP server that says which version it is and what it was asked, with fault switches.
//!
//! | path | answer |
//! |---|---|
//! | `/live`, `/ready` | 200, or 503 when switched off or stopping |
//! | `/admin/fault` | GET or POST a [`Fault`] |
//! | `/admin/counts` | GET [`Counts`]; DELETE sets them to zero |
//! | `/admin/requests` | GET the last requests as [`Seen`], oldest first |
//! | `/ws` | WebSocket echo |
//! | `/stream?chunks=5&ms=100&bytes=10` | a body in pieces |
//! | `/events?ms=100` | server-sent events, until the shop stops |
//! | `/slow?ms=1000` | [`Seen`], later |
//! | `/reply?status=503&header=cache-control:public&size=10` | that status, those headers, that many bytes |
//! | `/reset`, `/reset-body` | the connection breaks before, or in the middle of, the reply |
//! | any, with `content-type: application/grpc` | status 200 and `grpc-status` from header `x-want-grpc-status` or path `/…/Status<n>` |
//! | `/…/Talk`, with that content type | each message comes back, until the caller ends or the shop stops (`grpc-status: 14`) |
//! | any other | [`Seen`] as JSON |
//!
//! Every reply carries `x-version`, one to a request with feature flags those in `x-flags`, one that a fault made also `x-injected: 1`. Speaks HTTP/1.1 and h2c.

mod answer;
mod counts;
mod fault;
mod lasting;
mod seen;
mod socket;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use counts::Counts;
pub use fault::Fault;
pub use seen::{Seen, SeenHeader};

/// How a shop runs.
#[derive(Debug, Clone)]
pub struct ShopOptions {
    /// Its version, in every reply.
    pub version: String,
    /// Where it listens; port 0: the kernel chooses.
    pub address: SocketAddr,
    /// How long requests in progress may take after the order to stop.
    pub grace: Duration,
    /// How long it goes on taking requests after the order to stop (what a `preStop` sleep does); `/ready` says 503 meanwhile.
    pub linger: Duration,
    /// Headers whose values are counted, beside all that start with `x-shunt-`.
    pub watch: Vec<String>,
    /// The faults it starts with.
    pub fault: Fault,
}

impl ShopOptions {
    /// A healthy one on a port that the kernel chooses.
    pub fn new(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            grace: Duration::from_secs(10),
            linger: Duration::ZERO,
            watch: Vec::new(),
            fault: Fault::default(),
        }
    }
}

/// What all connections of one shop share.
#[derive(Debug)]
struct State {
    version: String,
    fault: fault::Switches,
    counts: counts::Book,
    stopping: AtomicBool,
    stop: watch::Sender<bool>,
    /// Number of open WebSockets.
    sockets: watch::Sender<usize>,
}

/// A shop in this process, for tests that need many, or need them fast.
#[derive(Debug)]
pub struct LocalShop {
    address: SocketAddr,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

impl LocalShop {
    /// Starts a healthy one on a port that the kernel chooses.
    pub async fn start(version: &str) -> Result<Self> {
        Self::with(ShopOptions::new(version)).await
    }

    /// Starts one with options.
    pub async fn with(options: ShopOptions) -> Result<Self> {
        let listener = TcpListener::bind(options.address).await.with_context(|| format!("listening on {}", options.address))?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            version: options.version,
            fault: fault::Switches::new(options.fault),
            counts: counts::Book::new(&options.watch),
            stopping: AtomicBool::new(false),
            stop: watch::channel(false).0,
            sockets: watch::channel(0).0,
        });
        let task = tokio::spawn(serve(listener, Arc::clone(&state), options.linger, options.grace));
        Ok(Self { address, state, task })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it counted so far.
    pub fn counts(&self) -> Counts {
        self.state.counts.counts()
    }

    /// Counts from zero again.
    pub fn reset_counts(&self) {
        self.state.counts.reset();
    }

    /// The last requests, oldest first (at most 500).
    pub fn requests(&self) -> Vec<Seen> {
        self.state.counts.requests()
    }

    /// Switches faults.
    pub fn fault(&self, fault: Fault) {
        self.state.fault.set(fault);
    }

    /// Stops taking connections, lets requests in progress end (at most the grace), closes WebSockets.
    pub async fn stop(&mut self) {
        self.order_stop();
        // The task only fails when it is aborted, and then the shop is gone as well.
        let _ = (&mut self.task).await;
    }

    /// Orders the stop without waiting for it.
    pub fn order_stop(&self) {
        self.state.stopping.store(true, Ordering::Relaxed);
        self.state.stop.send_replace(true);
    }

    /// Waits until it has stopped.
    pub async fn stopped(&mut self) {
        let _ = (&mut self.task).await;
    }
}

impl Drop for LocalShop {
    fn drop(&mut self) {
        self.order_stop();
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, state: Arc<State>, linger: Duration, grace: Duration) {
    let graceful = GracefulShutdown::new();
    // Aborts the connections when this task is aborted.
    let mut connections = tokio::task::JoinSet::new();
    let mut stop = state.stop.subscribe();
    let stopping = async {
        let _ = stop.wait_for(|stop| *stop).await;
        tokio::time::sleep(linger).await;
    };
    tokio::pin!(stopping);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopping => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        let Ok((stream, _)) = accepted else {
            // Out of file descriptors, most likely: give the connections time to end.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&state);
        let builder = auto::Builder::new(TokioExecutor::new());
        let service = service_fn(move |request| answer::answer(Arc::clone(&shared), request));
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let watched = graceful.watch(connection);
        connections.spawn(async move {
            // A broken connection is the client's business, or a fault that was asked for.
            let _ = watched.await;
        });
    }
    drop(listener);
    let mut sockets = state.sockets.subscribe();
    let _ = tokio::time::timeout(grace, async {
        graceful.shutdown().await;
        let _ = sockets.wait_for(|open| *open == 0).await;
    })
    .await;
}
