//! The whole life of a Rollout over HTTP, without a file written by hand; each answer is what the OpenAPI document says.

use std::time::Duration;

use anyhow::{Context, Result};
use hyper::Method;
use serde_json::{Value, json};
use shunt_testbed::{Client, ControlPlane, LocalShop, until};

use crate::control_rig::{FILE, STEP, manifest};

const PATH: &str = "/v1/rollouts/shop/cart";

/// The API of one control plane, and its description.
struct Api {
    client: Client,
    document: Value,
}

impl Api {
    async fn ask(&self, method: Method, path: &str, body: &str, schema: &str, status: u16) -> Result<Value> {
        self.keyed(method, path, body, "", schema, status).await
    }

    /// With an idempotency key, where it is not empty.
    async fn keyed(&self, method: Method, path: &str, body: &str, key: &str, schema: &str, status: u16) -> Result<Value> {
        let kind = if body.starts_with('{') { "application/json" } else { "application/yaml" };
        let request = self.client.request(method.clone(), path).header("content-type", kind).body(body.to_owned());
        let request = if key.is_empty() { request } else { request.header("idempotency-key", key) };
        let reply = request.send().await?;
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
        let value: Value = reply.json()?;
        let schema = json!({"$ref": format!("#/components/schemas/{schema}"), "components": self.document["components"]});
        let validator = jsonschema::validator_for(&schema)?;
        let wrong: Vec<String> = validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(wrong.is_empty(), "{method} {path}: {wrong:#?}\n{value:#}");
        Ok(value)
    }
}

#[tokio::test]
async fn deploy_release_roll_back_and_remove_over_http() -> Result<()> {
    let shops = vec![LocalShop::start("v1").await?, LocalShop::start("v2").await?];
    let cart = |release: &str| manifest("cart", "cart.test", &shops, release, "");
    let mut control = ControlPlane::start(&[(FILE, &manifest("checkout", "shop.test", &shops, "v1", ""))]).await?;
    let client = Client::new(control.api()).timeout(Duration::from_secs(60));
    let document: Value = client.get("/openapi.json").await?.json()?;
    let api = Api { client, document };

    let problem = api.ask(Method::PUT, PATH, &cart("v9"), "ProblemBody", 422).await?;
    assert_eq!(problem["errors"][0]["path"], "spec.release");
    let taken = manifest("cart", "shop.test", &shops, "v1", "");
    api.ask(Method::PUT, PATH, &taken, "ProblemBody", 409).await?;
    api.ask(Method::PUT, PATH, &cart("v1"), "Accepted", 200).await?;
    assert!(control.config().join("shop.cart.yaml").is_file());
    let view = api.ask(Method::GET, &format!("{PATH}?wait=Healthy&timeout=30s"), "", "RolloutStatus", 200).await?;
    assert_eq!((&view["stable"], &view["release"]), (&json!("v1"), &json!("v1")));

    let release = r#"{"version": "v2"}"#;
    let first = api.keyed(Method::POST, &format!("{PATH}/release"), release, "build-42", "Accepted", 200).await?;
    let view = api.ask(Method::GET, &format!("{PATH}?wait=Progressing&timeout=30s"), "", "RolloutStatus", 200).await?;
    assert_eq!(view["candidate"], "v2");
    control.kill();
    control.restart().await?;
    until("it is ready again", STEP, || async { api.client.get("/readyz").await.is_ok_and(|reply| reply.status == 200) }).await?;
    let again = api.keyed(Method::POST, &format!("{PATH}/release"), release, "build-42", "Accepted", 200).await?;
    assert_eq!(first, again, "also over a restart");
    api.keyed(Method::POST, &format!("{PATH}/release"), r#"{"version": "v1"}"#, "build-42", "ProblemBody", 422).await?;

    api.ask(Method::POST, &format!("{PATH}/commands"), r#"{"verb": "pause", "reason": "lunch", "by": "ann"}"#, "Accepted", 200).await?;
    api.ask(Method::GET, &format!("{PATH}?wait=Paused&timeout=30s"), "", "RolloutStatus", 200).await?;
    api.ask(Method::POST, &format!("{PATH}/commands"), r#"{"verb": "pause"}"#, "ProblemBody", 409).await?;
    api.ask(Method::POST, &format!("{PATH}/rollback"), "{}", "Accepted", 200).await?;
    let text = std::fs::read_to_string(control.config().join("shop.cart.yaml"))?;
    assert!(text.contains("release: v1"), "{text}");

    let history = api.ask(Method::GET, &format!("{PATH}/history"), "", "History", 200).await?;
    let told: Vec<&str> = history["entries"].as_array().context("entries")?.iter().filter_map(|entry| entry["reason"].as_str()).collect();
    assert!(told.iter().any(|line| line.contains("held by ann: lunch")), "{told:#?}");
    for (path, schema) in [
        ("/v1/rollouts", "RolloutList"),
        ("/v1/proxies", "ProxyList"),
        ("/v1/policy", "RoutingPolicy"),
        ("/v1/freeze", "Freeze"),
        ("/v1/rollouts/shop/cart/journal", "Incident"),
        ("/v1/rollouts/shop/cart/versions/v1/endpoints", "Endpoints"),
    ] {
        api.ask(Method::GET, path, "", schema, 200).await?;
    }
    api.ask(Method::DELETE, PATH, "", "Accepted", 200).await?;
    assert!(!control.config().join("shop.cart.yaml").exists());
    let audit = api.ask(Method::GET, "/v1/audit?limit=4", "", "Audit", 200).await?;
    let done: Vec<(&str, &str)> = audit["entries"]
        .as_array()
        .context("entries")?
        .iter()
        .filter_map(|entry| Some((entry["verb"].as_str()?, entry["result"].as_str()?)))
        .collect();
    assert_eq!(done, [("deleteRollout", "done"), ("rollback", "done"), ("pause", "not-now"), ("pause", "done")]);
    Ok(())
}
