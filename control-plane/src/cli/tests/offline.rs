//! What needs no control plane: `lint`, `explain --policy`, `envoy-bootstrap`, `version`, `completion`.

use std::path::Path;

use insta::assert_snapshot;
use serde_json::Value;
use tempfile::TempDir;

use super::server::run;
use crate::cli::exit::Exit;

/// Nothing listens there.
const NOWHERE: &str = "127.0.0.1:1";

const GOOD: &str = "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {name: checkout, namespace: shop}
spec:
  service: {hosts: [shop.test]}
  versions: [{name: v1, endpoints: ['127.0.0.1:9001']}]
  release: v1
  key: [{cookie: shunt-id, generate: {maxAge: 30d}}]
";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

async fn lint(folder: &Path, arguments: &[&str]) -> (String, Exit) {
    let (text, result) = run(NOWHERE, &[&["lint", folder.to_str().unwrap()], arguments].concat()).await;
    (text.replace(folder.to_str().unwrap(), "DIR"), result.unwrap())
}

#[tokio::test]
async fn good_manifests_pass() {
    let folder = folder(&[("shop.yaml", GOOD), ("notes.txt", "not: [a manifest"), (".hidden.yaml", "nor: [this")]);
    let (text, exit) = lint(folder.path(), &[]).await;
    assert_eq!((text.as_str(), exit), ("1 file: 1 Rollout without an error, 0 errors, 0 warnings\n", Exit::Done));
}

#[tokio::test]
async fn each_error_has_its_place() {
    let wrong = GOOD.replace("release: v1", "release: v9").replace("checkout,", "cart,").replace("shop.test", "cart.test");
    let twice = GOOD.replace("shop.test", "other.test");
    let conflicted = GOOD.replace("checkout,", "zoo,");
    let folder = folder(&[("a.yaml", GOOD), ("b.yaml", &wrong), ("c.yml", &twice), ("d.yaml", &conflicted), ("e.yaml", "kind: Rollout\n")]);
    let (text, exit) = lint(folder.path(), &[]).await;
    assert_eq!(exit, Exit::Wrong);
    assert_snapshot!(text);
    let (json, exit) = lint(folder.path(), &["-o", "json"]).await;
    assert_eq!(exit, Exit::Wrong, "programs get the same exit code");
    let found: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((found["errors"].as_array().unwrap().len(), &found["rollouts"]), (6, &serde_json::json!(["shop/checkout"])));
}

/// Of a managed Envoy, a host that only a flag names answers 404.
#[tokio::test]
async fn a_flag_alone_on_a_host_is_warned_about() {
    let flag = "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {name: new-checkout, namespace: shop}
spec:
  service: {hosts: [shop.test]}
  flag: {name: new-checkout, default: disabled}
  versions: [{name: disabled, value: false}, {name: enabled, value: true}]
  release: disabled
  key: [{cookie: shunt-id, generate: {maxAge: 30d}}]
";
    let alone = folder(&[("flag.yaml", flag)]);
    let (text, exit) = lint(alone.path(), &[]).await;
    assert_eq!(exit, Exit::Done);
    assert!(
        text.contains("DIR/flag.yaml:5:") && text.contains("answers 404 there. Add a Rollout with service: {hosts: [shop.test]}"),
        "{text}"
    );
    let beside = folder(&[("flag.yaml", flag), ("shop.yaml", GOOD)]);
    let (text, _) = lint(beside.path(), &[]).await;
    assert!(!text.contains("404"), "{text}");
}

#[tokio::test]
async fn files_of_other_tools_are_noted() {
    let folder = folder(&[("shop.yaml", GOOD), ("deployment.yaml", "apiVersion: apps/v1\nkind: Deployment\n")]);
    let (text, exit) = lint(folder.path(), &["--strict"]).await;
    assert_eq!(exit, Exit::Done);
    assert!(text.starts_with("DIR/deployment.yaml:1:1: note: skipped: apiVersion is apps/v1"), "{text}");
}

#[tokio::test]
async fn the_shipped_policies_explain_and_lint() {
    let shipped = |name: &str| format!("{}/../{name}", env!("CARGO_MANIFEST_DIR"));
    let policy = shipped("envoy/static/policy.yaml");
    let (text, result) = run(NOWHERE, &["explain", "--host", "shop.test", "--header", "cookie: beta=1", "--policy", &policy]).await;
    result.unwrap();
    assert!(text.contains("v2"), "{text}");
    for name in ["envoy/static/policy.yaml", "istio/plugin-mesh.yaml"] {
        let (text, result) = run(NOWHERE, &["lint", &shipped(name)]).await;
        assert_eq!(result.unwrap(), Exit::Done, "{text}");
        assert!(text.contains("set up right"), "{text}");
    }
    let (text, result) = run(NOWHERE, &["lint", &shipped("envoy/own-routes"), "--envoy", &shipped("envoy/own-routes/envoy.yaml")]).await;
    assert_eq!(result.unwrap(), Exit::Done, "{text}");
}

/// A step with a key that appears at login is allowed and probably not meant.
#[tokio::test]
async fn warnings_count_only_when_strict() {
    let keyless = GOOD.replace(
        "key: [{cookie: shunt-id, generate: {maxAge: 30d}}]",
        "key: [{header: x-user}, {cookie: shunt-id, generate: {maxAge: 30d}}]",
    );
    let folder = folder(&[("shop.yaml", &keyless)]);
    let (text, exit) = lint(folder.path(), &[]).await;
    assert!(text.contains(": warning: spec.key"), "{text}");
    assert_eq!(exit, Exit::Done);
    assert_eq!(lint(folder.path(), &["--strict"]).await.1, Exit::Wrong);
}

#[tokio::test]
async fn the_limits_of_the_mesh_apply() {
    let mesh = "apiVersion: shunt.dev/v1alpha1\nkind: MeshPolicy\nmetadata: {name: mesh}\nspec: {limits: {maxExposed: 1}}\n";
    let loose = format!("{GOOD}  maxExposed: 50\n");
    let folder = folder(&[("mesh.yaml", mesh), ("shop.yaml", &loose)]);
    let (text, exit) = lint(folder.path(), &[]).await;
    assert_eq!(exit, Exit::Wrong);
    assert!(text.contains("spec.maxExposed") && text.contains("MeshPolicy"), "{text}");
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error() {
    let empty = tempfile::tempdir().unwrap();
    for path in [empty.path().to_owned(), empty.path().join("missing.yaml")] {
        let (_, result) = run(NOWHERE, &["lint", path.to_str().unwrap()]).await;
        assert!(result.unwrap_err().to_string().contains(path.to_str().unwrap()));
    }
}

/// The same decision as the filter's, from JSON and from YAML.
#[tokio::test]
async fn a_policy_file_explains() {
    let policy = "format: 1
services:
  - name: shop/checkout
    hosts: [shop.test]
    stable: v1
    versions: [{name: v1}, {name: v2}]
    rules: [{name: testers, match: [{cookies: {beta: {exact: '1'}}}], split: {weights: {v2: 100}}}]
";
    let folder =
        folder(&[("policy.yaml", policy), ("broken.yaml", &policy.replace("stable: v1", "stable: v9")), ("no.json", "{\"format\": 1")]);
    let explain = async |file: &str, header: &str| {
        let path = folder.path().join(file);
        run(NOWHERE, &["explain", "--host", "shop.test", "--policy", path.to_str().unwrap(), "--header", header]).await
    };
    let (text, _) = explain("policy.yaml", "cookie: beta=1").await;
    assert_snapshot!(text);
    let (text, _) = explain("policy.yaml", "cookie: beta=0").await;
    assert!(text.starts_with("GET shop.test/ → v1\n"), "{text}");
    let words = format!("{:#}", explain("broken.yaml", "a: b").await.1.unwrap_err());
    assert!(words.contains("broken.yaml") && words.contains("services[0].stable"), "{words}");
    assert!(explain("no.json", "a: b").await.1.unwrap_err().to_string().contains("is neither YAML nor JSON"));
}

#[tokio::test]
async fn a_bootstrap_says_who_and_where() {
    let line = ["envoy-bootstrap", "--node", "edge-1", "--listen", "127.0.0.1:10001", "--xds", "control.test:1", "--api", "[::1]:2"];
    let (text, _) = run(NOWHERE, &line).await;
    let bootstrap: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(bootstrap["node"]["id"], "edge-1");
    assert_eq!(bootstrap["node"]["metadata"]["shunt"]["listen"], "127.0.0.1:10001");
    assert!(text.contains("control.test") && text.contains("::1"), "{text}");
}

#[tokio::test]
async fn a_version_says_which_filter() {
    let (text, _) = run(NOWHERE, &["version"]).await;
    let filter = match crate::module::SHUNT_MODULE {
        Some(_) => "filter sha256:",
        None => "built without the filter: run cargo xtask build",
    };
    assert!(text.starts_with(&format!("shunt {}\n{filter}", env!("CARGO_PKG_VERSION"))), "{text}");
}

#[tokio::test]
async fn shells_learn_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let (script, _) = run(NOWHERE, &["completion", shell]).await;
        assert!(script.contains("envoy-bootstrap") && script.contains("through-pauses"), "{shell}");
    }
}

#[tokio::test]
async fn the_schema_of_manifests_is_printed() {
    let (text, result) = run(NOWHERE, &["schema"]).await;
    assert_eq!(result.unwrap(), Exit::Done);
    let schema: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(schema["properties"]["kind"]["enum"], serde_json::json!(["Rollout", "MeshPolicy", "AnalysisTemplate"]));
    let (text, result) = run(NOWHERE, &["schema", "MeshPolicy", "-o", "yaml"]).await;
    assert_eq!(result.unwrap(), Exit::Done);
    assert!(text.contains("title: MeshPolicy"), "{text}");
}
