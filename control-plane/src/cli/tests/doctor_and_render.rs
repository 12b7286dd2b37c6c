//! `doctor`, `render`.

use insta::assert_snapshot;
use serde_json::Value;
use shunt_core::Phase;
use shunt_core::status::{DeliveryView, RejectedView, RolloutStatus};
use shunt_spec::Time;

use super::server::{Server, run};
use super::views::{healthy, progressing};
use crate::cli::exit::Exit;

#[tokio::test]
async fn each_proxy_with_what_helps() {
    let server = Server::start(vec![progressing()]).await;
    let (text, result) = run(&server.address, &["doctor"]).await;
    assert_eq!(result.unwrap(), Exit::Wrong);
    assert_snapshot!(text);
    let (text, _) = run(&server.address, &["doctor", "-o", "json"]).await;
    let found: Value = serde_json::from_str(&text).unwrap();
    assert!(found["proxies"].as_array().unwrap().iter().any(|one| !one["findings"].as_array().unwrap().is_empty()), "{text}");
    let (_, result) = run(&server.address, &["doctor", "unknown"]).await;
    let words = result.unwrap_err().to_string();
    assert!(words.starts_with("no proxy unknown ever connected or reported\nKnown: "), "{words}");
}

#[tokio::test]
async fn a_refusal_is_said_once_with_whose_it_is() {
    let rejected = RolloutStatus {
        rejected: Some(RejectedView {
            node: "edge-1".to_owned(),
            kind: "clusters".to_owned(),
            error: "out of range".to_owned(),
            since: Time(0),
        }),
        phase: Phase::Rejected,
        ..healthy()
    };
    let refused = DeliveryView::Rejected { node: "edge-2".to_owned(), error: "extensions: Invalid path".to_owned() };
    let stands = |view| RolloutStatus { policy: refused.clone(), ..view };
    let server = Server::start(vec![rejected, stands(progressing()), stands(healthy())]).await;
    let (text, result) = run(&server.address, &["doctor"]).await;
    assert_eq!(result.unwrap(), Exit::Wrong);
    for line in
        ["blog/checkout is rejected: edge-1 refuses its clusters: out of range", "2 Rollouts stand still: edge-2 refuses the policy"]
    {
        assert_eq!(text.matches(line).count(), 1, "{line}: {text}");
    }
}

const SHOP: &str = "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {name: checkout, namespace: shop}
spec:
  service: {hosts: [shop.test, '*.shop.test'], port: 8080}
  versions: [{name: v1, endpoints: ['127.0.0.1:9001']}, {name: v2, endpoints: ['v2.internal:9002']}]
  release: v1
  key: [{cookie: shunt-id, generate: {maxAge: 30d}}]
  rules: [{name: testers, match: [{cookies: {beta: {exact: '1'}}}], version: v2}]
";

#[tokio::test]
async fn what_would_be_published_and_a_file_to_stand_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.yaml");
    std::fs::write(&file, SHOP).unwrap();
    let shop = file.to_str().unwrap();
    let (text, result) = run("127.0.0.1:1", &["render", shop]).await;
    result.unwrap();
    assert_snapshot!(text);
    let static_bootstrap = ["render", "--static", "--node", "edge-1", "--listen", "127.0.0.1:10001", "--module", "/opt/filter.wasm", shop];
    let (text, result) = run("127.0.0.1:1", &static_bootstrap).await;
    result.unwrap();
    assert_snapshot!(text);
    // It is set up right by our own rules.
    let bootstrap = folder.path().join("static.yaml");
    std::fs::write(&bootstrap, &text).unwrap();
    let (text, result) = run("127.0.0.1:1", &["lint", "--strict", "--envoy", bootstrap.to_str().unwrap()]).await;
    assert_eq!(result.unwrap(), Exit::Done, "{text}");
}

#[tokio::test]
async fn what_moves_cannot_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shop.yaml");
    std::fs::write(&file, SHOP.replace("endpoints: ['v2.internal:9002']", "command: [shop]")).unwrap();
    let (_, result) = run("127.0.0.1:1", &["render", "--static", "--node", "a", "--module", "/a", file.to_str().unwrap()]).await;
    let words = result.unwrap_err().to_string();
    assert!(words.contains("come and go") && words.contains("--server"), "{words}");
    let (_, result) = run("127.0.0.1:1", &["render", "--data", "/nowhere"]).await;
    assert!(result.unwrap_err().to_string().contains("no folder"));
}
