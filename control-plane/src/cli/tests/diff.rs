//! `diff`.

use std::path::Path;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::server::run;
use crate::cli::exit::Exit;

const CHECKOUT: &str = "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {name: checkout, namespace: shop}
spec:
  service: {hosts: [shop.test]}
  versions:
    - {name: v1, endpoints: ['127.0.0.1:9001']}
    - {name: v2, endpoints: ['127.0.0.1:9002']}
  release: v1
  key: [{cookie: shunt-id, generate: {maxAge: 30d}}]
  rules: [{name: testers, match: [{cookies: {beta: {exact: '1'}}}], version: v2}]
  strategy: {canary: {steps: [{setWeight: 5}, {pause: {duration: 10m}}]}}
";

fn folder(at: &Path, name: &str, files: &[(&str, &str)]) {
    std::fs::create_dir(at.join(name)).unwrap();
    for (file, text) in files {
        std::fs::write(at.join(name).join(file), text).unwrap();
    }
}

async fn diff(at: &Path, more: &[&str]) -> (String, Exit) {
    let [left, right] = ["staging", "production"].map(|name| at.join(name).display().to_string());
    let (text, result) = run("127.0.0.1:1", &[&["diff", &left, &right], more].concat()).await;
    (text.replace(at.to_str().unwrap(), "DIR"), result.unwrap())
}

#[tokio::test]
async fn the_same_in_other_words() {
    let at = tempfile::tempdir().unwrap();
    folder(at.path(), "staging", &[("shop.yaml", CHECKOUT)]);
    let reworded = CHECKOUT.replace("setWeight: 5}", "setWeight: 5.0}").replace("duration: 10m", "duration: 600s");
    folder(at.path(), "production", &[("all.yml", &format!("# the same\n{reworded}  progressDeadline: 10m\n"))]);
    let (text, exit) = diff(at.path(), &[]).await;
    assert_eq!((text.as_str(), exit), ("the same: 1 Rollout\n", Exit::Done));
}

/// Also what another MeshPolicy makes of the same manifest.
#[tokio::test]
async fn what_differs_by_rollout() {
    let at = tempfile::tempdir().unwrap();
    let named = |name: &str| CHECKOUT.replace("name: checkout,", &format!("name: {name},")).replace("shop.test", &format!("{name}.test"));
    let mesh = "apiVersion: shunt.dev/v1alpha1\nkind: MeshPolicy\nmetadata: {name: mesh}\nspec: {defaults: {maxExposed: 20}}\n";
    let other =
        CHECKOUT.replace("9002", "9102").replace("{setWeight: 5}", "{setWeight: 1}, {setWeight: 5}").replace("exact: '1'", "prefix: yes-");
    folder(at.path(), "staging", &[("a.yaml", CHECKOUT), ("b.yaml", &named("cart")), ("c.yaml", &named("old"))]);
    folder(at.path(), "production", &[("a.yaml", &other), ("b.yaml", &named("cart")), ("d.yaml", &named("young")), ("m.yaml", mesh)]);
    let (text, exit) = diff(at.path(), &[]).await;
    assert_eq!(exit, Exit::Wrong);
    assert_snapshot!(text);
    let (text, _) = diff(at.path(), &["-o", "json"]).await;
    let found: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found["rollouts"]["shop/old"], "onlyLeft");
    assert_eq!(found["rollouts"]["shop/cart"]["differs"][0], json!({"path": "maxExposed", "left": 5, "right": 20}));
}

#[tokio::test]
async fn what_would_be_refused_is_not_compared() {
    let at = tempfile::tempdir().unwrap();
    folder(at.path(), "staging", &[("a.yaml", CHECKOUT)]);
    folder(at.path(), "production", &[("a.yaml", &CHECKOUT.replace("release: v1", "release: v9"))]);
    assert_eq!(diff(at.path(), &[]).await.1, Exit::Unreadable);
    std::fs::remove_dir_all(at.path().join("production")).unwrap();
    assert_eq!(diff(at.path(), &[]).await.1, Exit::Unreadable);
}
