//! What can be read.

use std::sync::Arc;

use reqwest::Method;
use serde_json::json;
use shunt_api::rollouts::History;
use shunt_api::{ControlRequest, Notice, Severity};
use shunt_core::journal::{Entry, Origin};
use shunt_core::status::HistoryEntry;

use crate::fixture::{Server, problem};

#[tokio::test]
async fn rollouts_are_listed_and_found() {
    let server = Server::start().await;
    let list = server.json("/v1/rollouts").await;
    assert_eq!(list["rollouts"][0]["id"], "shop/cart");
    assert_eq!(list["rollouts"][1]["id"], "shop/checkout");
    assert_eq!(list["problems"], json!([]));
    let one = server.json("/v1/rollouts/shop/checkout").await;
    assert_eq!(one, list["rollouts"][1]);
    assert_eq!(one["candidate"], "v2");
    assert_eq!(one["versions"][1]["weight"], 5);
}

#[tokio::test]
async fn what_is_wrong_with_manifests_is_listed() {
    let server = Server::start().await;
    let errors = shunt_spec::manifest::parse("shop.yaml", "kind: Rollout\n").unwrap_err();
    server.problems.send_replace(std::sync::Arc::new(errors));
    let list = server.json("/v1/rollouts").await;
    assert_eq!(list["problems"][0]["file"], "shop.yaml");
    assert_eq!(list["problems"][0]["path"], "apiVersion");
}

#[tokio::test]
async fn what_is_unknown_is_answered_with_what_is_known() {
    let server = Server::start().await;
    let (status, body) = problem(server.get("/v1/rollouts/shop/chekcout").await).await;
    assert_eq!((status, &body["type"]), (404, &json!("urn:shunt:problem:unknown-rollout")));
    assert_eq!(body["detail"], "there is no Rollout shop/chekcout");
    assert_eq!(body["known"], json!(["shop/cart", "shop/checkout"]));

    let (status, body) = problem(server.get("/v2/rollouts").await).await;
    assert_eq!((status, &body["detail"]), (404, &json!("there is nothing at /v2/rollouts")));
    let (status, _) = problem(server.send(Method::DELETE, "/v1/rollouts", None).await).await;
    assert_eq!(status, 405);
}

/// Before the manifests are read the control plane cannot say that something is not there.
#[tokio::test]
async fn a_process_that_is_starting_says_so() {
    let server = Server::start().await;
    server.rollouts.send_replace(std::sync::Arc::default());
    let answer = server.get("/v1/rollouts/shop/checkout").await;
    assert_eq!(answer.headers()["retry-after"], "1");
    let (status, body) = problem(answer).await;
    assert_eq!((status, &body["type"]), (503, &json!("urn:shunt:problem:starting")));
    server.ready.send_replace(true);
    assert_eq!(server.get("/v1/rollouts/shop/checkout").await.status(), 404);
}

#[tokio::test]
async fn history_is_asked_of_the_process() {
    let mut server = Server::start().await;
    let now = crate::fixture::checkout(3);
    let entry = Entry {
        rollout: now.plan.id.clone(),
        revision: 3,
        at: crate::fixture::NOW,
        plan: now.plan.digest.clone(),
        reason: "setWeight 5 is proved".to_owned(),
        command: None,
        observation: crate::fixture::observation(&now.plan),
        next: now.state,
        origin: Origin::Advance,
    };
    let requests = std::mem::replace(&mut server.requests, tokio::sync::mpsc::channel(1).1);
    let seen = tokio::spawn(answer_history(requests, entry));
    let history = server.json("/v1/rollouts/shop/checkout/history?limit=7").await;
    assert_eq!(history["entries"][0]["reason"], "setWeight 5 is proved");
    assert_eq!(server.json("/v1/rollouts/gone/away/history").await["entries"].as_array().unwrap().len(), 1);
    let (status, body) = problem(server.get("/v1/rollouts/shop/checkout/history?limit=many").await).await;
    assert_eq!(status, 400, "{body}");
    drop(server);
    assert_eq!(seen.await.unwrap(), [("shop/checkout".to_owned(), 7), ("gone/away".to_owned(), 50)]);
}

async fn answer_history(mut requests: tokio::sync::mpsc::Receiver<ControlRequest>, entry: Entry) -> Vec<(String, usize)> {
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let Some(ControlRequest::History { rollout, limit, reply }) = requests.recv().await else { panic!("a history was expected") };
        seen.push((rollout.to_string(), limit));
        reply.send(Ok(History { entries: vec![HistoryEntry::from(&entry)], calls: Vec::new(), releases: Vec::new() })).unwrap();
    }
    seen
}

#[tokio::test]
async fn proxies_and_policy() {
    let server = Server::start().await;
    let proxies = server.json("/v1/proxies").await;
    assert_eq!(proxies["generation"], 41);
    assert_eq!(proxies["proxies"][1]["rejected"][0]["error"], "Unable to create Wasm plugin shunt");
    let policy = server.json("/v1/policy").await;
    assert_eq!(policy["services"].as_array().unwrap().len(), 1, "a service at rest is not in the policy: {policy}");
    assert_eq!(policy["services"][0]["name"], "shop/checkout");
}

#[tokio::test]
async fn health_follows_the_process() {
    let server = Server::start().await;
    assert_eq!(server.get("/healthz").await.status(), 200);
    assert_eq!(server.get("/readyz").await.status(), 503);
    server.ready.send_replace(true);
    assert_eq!(server.get("/readyz").await.status(), 200);
    let notice = |severity, message: &str| Notice { severity, message: message.to_owned() };
    server.notices.send_replace(Arc::new(vec![notice(Severity::Warning, "the folder is empty")]));
    let warned = server.get("/readyz").await;
    assert_eq!((warned.status().as_u16(), warned.text().await.unwrap().as_str()), (200, "ready\nwarning: the folder is empty\n"));
    server.notices.send_replace(Arc::new(vec![notice(Severity::NotReady, "the disk is full")]));
    let failed = server.get("/readyz").await;
    assert_eq!((failed.status().as_u16(), failed.text().await.unwrap().as_str()), (503, "not ready: the disk is full\n"));
    assert_eq!(server.json("/v1/rollouts").await["notices"][0]["severity"], "notReady");
    server.stopping.send_replace(true);
    assert_eq!(server.get("/readyz").await.status(), 503);
    assert_eq!(server.get("/healthz").await.status(), 200);
}

#[tokio::test]
async fn metrics_are_openmetrics() {
    let server = Server::start().await;
    let response = server.get("/metrics").await;
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = response.text().await.unwrap();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.contains("_bucket")).collect();
    // The order of series within a metric says nothing and differs from run to run.
    lines.chunk_by_mut(|a, b| !a.starts_with('#') && !b.starts_with('#')).for_each(<[&str]>::sort_unstable);
    insta::assert_snapshot!(lines.join("\n"));
}
