//! A receiver of webhooks, outside: is asked, and told; answers each path as it is set, and remembers what came.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// A receiver of webhooks in this process, on a free port. Gone when dropped.
#[derive(Debug)]
pub struct Webhooks {
    address: SocketAddr,
    book: Arc<Book>,
    _server: JoinSet<()>,
}

/// What a path answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// This status.
    Status(u16),
    /// Nothing, until something else is set; then that.
    Nothing,
}

/// What came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `/gate`.
    pub path: String,
    /// By name in lower case.
    pub headers: BTreeMap<String, String>,
    /// Parsed; null when it is not JSON.
    pub body: Value,
    /// As it came.
    pub bytes: Bytes,
    /// What was answered; 0 before that.
    pub status: u16,
}

#[derive(Debug, Default)]
struct Book {
    answers: Mutex<BTreeMap<String, Says>>,
    changed: Notify,
    asked: Mutex<Vec<Asked>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Webhooks {
    /// Starts one. A path that is not set answers 200.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listening for webhooks")?;
        let address = listener.local_addr()?;
        let book = Arc::<Book>::default();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&book)));
        Ok(Self { address, book, _server: server })
    }

    /// `http://127.0.0.1:<port><path>`
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What this path answers from now on; who waits there is answered, too.
    pub fn set(&self, path: &str, says: Says) {
        lock(&self.book.answers).insert(path.to_owned(), says);
        self.book.changed.notify_waiters();
    }

    /// All that came to a path, oldest first.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        lock(&self.book.asked).iter().filter(|asked| asked.path == path).cloned().collect()
    }
}

async fn serve(listener: TcpListener, book: Arc<Book>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let book = Arc::clone(&book);
        connections.spawn(async move {
            let service = service_fn(move |request| receive(Arc::clone(&book), request));
            // A broken connection: who asks, asks again.
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn receive(book: Arc<Book>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let header = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers = request.headers().iter().map(header).collect();
    let bytes = request.into_body().collect().await?.to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    let number = {
        let mut asked = lock(&book.asked);
        asked.push(Asked { path: path.clone(), headers, body, bytes, status: 0 });
        asked.len() - 1
    };
    let status = loop {
        let changed = book.changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        match lock(&book.answers).get(&path).copied().unwrap_or(Says::Status(200)) {
            Says::Status(status) => break status,
            Says::Nothing => {}
        }
        changed.await;
    };
    if let Some(asked) = lock(&book.asked).get_mut(number) {
        asked.status = status;
    }
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ok(response)
}
