//! What the shop answers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;

use super::State;
use super::fault::{Asked, Fate};
use super::lasting;
use super::seen::Seen;
use super::socket;

pub(super) type Body = BoxBody<Bytes, io::Error>;
type Outcome = Result<Response<Body>, io::Error>;

/// Answers one request. An error breaks the connection (HTTP/1.1) or resets the stream (HTTP/2).
pub(super) async fn answer(state: Arc<State>, request: Request<Incoming>) -> Outcome {
    let mut outcome = match request.uri().path() {
        "/live" => Ok(health(state.fault.get().live)),
        "/ready" => Ok(health(state.fault.get().ready && !state.stopping.load(Ordering::Relaxed))),
        path if path.starts_with("/admin/") => Ok(admin(&state, request).await),
        _ => counted(&state, request).await,
    };
    if let (Ok(response), Ok(version)) = (&mut outcome, HeaderValue::from_str(&state.version)) {
        response.headers_mut().insert("x-version", version);
    }
    outcome
}

/// What the proxy decided for this request's feature flags; told in `x-flags` of the answer.
const FLAGS: &str = "x-shunt-flags";

/// Counts the request as ended also when its connection goes away while it is being answered.
struct Open<'s>(&'s State, u16);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.counts.ended(self.1);
    }
}

async fn counted(state: &Arc<State>, request: Request<Incoming>) -> Outcome {
    let (head, body) = request.into_parts();
    let seen = Seen::new(&state.version, &head);
    state.counts.started(&seen);
    let mut open = Open(state, 0);
    let flags = head.headers.get(FLAGS).cloned();
    let (fate, delay) = state.fault.draw(Asked::of(&head));
    tokio::time::sleep(Duration::from_millis(delay)).await;
    let outcome = match fate {
        Fate::Well => well(state, seen, head, body).await,
        Fate::Error { grpc: status, .. } if is_grpc(&head) => Ok(grpc(&status.to_string())),
        Fate::Error { status, .. } => Ok(plain(StatusCode::from_u16(status).unwrap_or_default(), "a fault that was asked for\n")),
        Fate::Empty => Ok(plain(StatusCode::OK, "")),
        Fate::Reset => Err(broken()),
        Fate::ResetBody => Ok(reset_in_body()),
        Fate::Hang => hang(state).await,
    };
    open.1 = outcome.as_ref().map_or(0, |response| response.status().as_u16());
    outcome.map(|mut response| {
        if fate != Fate::Well {
            response.headers_mut().insert("x-injected", HeaderValue::from_static("1"));
        }
        if let Some(flags) = flags {
            response.headers_mut().insert("x-flags", flags);
        }
        response
    })
}

async fn well(state: &Arc<State>, mut seen: Seen, mut head: Parts, body: Incoming) -> Outcome {
    if socket::wanted(&head) {
        return Ok(socket::upgrade(state, &mut head));
    }
    let query = Query(head.uri.query().unwrap_or_default());
    if head.uri.path() == "/reset" {
        return Err(broken());
    }
    if head.uri.path() == "/reset-body" {
        return Ok(reset_in_body());
    }
    if head.uri.path() == "/slow" {
        tokio::time::sleep(Duration::from_millis(query.number("ms", 1000))).await;
    }
    if is_grpc(&head) && head.uri.path().ends_with("/Talk") {
        return Ok(with(lasting::talk(state, body), StatusCode::OK, "application/grpc"));
    }
    // Plain whatever was asked: a server that knows nothing of gRPC.
    if is_grpc(&head) && head.uri.path() != "/reply" {
        // Read to the end first, as a unary method does.
        drain(body).await?;
        return Ok(grpc(&wanted_grpc_status(&head)));
    }
    match head.uri.path() {
        "/stream" => Ok(streamed(&query)),
        "/events" => Ok(with(lasting::events(state, Duration::from_millis(query.number("ms", 100))), StatusCode::OK, "text/event-stream")),
        "/reply" => Ok(reply(&query)),
        _ => {
            seen.body_bytes = drain(body).await?;
            Ok(json(&seen))
        }
    }
}

async fn admin(state: &State, request: Request<Incoming>) -> Response<Body> {
    match (request.method().clone(), request.uri().path()) {
        (Method::GET, "/admin/fault") => json(&state.fault.get()),
        (Method::POST | Method::PUT, "/admin/fault") => {
            let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            match serde_json::from_slice(&body) {
                Ok(fault) => {
                    state.fault.set(fault);
                    json(&state.fault.get())
                }
                Err(error) => plain(StatusCode::BAD_REQUEST, &format!("not a fault: {error}\n")),
            }
        }
        (Method::GET, "/admin/counts") => json(&state.counts.counts()),
        (Method::DELETE, "/admin/counts") => {
            state.counts.reset();
            json(&state.counts.counts())
        }
        (Method::GET, "/admin/requests") => json(&state.counts.requests()),
        _ => plain(StatusCode::NOT_FOUND, "GET or POST /admin/fault, GET or DELETE /admin/counts, GET /admin/requests\n"),
    }
}

fn health(well: bool) -> Response<Body> {
    if well { plain(StatusCode::OK, "ok\n") } else { plain(StatusCode::SERVICE_UNAVAILABLE, "not now\n") }
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "a broken connection was asked for")
}

async fn hang(state: &State) -> Outcome {
    let mut stop = state.stop.subscribe();
    let _ = stop.wait_for(|stop| *stop).await;
    Err(broken())
}

async fn drain(mut body: Incoming) -> Result<u64, io::Error> {
    let mut bytes = 0;
    while let Some(frame) = body.frame().await {
        bytes += frame.map_err(io::Error::other)?.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(bytes)
}

pub(super) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

fn with(body: Body, status: StatusCode, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", HeaderValue::from_static(content_type));
    response
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    with(whole(text.to_owned()), status, "text/plain")
}

fn json(value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(bytes) => with(whole(bytes), StatusCode::OK, "application/json"),
        Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

fn is_grpc(head: &Parts) -> bool {
    head.headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// By header `x-want-grpc-status`, else by a path that ends in `Status<n>`, else 0.
fn wanted_grpc_status(head: &Parts) -> String {
    let by_header = head.headers.get("x-want-grpc-status").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let by_path = head.uri.path().rsplit_once("Status").map(|(_, number)| number.to_owned());
    by_header.or(by_path).filter(|status| status.parse::<u8>().is_ok()).unwrap_or_else(|| "0".to_owned())
}

/// An empty message and the status in trailers, as a server that failed while streaming does it.
fn grpc(status: &str) -> Response<Body> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_str(status).unwrap_or(HeaderValue::from_static("13")));
    let frames = [Ok(Frame::data(Bytes::from_static(&[0; 5]))), Ok(Frame::trailers(trailers))];
    let mut response = with(BodyExt::boxed(StreamBody::new(stream::iter(frames))), StatusCode::OK, "application/grpc");
    response.headers_mut().insert("trailer", HeaderValue::from_static("grpc-status"));
    response
}

/// The reply's headers and some bytes, then the connection breaks.
fn reset_in_body() -> Response<Body> {
    let pieces = stream::iter([Ok(Frame::data(Bytes::from_static(b"the beginning of")))]).chain(stream::once(async {
        // So that the beginning is on its way before the end comes.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(broken())
    }));
    with(BodyExt::boxed(SyncStream::new(Box::pin(pieces))), StatusCode::OK, "text/plain")
}

fn streamed(query: &Query<'_>) -> Response<Body> {
    let (chunks, pause) = (query.number("chunks", 5), Duration::from_millis(query.number("ms", 100)));
    let piece = Bytes::from(vec![b'.'; usize::try_from(query.number("bytes", 10)).unwrap_or(10)]);
    let pieces = stream::iter(0..chunks).then(move |number| {
        let piece = piece.clone();
        async move {
            if number > 0 {
                tokio::time::sleep(pause).await;
            }
            Ok(Frame::data(piece))
        }
    });
    with(BodyExt::boxed(SyncStream::new(Box::pin(pieces))), StatusCode::OK, "text/plain")
}

fn reply(query: &Query<'_>) -> Response<Body> {
    let status = u16::try_from(query.number("status", 200)).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let size = usize::try_from(query.number("size", 0)).unwrap_or(0);
    let mut response = with(whole(vec![b'.'; size]), status.unwrap_or(StatusCode::BAD_REQUEST), "text/plain");
    for header in query.all("header") {
        let parts =
            header.split_once(':').map(|(name, value)| (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value.trim())));
        match parts {
            Some((Ok(name), Ok(value))) if name == CONTENT_TYPE => drop(response.headers_mut().insert(name, value)),
            Some((Ok(name), Ok(value))) => drop(response.headers_mut().append(name, value)),
            Some(_) | None => {}
        }
    }
    response
}

/// `StreamBody` wants its stream to be `Sync`; timers and closures of ours are not, and need not be.
type SyncStream = StreamBody<std::pin::Pin<Box<dyn futures::Stream<Item = io::Result<Frame<Bytes>>> + Send + Sync>>>;

/// The query's parameters; `%` escapes and `+` are read.
struct Query<'q>(&'q str);

impl Query<'_> {
    fn all(&self, name: &str) -> Vec<String> {
        let pairs = self.0.split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| unescape(value)).collect()
    }

    fn number(&self, name: &str, default: u64) -> u64 {
        self.all(name).first().and_then(|value| value.parse().ok()).unwrap_or(default)
    }
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(b'?'));
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
