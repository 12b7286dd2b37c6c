//! How much at a time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use shunt_api::limits::Bucket;
use shunt_api::{Limits, Peer, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::desk::{open, token};
use crate::fixture::{Server, problem};

async fn start(limits: Limits) -> (Server, crate::desk::Desk) {
    let (desk, access) = open(vec![token("a", Role::Admin, None), token("b", Role::Admin, None)], limits);
    (Server::start_with(access, Peer::local()).await, desk)
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_when_to_come_back_and_others_are_not() {
    let (server, _desk) = start(Limits { requests: Bucket::new(1, 2), ..Limits::default() }).await;
    let ask = |secret: &'static str| server.http.get(server.url("/v1/rollouts")).bearer_auth(secret).send();
    assert_eq!(ask("a").await.unwrap().status(), 200);
    assert_eq!(ask("a").await.unwrap().status(), 200);
    let answer = ask("a").await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "1");
    let (status, body) = problem(answer).await;
    assert_eq!((status, &body["type"]), (429, &json!("urn:shunt:problem:too-often")));
    assert_eq!(ask("b").await.unwrap().status(), 200, "tokens count apart");
    for expected in [401, 401, 429] {
        assert_eq!(ask("guess").await.unwrap().status(), expected, "guesses count by address");
    }
}

#[tokio::test]
async fn a_full_api_does_not_turn_reports_away() {
    let (server, _desk) = start(Limits { at_once: Arc::new(Semaphore::new(0)), requests: Bucket::new(1, 1), ..Limits::default() }).await;
    let (status, body) = problem(server.http.get(server.url("/v1/rollouts")).bearer_auth("a").send().await.unwrap()).await;
    assert_eq!((status, &body["type"]), (503, &json!("urn:shunt:problem:busy")));
    for sequence in 0..2 {
        let report = json!({"node": "edge-1", "vm": "a1", "sequence": sequence, "generation": 41}).to_string();
        let answer = server.http.post(server.url("/v1/reports")).body(report).send().await.unwrap();
        assert_eq!(answer.status(), 204);
    }
}

#[tokio::test]
async fn streams_are_counted_until_they_end() {
    let (server, _desk) = start(Limits { waiting: Arc::new(Semaphore::new(1)), ..Limits::default() }).await;
    let watch = || server.http.get(server.url("/v1/watch")).bearer_auth("a").send();
    let first = watch().await.unwrap();
    assert_eq!(first.status(), 200);
    let second = watch().await.unwrap();
    assert_eq!(second.headers()["retry-after"], "1");
    assert_eq!(problem(second).await.0, 503);
    assert_eq!(server.http.get(server.url("/v1/rollouts")).bearer_auth("a").send().await.unwrap().status(), 200);
    drop(first);
    let freed = async {
        while watch().await.unwrap().status() != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), freed).await.expect("its place is free again");
}

#[tokio::test]
async fn who_sends_slowly_is_not_waited_for() {
    let (server, _desk) = start(Limits { patience: Duration::from_millis(200), ..Limits::default() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head =
        "POST /v1/explain HTTP/1.1\r\nhost: x\r\nauthorization: bearer a\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer)).await.expect("an end").unwrap();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("application/problem+json"), "{answer}");
}
