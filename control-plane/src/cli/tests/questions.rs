//! `explain` from curl commands, and at other weights.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::server::{Server, run};
use super::views::progressing;
use crate::cli::Cli;
use crate::cli::exit::Exit;

const NOWHERE: &str = "127.0.0.1:1";

const POLICY: &str = "format: 1
services:
  - name: shop/checkout
    hosts: [shop.test]
    stable: v1
    versions: [{name: v1}, {name: v2}]
    key: [{cookie: shunt-id}]
    rules: [{name: testers, match: [{cookies: {beta: {exact: '1'}}}], split: {weights: {v2: 100}}}]
    split: {salt: shop/checkout/1, ranges: [{from: 0, to: 50000, version: v2}]}
";

fn policy(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.yaml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

async fn explain(path: &Path, more: &[&str]) -> (String, anyhow::Result<Exit>) {
    run(NOWHERE, &[&["explain", "--policy", path.to_str().unwrap()], more].concat()).await
}

#[tokio::test]
async fn a_pasted_command_is_a_request() {
    let (_folder, path) = policy(POLICY);
    let curl = ["--", "curl", "-s", "-H", "cookie: beta=1", "https://shop.test/cart"];
    let (text, result) = explain(&path, &curl).await;
    result.unwrap();
    assert!(text.starts_with("GET shop.test/cart → v2\n") && text.contains("testers"), "{text}");
    let (same, _) = explain(&path, &["--curl", "curl -s -H 'cookie: beta=1' https://shop.test/cart"]).await;
    assert_eq!(same, text);
    let (_, result) = explain(&path, &["--curl", "curl -s -H 'cookie: beta=1"]).await;
    assert!(result.unwrap_err().to_string().contains("a quote is not closed"));
}

#[test]
fn one_way_to_say_what_is_asked() {
    use clap::Parser;
    for line in [
        &["shunt", "explain"][..],
        &["shunt", "explain", "--host", "a", "--curl", "curl a"],
        &["shunt", "explain", "--path", "/x", "--curl", "curl a"],
        &["shunt", "explain", "--curl", "curl a", "--", "curl", "a"],
    ] {
        assert!(Cli::try_parse_from(line).is_err(), "{line:?} was taken");
    }
}

/// Who is on the candidate at a weight is on it at every higher one.
#[tokio::test]
async fn raising_a_weight_only_adds_users() {
    let (_folder, path) = policy(POLICY);
    let mut before = BTreeSet::new();
    for (weight, least, most) in [("0", 0, 0), ("5", 0, 12), ("v2=25", 5, 28), ("100", 60, 60)] {
        let mut on = BTreeSet::new();
        for user in 0..60 {
            let cookie = format!("cookie: shunt-id=u{user}");
            let (text, result) = explain(&path, &["--host", "shop.test", "-H", &cookie, "--at-weight", weight, "-o", "json"]).await;
            result.unwrap();
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert!(answer["notes"][0].as_str().unwrap().starts_with("as if it were: "), "{answer}");
            on.extend((answer["version"] == "v2").then_some(user));
        }
        assert!(on.is_superset(&before), "at {weight}");
        assert!((least..=most).contains(&on.len()), "{} users at {weight}", on.len());
        before = on;
    }
}

#[tokio::test]
async fn whose_weight_must_be_clear() {
    let three =
        POLICY.replace("{name: v2}]", "{name: v2}, {name: v3}]").replace("ranges: [{from: 0, to: 50000, version: v2}]", "ranges: []");
    let (_folder, path) = policy(&three);
    let ask =
        async |host: &str, weight: &str| format!("{:#}", explain(&path, &["--host", host, "--at-weight", weight]).await.1.unwrap_err());
    let words = ask("shop.test", "25").await;
    assert!(words.contains("whose weight? shop/checkout has v2, v3: write for example --at-weight v2=25"), "{words}");
    let words = ask("shop.test", "v9=25").await;
    assert!(words.contains("no version v9 beside stable"), "{words}");
    let words = ask("other.test", "25").await;
    assert!(words.contains("no policy decides for other.test now"), "{words}");
}

#[tokio::test]
async fn another_rollouts_request_is_said() {
    let server = Server::start(vec![progressing()]).await;
    let (text, result) = run(&server.address, &["explain", "shop/checkout", "--", "curl", "other.test"]).await;
    result.unwrap();
    assert!(text.contains("shop/checkout does not decide this: other.test is not one of its hosts"), "{text}");
}
