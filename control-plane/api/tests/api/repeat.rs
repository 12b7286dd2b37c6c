//! Requests that are sent twice.

use reqwest::Response;
use serde_json::{Value, json};
use shunt_api::{Accepted, ControlRequest, Limits, Peer, Refusal, Role};
use shunt_core::command::CommandRefused;
use tokio::sync::mpsc;

use crate::access_store::{open, token};
use crate::fixture::{Server, problem};

const RELEASE: &str = "/v1/rollouts/shop/checkout/release";

/// The process answers each release with the number of releases so far; `refusal` first.
fn play(mut requests: mpsc::Receiver<ControlRequest>, mut refusal: Option<Refusal>) {
    tokio::spawn(async move {
        let mut done = 0;
        while let Some(ControlRequest::Release { reply, version, .. }) = requests.recv().await {
            if let Some(refusal) = refusal.take() {
                drop(reply.send(Err(refusal)));
                continue;
            }
            done += 1;
            drop(reply.send(Ok(Accepted { revision: done, message: format!("release: {version}") })));
        }
    });
}

async fn start(refusal: Option<Refusal>) -> Server {
    let (_store, access) = open(vec![token("ci", Role::Operate, None), token("other", Role::Operate, None)], Limits::default());
    let mut server = Server::start_with(access, Peer::local()).await;
    play(std::mem::replace(&mut server.requests, mpsc::channel(1).1), refusal);
    server
}

async fn release(server: &Server, by: &str, key: &str, version: &str) -> Response {
    let request = server.http.post(server.url(RELEASE)).bearer_auth(by).header("idempotency-key", key);
    request.json(&json!({"version": version})).send().await.unwrap()
}

#[tokio::test]
async fn the_same_key_acts_once_and_is_answered_the_same() {
    let server = start(None).await;
    let first = release(&server, "ci", "k1", "v2").await;
    assert!(!first.headers().contains_key("idempotent-replayed"));
    let first = first.text().await.unwrap();
    let second = release(&server, "ci", "k1", "v2").await;
    assert_eq!((second.status().as_u16(), &second.headers()["idempotent-replayed"]), (200, &"true".parse().unwrap()));
    assert_eq!(second.headers()["content-type"], "application/json");
    assert_eq!(second.text().await.unwrap(), first);
    let other = release(&server, "ci", "k2", "v2").await.json::<Value>().await.unwrap();
    assert_eq!(other["revision"], 2, "another key acts");
    let other = release(&server, "other", "k1", "v2").await.json::<Value>().await.unwrap();
    assert_eq!(other["revision"], 3, "keys belong to their author");
}

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    let server = start(None).await;
    release(&server, "ci", "k1", "v2").await;
    let (status, body) = problem(release(&server, "ci", "k1", "v1").await).await;
    assert_eq!((status, &body["type"]), (422, &json!("urn:shunt:problem:key-reused")));
    for bad in ["", &"x".repeat(201)] {
        assert_eq!(problem(release(&server, "ci", bad, "v2").await).await.0, 400, "{bad:?}");
    }
}

#[tokio::test]
async fn refusals_are_kept_and_failures_are_not() {
    let server = start(Some(Refusal::Command(CommandRefused::NotHeld))).await;
    assert_eq!(problem(release(&server, "ci", "k1", "v2").await).await.0, 409);
    let (status, body) = problem(release(&server, "ci", "k1", "v2").await).await;
    assert_eq!((status, &body["detail"]), (409, &json!("it is not held; `shunt promote` ends the wait of a step")));

    let server = start(Some(Refusal::Unavailable("the disk is full".to_owned()))).await;
    assert_eq!(problem(release(&server, "ci", "k1", "v2").await).await.0, 503);
    assert_eq!(release(&server, "ci", "k1", "v2").await.status(), 200, "nothing was done, so it may be sent again");
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_again() {
    let (_store, access) = open(vec![token("ci", Role::Operate, None)], Limits::default());
    let mut server = Server::start_with(access, Peer::local()).await;
    let mut requests = std::mem::replace(&mut server.requests, mpsc::channel(1).1);
    let (answer, ()) = tokio::join!(release(&server, "ci", "k1", "v2"), async { drop(requests.recv().await) });
    assert_eq!(problem(answer).await.0, 503);
    let (status, body) = problem(release(&server, "ci", "k1", "v2").await).await;
    assert_eq!((status, &body["type"]), (409, &json!("urn:shunt:problem:key-open")));
    assert!(requests.try_recv().is_err());
}
