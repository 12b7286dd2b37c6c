//! Receives the filters' reports, for tests of the filter without the control plane.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A report receiver in this process, on a free port. Gone when dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    book: Arc<Book>,
    _server: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Book {
    reports: Mutex<Vec<Value>>,
    refused: Mutex<Vec<String>>,
}

impl Receiver {
    /// Starts one on a port that the kernel chooses.
    pub async fn start() -> Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts one at an address, for example again where one was before.
    pub async fn start_at(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).await.with_context(|| format!("listening on {address}"))?;
        let address = listener.local_addr()?;
        let book = Arc::<Book>::default();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&book)));
        Ok(Self { address, book, _server: server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All reports in the order they came, as JSON.
    pub fn raw(&self) -> Vec<Value> {
        self.book.reports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Posts that were not reports: what was wrong.
    pub fn refused(&self) -> Vec<String> {
        self.book.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The report with the highest sequence of each VM, as JSON.
    pub fn latest_raw(&self) -> BTreeMap<String, Value> {
        let mut latest: BTreeMap<String, Value> = BTreeMap::new();
        for report in self.raw() {
            let vm = report["vm"].as_str().unwrap_or_default().to_owned();
            let newer = latest.get(&vm).is_none_or(|old| old["sequence"].as_u64() <= report["sequence"].as_u64());
            if newer {
                latest.insert(vm, report);
            }
        }
        latest
    }
}

async fn serve(listener: TcpListener, book: Arc<Book>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let book = Arc::clone(&book);
        connections.spawn(async move {
            let service = service_fn(move |request| receive(Arc::clone(&book), request));
            let builder = auto::Builder::new(TokioExecutor::new());
            // A broken connection: the filter posts again by itself.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn receive(book: Arc<Book>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let what = format!("{} {}", request.method(), request.uri().path());
    let body = request.into_body().collect().await?.to_bytes();
    let report =
        if what == "POST /v1/reports" { serde_json::from_slice::<Value>(&body).map_err(|error| error.to_string()) } else { Err(what) };
    let mut response = Response::new(Full::default());
    match report {
        Ok(report) => {
            book.reports.lock().unwrap_or_else(PoisonError::into_inner).push(report);
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        Err(error) => {
            book.refused.lock().unwrap_or_else(PoisonError::into_inner).push(error);
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
    }
    Ok(response)
}
