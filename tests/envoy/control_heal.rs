//! A worker's VM dies: the control plane notices its silence and pushes, which replaces it.

use std::time::Duration;

use anyhow::{Context, Result};
use hyper::Method;
use shunt_testbed::{Client, ControlPlane, LocalShop, Scenario, locate, until};

use crate::control_rig::{CANARY, FILE, ROLLOUT, STEP, at_rest, live, manifest, proxy};

/// The silence of a dead VM among living ones is believed after 15 s.
const NOTICED: Duration = Duration::from_secs(45);

#[tokio::test]
async fn dead_workers_are_replaced_by_a_push() -> Result<()> {
    let story = Scenario::new("a dead worker is healed");
    let shops = [LocalShop::start("v1").await?, LocalShop::start("v2").await?];
    let module = locate::panicking_filter()?;
    let text = manifest("checkout", "shop.test", &shops, "v1", &format!("{CANARY}\n  {RULE}"));
    let control = ControlPlane::start_with(&[(FILE, &text)], &["--filter", module.to_str().context("path")?]).await?;
    let (envoy, address) = proxy(&control, "edge-1").await?;
    control.until_rollout("it is in place", ROLLOUT, STEP, live).await?;
    let ask = || Client::new(address).host("shop.test").request(Method::GET, "/").header("cookie", "beta=1");
    until("the rule sends testers to v2", STEP, || async { answered(ask().send().await).as_deref() == Some("v2") }).await?;

    // The change to slow reports is a push of its own, which would heal as well.
    at_rest(&control).await?;
    let panic = || async { ask().header("x-test-panic", "1").send().await.is_ok_and(|reply| reply.status == 503) };
    until("a worker died", STEP, panic).await?;
    story.when("a worker's VM is dead");
    // Connections are spread over the workers: soon one meets the dead VM, whose requests take the default route.
    until("the dead worker answers by the default route", STEP, || async { answered(ask().send().await).as_deref() == Some("v1") })
        .await
        .with_context(|| format!("{}{}", control.log(), envoy.log()))?;
    let before = generation(&control).await?;
    until("the doctor finds it", NOTICED, || async {
        let Ok(output) = control.cli(&["doctor", "edge-1"]).await else { return false };
        !output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 filter VM")
    })
    .await?;
    let pushed = until("a push", NOTICED, || async { generation(&control).await.is_ok_and(|now| now > before) }).await;
    pushed.with_context(|| control.log())?;
    story.then("the control plane pushed");
    until("every worker decides again", STEP, || async {
        let mut all = true;
        for _ in 0..20 {
            all &= answered(ask().send().await).as_deref() == Some("v2");
        }
        all
    })
    .await?;
    assert!(control.log().contains("a worker of edge-1 went silent"), "{}", control.log());
    drop(envoy);
    Ok(())
}

const RULE: &str = "rules: [{name: testers, match: [{cookies: {beta: {exact: '1'}}}], version: v2}]";

fn answered(reply: Result<shunt_testbed::Reply>) -> Option<String> {
    reply.ok()?.header("x-version")
}

async fn generation(control: &ControlPlane) -> Result<u64> {
    let policy: serde_json::Value = control.get_json("/v1/policy").await?;
    policy["generation"].as_u64().context("generation")
}
