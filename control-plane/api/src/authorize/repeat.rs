//! `Idempotency-Key`: a request that is sent twice acts once, and both get the same answer.
//!
//! The key is recorded before anything is done, so that not even a crash in between makes it act twice: a caller who asks again is told
//! that it is not known. Kept for 24 hours, per author.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use tokio::sync::oneshot;

use crate::access::{Access, Actor};
use crate::access_store::{AccessRequest, Answer, Begun, Key};
use crate::body::MANIFEST_MAX;
use crate::problem::{Kind, Problem};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Says that an answer was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Longest key, bytes.
const KEY_MAX: usize = 200;

/// Longest answer that is kept, bytes.
const ANSWER_MAX: usize = 1024 * 1024;

/// Answers a repeated request as the first one; one without the header passes.
pub(crate) async fn repeat(State(access): State<Access>, request: Request, next: Next) -> Response {
    match key(&request) {
        Ok(None) => next.run(request).await,
        Ok(Some(key)) => once(&access, key, request, next).await.unwrap_or_else(IntoResponse::into_response),
        Err(problem) => problem.into_response(),
    }
}

fn key(request: &Request) -> Result<Option<Key>, Problem> {
    let Some(value) = one(request.headers())? else { return Ok(None) };
    let fits = |text: &&str| !text.is_empty() && text.len() <= KEY_MAX;
    let key = value.to_str().ok().filter(fits);
    let key = key.ok_or_else(|| Problem::Unreadable(format!("idempotency-key: must be 1 to {KEY_MAX} visible ASCII characters")))?;
    let by = request.extensions().get::<Actor>().map(|actor| actor.name().to_owned()).unwrap_or_default();
    Ok(Some(Key { by, key: key.to_owned() }))
}

fn one(headers: &HeaderMap) -> Result<Option<&HeaderValue>, Problem> {
    let mut all = headers.get_all(HEADER).iter();
    match (all.next(), all.next()) {
        (_, Some(_)) => Err(Problem::Unreadable("idempotency-key: send one".to_owned())),
        (first, None) => Ok(first),
    }
}

async fn once(access: &Access, key: Key, request: Request, next: Next) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MANIFEST_MAX).await.map_err(|_| Problem::TooLarge(MANIFEST_MAX))?;
    let digest = digest(parts.method.as_str(), &parts.uri.to_string(), &body);
    match begin(access, key.clone(), digest).await? {
        Begun::Done(answer) => return Ok(replayed(answer)),
        Begun::Open => return Err(Problem::KeyOpen(key.key)),
        Begun::Other => return Err(Problem::KeyReused(key.key)),
        Begun::New => {}
    }
    // From here on the answer is kept whether or not the client still waits for it.
    let access = access.clone();
    let done = tokio::spawn(async move {
        let response = next.run(Request::from_parts(parts, Body::from(body))).await;
        keep(&access, key, response).await
    });
    done.await.map_err(|_| Problem::NoAnswer)
}

/// Of what is asked, in a form in which no two different requests are the same.
fn digest(method: &str, path: &str, body: &[u8]) -> String {
    let whole = Sha256::new().chain_update(format!("{method} {path}\n")).chain_update(body).finalize();
    whole.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn begin(access: &Access, key: Key, request: String) -> Result<Begun, Problem> {
    let (reply, answer) = oneshot::channel();
    access.store.send(AccessRequest::Begin { key, request, reply }).await.map_err(|_| Problem::NoAnswer)?;
    Ok(answer.await.map_err(|_| Problem::NoAnswer)??)
}

/// Keeps the answer. Nothing was done where the process was too busy or failed before it acted: then the key is free again. Where
/// it is not known what was done, the key stays as it is.
async fn keep(access: &Access, key: Key, response: Response) -> Response {
    let kind = response.extensions().get::<Kind>().copied();
    if kind == Some(Kind::NO_ANSWER) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, ANSWER_MAX).await.unwrap_or_default();
    let content = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let answer = Answer { status: parts.status.as_u16(), kind: content, body: body.to_vec() };
    let answer = (!parts.status.is_server_error()).then_some(answer);
    let (reply, kept) = oneshot::channel();
    if access.store.send(AccessRequest::End { key, answer, reply }).await.is_ok() {
        drop(kept.await);
    }
    Response::from_parts(parts, Body::from(body))
}

fn replayed(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = (status, Bytes::from(answer.body)).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    if let Ok(kind) = HeaderValue::from_str(&answer.kind)
        && !answer.kind.is_empty()
    {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response.extensions_mut().insert(Kind("replayed"));
    response
}
