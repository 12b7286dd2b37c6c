//! Who is let in, and what is recorded of them.

use std::net::SocketAddr;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use shunt_api::{Accepted, ControlRequest, Limits, Peer, Registered, Role, Token, Transport};
use shunt_core::identity::{Caller, Identity};
use shunt_spec::Time;

use crate::access_store::{AccessStore, open, token};
use crate::fixture::{NOW, Server, problem};

const COMMANDS: &str = "/v1/rollouts/shop/checkout/commands";

fn outside() -> Peer {
    Peer { address: SocketAddr::from(([192, 0, 2, 7], 40_000)), caller: Caller::Unknown, transport: Transport::Tls }
}

async fn guarded(peer: Peer) -> (Server, AccessStore) {
    let tokens = vec![
        token("reader", Role::Read, None),
        token("ci", Role::Operate, Some(Time(NOW.0 + 1))),
        token("root", Role::Admin, None),
        token("late", Role::Admin, Some(NOW)),
    ];
    let (store, access) = open(tokens, Limits::default());
    (Server::start_with(access, peer).await, store)
}

async fn send(server: &Server, method: Method, path: &str, secret: &str) -> Response {
    let request = server.http.request(method, server.url(path)).json(&json!({"verb": "abort", "version": "v2", "host": "shop.test"}));
    let request = if secret.is_empty() { request } else { request.bearer_auth(secret) };
    request.send().await.unwrap()
}

#[tokio::test]
async fn as_soon_as_there_is_a_token_everybody_needs_one() {
    let (store, access) = open(Vec::new(), Limits::default());
    let server = Server::start_with(access, Peer::local()).await;
    assert_eq!(server.get("/v1/rollouts").await.status(), 200);
    store.tokens.send_replace(std::sync::Arc::new(vec![token("late", Role::Read, Some(NOW))]));
    let (status, body) = problem(server.get("/v1/rollouts").await).await;
    assert_eq!((status, &body["type"]), (401, &json!("urn:shunt:problem:unauthenticated")), "also when it has expired");
    assert!(body["next"].as_str().unwrap().contains("SHUNT_TOKEN"), "{body}");
    assert_eq!(server.get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn from_outside_no_client_is_let_in_without_a_token() {
    let (_, access) = open(Vec::new(), Limits::default());
    let server = Server::start_with(access, outside()).await;
    for (method, path) in [(Method::GET, "/v1/rollouts"), (Method::GET, "/metrics"), (Method::POST, COMMANDS), (Method::POST, "/v1/tokens")]
    {
        assert_eq!(problem(send(&server, method, path, "").await).await.0, 401, "{path}");
    }
    for open in ["/healthz", "/openapi.json"] {
        assert_eq!(server.get(open).await.status(), 200, "{open}");
    }
}

/// A manifest with one version of this kind.
async fn put(server: &Server, version: &str, secret: &str) -> Response {
    let manifest = format!(
        "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {{name: cart, namespace: shop}}
spec: {{service: {{hosts: [cart]}}, versions: [{{name: v1, {version}}}], release: v1}}"
    );
    let request = server.http.request(Method::PUT, server.url("/v1/rollouts/shop/cart")).header("content-type", "application/yaml");
    request.body(manifest).bearer_auth(secret).send().await.unwrap()
}

#[tokio::test]
async fn only_an_admin_deploys_programs() {
    let (server, _store) = guarded(outside()).await;
    let (status, body) = problem(put(&server, "command: [sh, -c, 'id > /tmp/x']", "ci").await).await;
    assert_eq!((status, &body["type"]), (403, &json!("urn:shunt:problem:forbidden")));
    assert_eq!(body["detail"], "ci has the role operate; a manifest that starts programs needs admin: spec.versions[0].command");
    // Let in: what it says is asked of the process, which this server has none of.
    for (version, secret) in [("command: [sh]", "root"), ("endpoints: ['127.0.0.1:9001']", "ci")] {
        assert_ne!(problem(put(&server, version, secret).await).await.0, 403, "{version}");
    }
}

#[tokio::test]
async fn a_token_for_instances_registers_those_of_its_rollout_and_nothing_else() {
    let bound = Token { rollout: Some("shop/checkout".parse().unwrap()), ..token("instances", Role::Register, None) };
    let (_store, access) = open(vec![bound], Limits::default());
    let server = Server::start_with(access, outside()).await;
    let endpoint = |rollout: &str| format!("/v1/rollouts/{rollout}/versions/v1/endpoints/0.0.0.0:1");
    // 400: let in, and told that no instance can be reached there.
    for method in [Method::PUT, Method::GET, Method::DELETE] {
        assert_eq!(problem(send(&server, method.clone(), &endpoint("shop/checkout"), "instances").await).await.0, 400, "{method}");
    }
    for other in ["shop/cart", "other/checkout", "shop/checkout2", "shop%2Fcheckout/x"] {
        let status = problem(send(&server, Method::PUT, &endpoint(other), "instances").await).await.0;
        assert!([403, 404].contains(&status), "{other}: {status}");
    }
    let others = [
        (Method::GET, "/v1/rollouts"),
        (Method::GET, "/v1/rollouts/shop/checkout"),
        (Method::GET, "/v1/policy"),
        (Method::POST, COMMANDS),
        (Method::PUT, "/v1/rollouts/shop/checkout"),
        (Method::GET, "/v1/rollouts/shop/checkout/versions/v1/endpoints"),
        (Method::GET, "/v1/tokens"),
    ];
    for (method, path) in others {
        assert_eq!(problem(send(&server, method.clone(), path, "instances").await).await.0, 403, "{method} {path}");
    }
}

#[tokio::test]
async fn each_role_may_do_what_it_says() {
    let (server, _store) = guarded(outside()).await;
    // 403: not allowed; anything else: let in, and nothing plays the process here.
    let cases = [
        (Method::GET, "/v1/rollouts", [200, 200, 200]),
        (Method::GET, "/v1/rollouts/shop/checkout", [200, 200, 200]),
        (Method::GET, "/metrics", [200, 200, 200]),
        (Method::POST, "/v1/explain", [400, 400, 400]),
        (Method::GET, "/v1/rollouts/Shop/x/logs", [403, 404, 404]),
        (Method::POST, "/v1/rollouts/shop/nothing/commands", [403, 400, 400]),
        (Method::POST, "/v1/rollouts/shop/nothing/rollback", [403, 400, 400]),
        (Method::PUT, "/v1/rollouts/Shop/x", [403, 400, 400]),
        (Method::DELETE, "/v1/rollouts/Shop/x", [403, 400, 400]),
        (Method::GET, "/v1/tokens", [403, 403, 200]),
        (Method::POST, "/v1/tokens", [403, 403, 400]),
        (Method::DELETE, "/v1/tokens/x", [403, 403, 404]),
        (Method::GET, "/v1/audit", [403, 403, 200]),
    ];
    for (method, path, expected) in cases {
        for (secret, expected) in ["reader", "ci", "root"].into_iter().zip(expected) {
            assert_eq!(send(&server, method.clone(), path, secret).await.status(), expected, "{method} {path} by {secret}");
        }
        for stranger in ["", "late", "root2"] {
            let answer = send(&server, method.clone(), path, stranger).await;
            assert_eq!(answer.headers()["www-authenticate"], "Bearer");
            assert_eq!(problem(answer).await.0, 401, "{method} {path} by {stranger:?}");
        }
    }
}

#[tokio::test]
async fn the_journal_names_the_token_and_the_audit_says_who_did_what() {
    let (mut server, store) = guarded(outside()).await;
    let body = json!({"verb": "abort", "reason": "too many errors", "by": "another name"});
    let request = server.http.post(server.url(COMMANDS)).bearer_auth("ci").json(&body).send();
    let (answer, ()) = tokio::join!(request, async {
        let Some(ControlRequest::Command { by, reply, .. }) = server.requests.recv().await else { panic!("a command") };
        assert_eq!(by, "ci");
        reply.send(Ok(Accepted { revision: 10, message: "aborted".to_owned() })).unwrap();
    });
    assert_eq!(answer.unwrap().status(), 200);
    send(&server, Method::POST, COMMANDS, "reader").await;
    send(&server, Method::POST, COMMANDS, "unknown").await;
    server.get("/v1/rollouts").await;
    assert_eq!(store.audit_records.lock().unwrap().len(), 2, "reading is not recorded, and it is not known who strangers are");
    let first = server.http.get(server.url("/v1/audit?limit=1")).bearer_auth("root").send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(first["entries"][0]["by"], "reader");
    assert_eq!((&first["entries"][0]["status"], &first["entries"][0]["result"]), (&json!(403), &json!("forbidden")));
    let next = format!("/v1/audit?limit=5&before={}", first["next"]);
    let second = server.http.get(server.url(&next)).bearer_auth("root").send().await.unwrap().json::<Value>().await.unwrap();
    let expected = json!({
        "id": 1, "at": NOW, "by": "ci", "address": "192.0.2.7", "verb": "abort", "object": "rollouts/shop/checkout/commands",
        "detail": "too many errors", "status": 200, "result": "done",
    });
    assert_eq!(second, json!({"entries": [expected]}));
}

#[tokio::test]
async fn the_audit_has_who_registered_an_instance_but_no_renewals() {
    let (mut server, store) = guarded(outside()).await;
    let path = "/v1/rollouts/shop/checkout/versions/v2/endpoints/10.0.0.7:8080";
    for news in [true, false] {
        let request = server.http.put(server.url(path)).bearer_auth("ci").send();
        let (answer, ()) = tokio::join!(request, async {
            let Some(ControlRequest::Register { reply, .. }) = server.requests.recv().await else { panic!("a registration") };
            let instance = serde_json::from_value(
                json!({"id": 7, "address": "10.0.0.7:8080", "pid": null, "state": "ready", "since": 1, "restarts": 0}),
            );
            reply.send(Ok(Registered { instance: instance.unwrap(), news })).unwrap();
        });
        assert_eq!(answer.unwrap().status(), 200);
    }
    let audit_records = store.audit_records.lock().unwrap().clone();
    let told: Vec<_> = audit_records.iter().map(|record| (record.by.as_str(), record.verb.as_str(), record.object.as_str())).collect();
    assert_eq!(told, [("ci", "registerInstance", path.trim_start_matches("/v1/"))]);
}

#[tokio::test]
async fn a_proxy_reports_only_as_itself() {
    let report = |node: &str| json!({"node": node, "vm": "a1", "sequence": 1, "generation": 41}).to_string();
    let own = Identity::new(["spiffe://shunt/proxy/edge-1".to_owned()], []);
    let peers = [
        (Caller::Certified(own), "edge-1", 204),
        (Caller::Certified(Identity::default()), "edge-1", 403),
        (Caller::Certified(Identity::new([], ["edge-2".to_owned()])), "edge-1", 403),
        (Caller::Unknown, "edge-1", 403),
        (Caller::Local, "edge-1", 204),
    ];
    for (caller, node, expected) in peers {
        let (store, access) = open(vec![token("root", Role::Admin, None)], Limits::default());
        let mut server = Server::start_with(access, Peer { caller: caller.clone(), ..outside() }).await;
        let request = server.http.post(server.url("/v1/reports")).bearer_auth("root").body(report(node));
        assert_eq!(request.send().await.unwrap().status(), expected, "{caller:?}");
        assert_eq!(server.reports.try_recv().is_ok(), expected == 204, "a token does not help");
        assert!(store.audit_records.lock().unwrap().is_empty());
    }
}
