//! Proxies that refuse, die, and come back.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use shunt_testbed::envoy::listen_address;
use shunt_testbed::{Envoy, EnvoyOptions, Scenario, until};

use crate::control_rig::{CANARY, ROLLOUT, RUN, Rig, STEP, proxy, stable, weight};

/// A canary that waits for an operator at 20 %.
const WAITING: &str = "strategy: {canary: {steps: [{setWeight: 20}, {pause: {}}, {setWeight: 50}, {pause: {}}]}}
  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}
  keepOld: 0s";

#[tokio::test]
async fn a_refusal_stops_the_step_and_is_shown() -> Result<()> {
    let story = Scenario::new("a proxy refuses its configuration");
    let rig = Rig::start(2, WAITING).await?;
    let load = rig.load();
    rig.release("v2")?;
    rig.until("it waits at 20 %", STEP, |view| view["phase"] == "Paused").await?;

    let bootstrap =
        rig.control.bootstrap("edge-2", &["--listen", &listen_address().to_string(), "--module", "/nonexistent/filter.wasm"]).await?;
    let mut other = Envoy::launch(&bootstrap, EnvoyOptions::default()).await?;
    story.when("a second proxy cannot load the filter");
    until("its refusal is known", STEP, || async { refusal(&rig, "edge-2").await.is_some() }).await?;
    rig.control.cli_ok(&["promote", ROLLOUT]).await?;
    let view = rig
        .until("the step is stopped by it", STEP, |view| weight(view, "v2") == 50.0 && view["policy"]["rejected"]["node"] == "edge-2")
        .await?;
    assert!(view["message"].as_str().is_some_and(|text| text.contains("edge-2 refuses")), "{view:#}");
    assert!(rig.control.cli_ok(&["get", ROLLOUT]).await?.contains("edge-2"));
    // The proof of a step takes 3 s; a refusal must hold it for longer.
    let held = until("it goes on all the same", Duration::from_secs(6), || async {
        rig.control.rollout(ROLLOUT).await.is_ok_and(|view| view["phase"] == "Paused")
    });
    assert!(held.await.is_err(), "a NACK never advances a rollout");

    other.kill();
    story.when("that proxy is gone");
    rig.until("the step is proved", STEP, |view| view["phase"] == "Paused" && view["step"]["number"] == 4).await?;
    rig.control.cli_ok(&["promote", ROLLOUT]).await?;
    rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(1)), (0, 0), "{}", all.summary());
    Ok(())
}

async fn refusal(rig: &Rig, node: &str) -> Option<String> {
    let list: Value = rig.control.get_json("/v1/proxies").await.ok()?;
    let all = list.as_array().or_else(|| list["proxies"].as_array())?;
    let found = all.iter().find(|proxy| proxy["node"] == node)?;
    found["rejected"][0]["error"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn without_a_proxy_nothing_is_proved_and_with_it_all_goes_on() -> Result<()> {
    let story = Scenario::new("the only Envoy is killed in the middle of a run");
    let mut rig = Rig::start(2, CANARY).await?;
    rig.envoy.kill();
    story.when("the Envoy is killed, and release names v2");
    rig.release("v2")?;
    let waits = |view: &Value| view["step"]["number"] == 1 && view["policy"]["waiting"]["behind"][0] == "edge-1";
    rig.until("it waits for the proxy", STEP, waits).await?;
    let held = until("it goes on all the same", Duration::from_secs(6), || async {
        rig.control.rollout(ROLLOUT).await.is_ok_and(|view| view["step"]["number"] != 1)
    });
    assert!(held.await.is_err(), "nothing is proved without a proxy");

    (rig.envoy, rig.address) = proxy(&rig.control, "edge-1").await?;
    story.when("it is back");
    let load = rig.load();
    rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(1)), (0, 0), "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn a_second_proxy_takes_part_in_the_proof() -> Result<()> {
    let rig = Rig::start(2, CANARY).await?;
    let (second, address) = proxy(&rig.control, "edge-2").await?;
    let load = rig.load();
    let other = shunt_testbed::Load::new(address).users(1000).rate(50.0).start();
    rig.release("v2")?;
    rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    let told = rig.story().await?.join("\n");
    assert!(told.contains("setWeight 20: proved by 2 proxies"), "{told}");
    let (all, others) = (load.stop().await, other.stop().await);
    assert_eq!((all.failed(), others.failed()), (0, 0), "{}\n{}", all.summary(), others.summary());
    drop(second);
    Ok(())
}

#[tokio::test]
async fn a_stopping_envoy_says_its_last_word() -> Result<()> {
    let story = Scenario::new("an Envoy is stopped");
    let mut rig = Rig::start(1, CANARY).await?;
    story.when("it gets SIGTERM");
    rig.envoy.stop().await?;
    story.then("it is known to be gone by its own last reports, not by a minute of silence");
    until("it is expected no longer", Duration::from_secs(20), || async {
        let proxies = rig.control.get_json::<Value>("/v1/proxies").await;
        proxies.is_ok_and(|list| list["proxies"].as_array().is_some_and(Vec::is_empty))
    })
    .await?;
    Ok(())
}
