//! How much at a time.

use std::time::Duration;

use serde_json::json;
use shunt_api::limits::Bucket;
use shunt_api::shares::Shares;
use shunt_api::{Accepted, Budgets, ControlRequest, Lane, Limits, Memory, Peer, Role, Transport};
use shunt_core::identity::{Caller, Identity};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::access_store::{open, token};
use crate::fixture::{Server, problem};

/// Long enough for anything that does not hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// So many places for all, and for each; as often as a client likes.
fn lane(places: usize, each: usize) -> Lane {
    Lane::new(Bucket::new(1_000_000, 1_000_000), places, each)
}

/// A request that says that more of its body comes, and then nothing.
async fn stuck(server: &Server, path: &str, token: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: bearer {token}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Reads until an answer's status is there.
async fn status(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("an answer").unwrap();
    String::from_utf8(answer).unwrap().split_off(9)
}

async fn start(limits: Limits) -> (Server, crate::access_store::AccessStore) {
    let (store, access) = open(vec![token("a", Role::Admin, None), token("b", Role::Admin, None)], limits);
    (Server::start_with(access, Peer::local()).await, store)
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_when_to_come_back_and_others_are_not() {
    let (server, _store) = start(Limits { reads: Lane::new(Bucket::new(1, 2), 64, 64), ..Limits::default() }).await;
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
    let (server, _store) = start(Limits { reads: lane(0, 0), changes: lane(0, 0), ..Limits::default() }).await;
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
    let (server, _store) = start(Limits { waits: lane(1, 1), ..Limits::default() }).await;
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
async fn a_body_that_does_not_come_is_not_waited_for() {
    let (server, _store) = start(Limits { arrival: Duration::from_millis(200), ..Limits::default() }).await;
    let mut stream = stuck(&server, "/v1/explain", "a").await;
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an end").unwrap();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("application/problem+json"), "{answer}");
}

/// With one place of each kind, which those that send slowly do not hold.
#[tokio::test]
async fn bodies_that_do_not_come_hold_no_place() {
    let limits = Limits { reads: lane(1, 1), changes: lane(1, 1), reports: lane(1, 1), probes: lane(1, 1), ..Limits::default() };
    let (mut server, _store) = start(limits).await;
    let mut slow = Vec::new();
    for path in ["/v1/reports", "/v1/rollouts/shop/checkout/commands", "/v1/explain"] {
        for _ in 0..100 {
            slow.push(stuck(&server, path, "a").await);
        }
    }
    let report = json!({"node": "edge-1", "vm": "a1", "sequence": 1, "generation": 41}).to_string();
    assert_eq!(server.http.post(server.url("/v1/reports")).body(report).send().await.unwrap().status(), 204);
    assert_eq!(server.http.get(server.url("/healthz")).send().await.unwrap().status(), 200);
    assert_eq!(server.http.get(server.url("/v1/rollouts")).bearer_auth("a").send().await.unwrap().status(), 200);
    let url = server.url("/v1/rollouts/shop/checkout/commands");
    let abort = server.http.post(url).bearer_auth("a").json(&json!({"verb": "abort"})).send();
    let (answer, ()) = tokio::join!(abort, async {
        let Some(ControlRequest::Command { reply, .. }) = server.requests.recv().await else { panic!("a command") };
        reply.send(Ok(Accepted { revision: 2, message: "aborted".to_owned() })).unwrap();
    });
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test]
async fn watchers_with_one_token_leave_room_for_others_and_for_changes() {
    let limits = Limits { waits: lane(5, 3), ..Limits::default() };
    let (store, access) = open(vec![token("reader", Role::Read, None), token("ops", Role::Operate, None)], limits);
    let server = Server::start_with(access, Peer::local()).await;
    let watch = |secret: &'static str| server.http.get(server.url("/v1/watch")).bearer_auth(secret).send();
    let mut held = Vec::new();
    for expected in [200, 200, 200, 503, 503] {
        let answer = watch("reader").await.unwrap();
        assert_eq!(answer.status(), expected);
        held.push(answer);
    }
    assert_eq!(watch("ops").await.unwrap().status(), 200);
    assert_eq!(server.http.get(server.url("/healthz")).send().await.unwrap().status(), 200);
    drop((held, store));
}

/// Reading as often as it may, a client does not use up the changes and health checks that come from its own address.
#[tokio::test]
async fn reading_often_holds_up_neither_changes_nor_health_checks() {
    let limits = Limits { reads: Lane::new(Bucket::new(1, 1), 64, 64), ..Limits::default() };
    let (_store, access) = open(Vec::new(), limits);
    let server = Server::start_with(access, Peer::local()).await;
    let read = || server.http.get(server.url("/v1/rollouts")).send();
    assert_eq!(read().await.unwrap().status(), 200);
    assert_eq!(read().await.unwrap().status(), 429);
    assert_eq!(server.http.get(server.url("/healthz")).send().await.unwrap().status(), 200);
    let wrong = server.http.post(server.url("/v1/rollouts/shop/none/commands")).json(&json!({"verb": "abort"})).send();
    assert_eq!(wrong.await.unwrap().status(), 404, "it came as far as the handler");
}

#[tokio::test]
async fn nothing_is_read_of_a_report_from_a_connection_that_speaks_for_no_proxy() {
    let (_store, access) = open(Vec::new(), Limits::default());
    let unknown = Peer { caller: Caller::Unknown, transport: Transport::Tls, ..Peer::local() };
    let server = Server::start_with(access, unknown).await;
    assert_eq!(status(&mut stuck(&server, "/v1/reports", "a").await).await, "403");
}

#[tokio::test]
async fn bytes_on_their_way_are_counted_for_each_sender() {
    let (_store, access) = open(Vec::new(), Limits { report_bodies: Shares::new(150, 150), ..Limits::default() });
    let server = Server::start_with(access, Peer::local()).await;
    let report = |vm: usize| json!({"node": "edge-1", "vm": "x".repeat(vm), "sequence": 1, "generation": 41}).to_string();
    let post = |body| server.http.post(server.url("/v1/reports")).body(body).send();
    assert_eq!(problem(post(report(150)).await.unwrap()).await.0, 503);
    assert_eq!(post(report(1)).await.unwrap().status(), 204);
}

/// 308 KiB of nested goal sets would be 160 MiB in memory, were they read.
#[tokio::test]
async fn a_report_that_grows_in_memory_is_refused_while_it_is_read() {
    let server = Server::start().await;
    let post = |body: String| server.http.post(server.url("/v1/reports")).body(body).send();
    let report = |services: String| format!(r#"{{"node":"edge-1","vm":"a","sequence":1,"generation":41,"services":{{{services}}}}}"#);
    let goals = |number: usize| (0..number).map(|n| format!(r#""g{n}":"l1869f""#)).collect::<Vec<_>>().join(",");
    let service = |n: usize, goals: &str| {
        format!(r#""shop/s{n}":{{"epoch":{{"epoch":1,"versions":{{}},"seen":"l","failed":"l","goals":{{{goals}}}}}}}"#)
    };
    let nested = report(service(1, &goals(20_000)));
    assert!(nested.len() > 300 * 1024);
    let (status, body) = problem(post(nested).await.unwrap()).await;
    assert!(status == 400 && body["detail"].as_str().unwrap().contains("at most 32 entries"), "{status} {body}");
    let wide = report((0..14_000).map(|n| service(n, &goals(32))).collect::<Vec<_>>().join(","));
    assert!(wide.len() > 7 * 1024 * 1024 && wide.len() < 8 * 1024 * 1024, "{}", wide.len());
    let (status, body) = problem(post(wide).await.unwrap()).await;
    assert!(status == 400 && body["detail"].as_str().unwrap().contains("no more than 64 MiB"), "{status} {body}");
}

#[tokio::test]
async fn a_node_beyond_its_memory_is_refused_and_others_are_not() {
    let memory = Memory::new(Budgets { node: 20_000, all: 1 << 20, strangers: 1 << 20 });
    let (_store, access) = open(Vec::new(), Limits::default());
    let mut server = Server::start_within(memory.clone(), access, Peer::local()).await;
    let report = |node: &str, services: usize| {
        let services: serde_json::Map<String, serde_json::Value> = (0..services).map(|n| (format!("shop/s{n}"), json!({}))).collect();
        json!({"node": node, "vm": "a1", "sequence": 1, "generation": 41, "services": services}).to_string()
    };
    let post = |body: String| server.http.post(server.url("/v1/reports")).body(body).send();
    let (status, body) = problem(post(report("edge-1", 100)).await.unwrap()).await;
    assert_eq!((status, &body["type"]), (429, &json!("urn:shunt:problem:crowded")));
    assert_eq!(post(report("edge-2", 1)).await.unwrap().status(), 204);
    let refused = memory.refused(crate::fixture::NOW);
    assert!(refused.len() == 1 && refused["edge-1"].contains("takes more than"), "{refused:?}");
    assert_eq!(server.reports.recv().await.unwrap().report.node, "edge-2");
}

#[tokio::test]
async fn certificates_count_apart_from_addresses() {
    let limits = Limits { reports: Lane::new(Bucket::new(1, 1), 64, 64), ..Limits::default() };
    let certified = |node: &str| Peer {
        caller: Caller::Certified(Identity::new([shunt_core::identity::proxy_uri(node)], [])),
        transport: Transport::Tls,
        ..Peer::local()
    };
    for node in ["edge-1", "edge-2"] {
        let (_store, access) = open(Vec::new(), limits.clone());
        let server = Server::start_with(access, certified(node)).await;
        let report = json!({"node": node, "vm": "a1", "sequence": 1, "generation": 41}).to_string();
        let post = || server.http.post(server.url("/v1/reports")).body(report.clone()).send();
        assert_eq!(post().await.unwrap().status(), 204, "{node} has its own share of this address");
        assert_eq!(post().await.unwrap().status(), 429);
    }
}

/// A page of another site can make its own name lead to a loopback address, and then read what is answered (DNS rebinding).
#[tokio::test]
async fn without_tls_only_names_of_this_machine_are_answered() {
    let server = Server::start().await;
    let named = |host: &'static str, path: &str| server.http.get(server.url(path)).header("host", host).send();
    for host in ["localhost", "localhost:3000", "127.0.0.1", "[::1]:18080"] {
        assert_eq!(named(host, "/v1/rollouts").await.unwrap().status(), 200, "{host}");
    }
    for (host, path) in
        [("evil.test", "/v1/rollouts"), ("evil.test", "/healthz"), ("evil.test:18080", "/nothing"), ("shunt-api", "/v1/rollouts")]
    {
        let (status, body) = problem(named(host, path).await.unwrap()).await;
        assert_eq!((status, &body["type"]), (421, &json!("urn:shunt:problem:foreign-host")), "{host} {path}");
    }
    let report = json!({"node": "edge-1", "vm": "a1", "sequence": 1, "generation": 41}).to_string();
    let post = |host: &'static str| server.http.post(server.url("/v1/reports")).header("host", host).body(report.clone()).send();
    assert_eq!(post("shunt-api").await.unwrap().status(), 204, "as filters post");
    assert_eq!(post("evil.test").await.unwrap().status(), 421);
    let mut old = TcpStream::connect(server.address).await.unwrap();
    old.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await.unwrap();
    assert_eq!(status(&mut old).await, "421", "no name at all");
    let (_store, access) = open(Vec::new(), Limits::default());
    let server = Server::start_with(access, Peer { transport: Transport::Tls, ..Peer::local() }).await;
    let answer = server.http.get(server.url("/healthz")).header("host", "control.internal").send().await.unwrap();
    assert_eq!(answer.status(), 200, "a certificate has the name");
}
