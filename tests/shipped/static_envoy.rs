//! `envoy/static`: a static Envoy, the filter, a policy file, no control plane.

use std::time::Duration;

use anyhow::Result;
use shunt_testbed::client::Client;
use shunt_testbed::envoy::{Envoy, EnvoyOptions};
use shunt_testbed::{LocalShop, Scenario, locate, until};

use super::read;

/// The file with the values that its comments tell the user to change.
pub(super) fn filled(path: &str, v1: &LocalShop, v2: &LocalShop) -> String {
    let port = |shop: &LocalShop| format!("port_value: {}", shop.address().port());
    read(path)
        .replace("port_value: 9001", &port(v1))
        .replace("port_value: 9002", &port(v2))
        .replace("port_value: 10000", "port_value: 0")
        .replace("admin:\n  address: {socket_address: {address: 127.0.0.1, port_value: 9901}}\n", "")
}

async fn answer(client: &Client, cookie: &str) -> Option<String> {
    let reply = client.request(hyper::Method::GET, "/").header("cookie", cookie).send().await;
    reply.ok().and_then(|reply| reply.version())
}

#[tokio::test]
async fn static_envoy_with_a_policy_file() -> Result<()> {
    let story = Scenario::new("envoy/static runs as it is written");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let folder = tempfile::tempdir()?;
    let policy = folder.path().join("policy.yaml");
    let module = locate::filter()?;
    let text = read("envoy/static/policy.yaml").replace("/etc/shunt/shunt_filter.wasm", &module.display().to_string());
    std::fs::write(&policy, &text)?;
    let bootstrap = filled("envoy/static/envoy.yaml", &v1, &v2).replace("/etc/shunt/policy.yaml", &policy.display().to_string());
    let envoy = Envoy::start(&bootstrap, EnvoyOptions::default()).await?;
    let client = &Client::new(envoy.listener("edge").await?).host("shop.test");

    story.then("testers get v2 as soon as the policy is read, others v1");
    until("testers to get v2", Duration::from_secs(10), || async { answer(client, "beta=1").await.as_deref() == Some("v2") }).await?;
    assert_eq!(answer(client, "shunt-id=user-1").await.as_deref(), Some("v1"));
    let reply = client.get("/").await?;
    assert!(reply.header("set-cookie").is_some_and(|cookie| cookie.starts_with("shunt-id=")), "a new user gets a key");

    story.when("the file is replaced by one with 100 %");
    let all = text.replace(r#""weights": {"v2": 5}"#, r#""weights": {"v2": 100}, "wieghts": {"v1": 100}"#);
    assert_ne!(all, text);
    let next = folder.path().join("next.yaml");
    std::fs::write(&next, &all)?;
    std::fs::rename(&next, &policy)?;
    story.then("everybody gets v2");
    until("everybody to get v2", Duration::from_secs(10), || async { answer(client, "shunt-id=user-1").await.as_deref() == Some("v2") })
        .await?;

    story.then("a field that the filter does not know is in the log");
    until("the log to name it", Duration::from_secs(10), || async {
        envoy.log().contains("fields that this filter does not know, they change nothing: services.0.split.wieghts")
    })
    .await?;

    story.when("a broken policy replaces it");
    std::fs::write(&next, all.replace(r#""stable": "v1""#, r#""stable": "unknown""#))?;
    std::fs::rename(&next, &policy)?;
    until("Envoy to refuse it", Duration::from_secs(10), || async {
        envoy.stats("update_rejected|config_fail|config_reject").await.is_ok_and(|stats| stats.values().any(|count| *count > 0))
    })
    .await?;
    story.then("the last good one stays");
    assert_eq!(answer(client, "shunt-id=user-1").await.as_deref(), Some("v2"));
    Ok(())
}
