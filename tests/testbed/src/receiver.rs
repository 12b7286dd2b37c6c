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
use shunt_filter_core::RolloutId;
use shunt_filter_core::names::REPORT_PATH;
use shunt_filter_core::report::{Report, ServiceReport};
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
    reports: Mutex<Vec<Report>>,
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

    /// All reports in the order they came.
    pub fn reports(&self) -> Vec<Report> {
        self.book.reports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Posts that were not reports: what was wrong.
    pub fn refused(&self) -> Vec<String> {
        self.book.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The report with the highest sequence of each VM, by VM.
    pub fn latest(&self) -> BTreeMap<String, Report> {
        let mut latest: BTreeMap<String, Report> = BTreeMap::new();
        for report in self.reports() {
            let newer = latest.get(&report.vm).is_none_or(|old| old.sequence <= report.sequence);
            if newer {
                latest.insert(report.vm.clone(), report);
            }
        }
        latest
    }

    /// What each VM says of one service at last, by VM; VMs that do not know it are left out.
    pub fn service(&self, id: &RolloutId) -> BTreeMap<String, ServiceReport> {
        self.latest().into_iter().filter_map(|(vm, mut report)| Some((vm, report.services.remove(id)?))).collect()
    }

    /// The lowest generation among the VMs that have not said good-bye; `None` without any.
    pub fn generation(&self) -> Option<u64> {
        self.latest().values().filter(|report| !report.last).map(|report| report.generation).min()
    }
}

async fn serve(listener: TcpListener, book: Arc<Book>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let book = Arc::clone(&book);
        connections.spawn(async move {
            let service = service_fn(move |request| receive(Arc::clone(&book), request));
            let mut builder = auto::Builder::new(TokioExecutor::new());
            // A stopping Envoy sends its last report and closes at once; without this the report would go with the connection.
            builder.http1().half_close(true);
            // A broken connection: the filter posts again by itself.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn receive(book: Arc<Book>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let what = format!("{} {}", request.method(), request.uri().path());
    let body = request.into_body().collect().await?.to_bytes();
    let expected = what == format!("POST {REPORT_PATH}");
    let report = if expected { serde_json::from_slice::<Report>(&body).map_err(|error| error.to_string()) } else { Err(what) };
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
