//! `plan`: golden outputs.

use std::path::PathBuf;

use insta::assert_snapshot;
use serde_json::Value;
use tempfile::TempDir;

use super::server::run;
use crate::cli::exit::Exit;

const NOWHERE: &str = "127.0.0.1:1";

fn manifest(spec: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.yaml");
    let text = format!(
        "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: checkout, namespace: shop}}\nspec:\n  \
         service: {{hosts: [shop.test]}}\n  \
         versions: [{{name: v1, endpoints: ['127.0.0.1:9001']}}, {{name: v2, endpoints: ['127.0.0.1:9002']}}]\n  release: v1\n  \
         key: [{{cookie: shunt-id, generate: {{maxAge: 30d}}}}]\n{spec}\n"
    );
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

async fn plan(spec: &str, more: &[&str]) -> (String, anyhow::Result<Exit>) {
    let (_folder, path) = manifest(spec);
    run(NOWHERE, &[&["plan", path.to_str().unwrap()], more].concat()).await
}

const CANARY: &str = "  strategy: {canary: {steps: [{setWeight: 5}, {pause: {duration: 10m}}, {setWeight: 50}, {pause: {duration: 10m}}]}}";

const RAMP: &str = "  strategy: {canary: {steps: [{setWeight: 5}, {pause: {duration: 10m}}, {ramp: {from: 10, to: 50, over: 20m}}]}}";

const AB_TEST: &str =
    "  strategy: {abTest: {goals: [{name: bought, match: [{path: {exact: /buy}}], status: 2xx}], duration: 14d, onWinner: promote}}";

const COMPOSED: &str = "  maxExposed: 5
  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}}, {name: limit, successRate: {min: 99%}}]}
  strategy:
    canary:
      steps:
        - rule: {name: staff, match: [{headers: {x-staff: {present: true}}}]}
        - mirror: {weight: 10}
        - setWeight: 1
        - pause: {duration: 2m}
        - setWeight: 5
        - analysis: {duration: 5m}
        - setWeight: 50
        - pause: {}";

#[tokio::test]
async fn a_canary() {
    let (text, result) = plan(CANARY, &[]).await;
    assert_eq!(result.unwrap(), Exit::Done);
    assert_snapshot!(text);
}

#[tokio::test]
async fn a_ramp_is_one_line() {
    let (text, result) = plan(RAMP, &[]).await;
    assert_snapshot!(text);
    assert_eq!(result.unwrap(), Exit::Done);
}

#[tokio::test]
async fn an_ab_test() {
    let (text, result) = plan(AB_TEST, &["--goal-rate", "20%"]).await;
    assert_snapshot!(text);
    assert_eq!(result.unwrap(), Exit::Done);
    let (text, result) = plan(AB_TEST, &["--users", "90"]).await;
    assert!(text.contains("tells no difference at all"), "{text}");
    assert_eq!(result.unwrap(), Exit::Wrong);
}

#[tokio::test]
async fn a_composed_release() {
    let (text, result) = plan(COMPOSED, &["--rate", "2000/s", "--users", "300000", "--baseline-errors", "0.02%"]).await;
    assert_eq!(result.unwrap(), Exit::Done);
    assert_snapshot!(text);
}

#[tokio::test]
async fn too_few_to_decide() {
    let (text, result) = plan(CANARY, &["--rate", "12/m", "--users", "40"]).await;
    assert_eq!(result.unwrap(), Exit::Wrong, "there is something to change");
    assert_snapshot!(text);
}

const OUTSIDE: &str = "  analysis:
    metrics:
      - {name: errors, successRate: {noWorseThanStable: {by: 0.5pp}}}
      - {name: orders, prometheus: {address: 'http://p', query: x}, min: 1, interval: 1m, initialDelay: 2m, failureLimit: 1}
      - {name: looked, web: {url: 'http://w'}, dryRun: true}
  strategy:
    canary:
      steps:
        - {setWeight: 5, bake: 10m}
        - analysis: {duration: 1m, metrics: [{name: own, web: {url: 'http://w'}, max: 1, interval: 30s, count: 5}]}
        - {setWeight: 50, bake: 10m}";

#[tokio::test]
async fn metrics_from_outside_and_a_tolerance() {
    let (text, result) = plan(OUTSIDE, &[]).await;
    assert_eq!(result.unwrap(), Exit::Wrong, "a step is too short");
    assert_snapshot!(text);
}

#[tokio::test]
async fn a_limit_that_no_version_keeps() {
    let (text, result) = plan(COMPOSED, &["--baseline-errors", "2%"]).await;
    assert_eq!(result.unwrap(), Exit::Wrong);
    assert_snapshot!(text);
}

#[tokio::test]
async fn for_programs_and_the_other_way() {
    let (text, result) = plan(CANARY, &["-o", "json", "--from", "v2"]).await;
    result.unwrap();
    let found: Value = serde_json::from_str(&text).unwrap();
    let forecast = &found["rollouts"][0];
    assert_eq!((&forecast["from"], &forecast["to"], &forecast["end"]), (&"v2".into(), &"v1".into(), &"promoted".into()));
    assert_eq!((&forecast["lasts"], &forecast["legs"][1]["text"]), (&"1209s".into(), &"setWeight 5".into()));
}

#[tokio::test]
async fn what_cannot_be_planned_is_refused() {
    let cases: [(&str, &[&str], &str); 4] = [
        (CANARY, &["--to", "v9"], "shop/checkout has no version v9: it has v1, v2"),
        (CANARY, &["--to", "v1"], "--from and --to name the same version"),
        (CANARY, &["--rollout", "shop/cart"], "there is no Rollout shop/cart in these files\nKnown: shop/checkout"),
        ("  progressDeadline: soon", &[], "shop.yaml:9:3: spec.progressDeadline: \"soon\" is not a duration"),
    ];
    for (spec, more, expected) in cases {
        let words = format!("{:#}", plan(spec, more).await.1.unwrap_err());
        assert!(words.contains(expected), "{words}");
    }
}
