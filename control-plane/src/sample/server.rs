//! A receiver in this process that answers as it is told, and remembers what it was asked.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// One answer.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Never comes.
    Silence,
    /// Status, header `location` and body.
    Says(u16, String, String),
}

impl Answer {
    pub(crate) fn says(status: u16, body: &str) -> Self {
        Self::Says(status, String::new(), body.to_owned())
    }

    pub(crate) fn redirects(to: &str) -> Self {
        Self::Says(307, to.to_owned(), String::new())
    }
}

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Gone when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    book: Arc<Book>,
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Book {
    /// In order; the last one again and again.
    answers: Vec<Answer>,
    requests: Mutex<Vec<Request>>,
    closed: AtomicUsize,
}

/// Counts an asker who went away before the answer.
struct Asker(Arc<Book>);

impl Drop for Asker {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::SeqCst);
    }
}

impl Server {
    pub(crate) async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let book = Arc::new(Book { answers, requests: Mutex::default(), closed: AtomicUsize::new(0) });
        let shared = book.clone();
        let app = axum::Router::new().fallback(move |headers: HeaderMap, body: Bytes| answer(shared.clone(), Request { headers, body }));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { port, book, _server: server }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/ask", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.book.requests.lock().unwrap().clone()
    }

    /// Waits until it was asked so often.
    pub(crate) async fn until(&self, requests: usize) {
        self.wait("asked", || self.requests().len() >= requests).await;
    }

    /// Waits until so many askers of silence went away.
    pub(crate) async fn until_closed(&self, askers: usize) {
        self.wait("left", || self.book.closed.load(Ordering::SeqCst) >= askers).await;
    }

    async fn wait(&self, what: &str, condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            assert!(start.elapsed() < Duration::from_secs(20), "waited in vain until it was {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn answer(book: Arc<Book>, request: Request) -> Response {
    let number = {
        let mut requests = book.requests.lock().unwrap();
        requests.push(request);
        requests.len() - 1
    };
    match book.answers.get(number).or(book.answers.last()).cloned().unwrap() {
        Answer::Silence => {
            let _asker = Asker(book);
            std::future::pending().await
        }
        Answer::Says(status, location, body) => {
            let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
            if !location.is_empty() {
                response.headers_mut().insert(header::LOCATION, HeaderValue::from_str(&location).unwrap());
            }
            response
        }
    }
}
