//! Control plane or Envoy start anew: what is in place is not sent again, and what is missing comes back.

use anyhow::Result;
use serde_json::Value;
use shunt_testbed::{Envoy, EnvoyOptions, Load, LocalShop, Scenario, until};

use crate::xds_rig::{HALF, ROLLOUT, Rig, SOON, Variant, live, manifest};

#[tokio::test]
async fn a_restarted_control_plane_sends_nothing_again_by_delta() -> Result<()> {
    a_restarted_control_plane_sends_nothing_again(Variant::Delta).await
}

#[tokio::test]
async fn a_restarted_control_plane_sends_nothing_again_by_state_of_the_world() -> Result<()> {
    a_restarted_control_plane_sends_nothing_again(Variant::StateOfTheWorld).await
}

async fn a_restarted_control_plane_sends_nothing_again(variant: Variant) -> Result<()> {
    let story = Scenario::new(format!("the control plane restarts, {variant:?}"));
    let shops = [LocalShop::start("v1").await?, LocalShop::start("v2").await?, LocalShop::start("v2").await?];
    let [a, b, c] = [&shops[0], &shops[1], &shops[2]].map(LocalShop::address);
    let mut rig = Rig::start(variant, &manifest(&[("v1", &[a]), ("v2", &[b])], "v1", HALF)).await?;
    let load = Load::new(rig.address).users(500).rate(200.0).start();
    rig.write(&manifest(&[("v1", &[a]), ("v2", &[b])], "v2", HALF))?;
    rig.until("the run waits at 50 %", |view| view["phase"] == "Paused" && live(view)).await?;
    let before = rig.updates().await?;
    for kind in ["cds", "lds", "rds", "extension_config_discovery", "cluster.shunt/shop/checkout/v2"] {
        assert!(before.iter().any(|(name, count)| name.contains(kind) && *count > 0), "{kind} in {before:#?}");
    }

    story.when("it is killed, and starts again");
    rig.control.kill();
    until("Envoy knows that it is gone", SOON, || async { rig.envoy.stat("control_plane.connected_state").await.ok() == Some(0) }).await?;
    rig.control.restart().await?;
    until("Envoy is connected again", SOON, || async { rig.envoy.stat("control_plane.connected_state").await.ok() == Some(1) }).await?;
    rig.until("all is proved again", |view| view["phase"] == "Paused" && live(view)).await?;
    story.then("Envoy was sent nothing that it has");
    assert_eq!(rig.updates().await?, before);

    story.when("one version gets another instance");
    rig.write(&manifest(&[("v1", &[a]), ("v2", &[b, c])], "v2", HALF))?;
    rig.until_hosts("shunt/shop/checkout/v2", &[b, c]).await?;
    rig.until("the change is proved", live).await?;
    story.then("Envoy is sent these endpoints, a new generation that proves them, and nothing else");
    let after = rig.updates().await?;
    let grown = after.iter().filter(|(name, count)| before.get(*name) != Some(count)).map(|(name, _)| name.as_str());
    let others: Vec<&str> = grown.filter(|name| !name.starts_with("extension_config_discovery.")).collect();
    assert_eq!(others, ["cluster.shunt/shop/checkout/v2.update_success"]);
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(1)), (0, 0), "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn an_envoy_that_restarts_in_the_middle_of_a_run_has_the_current_policy() -> Result<()> {
    let story = Scenario::new("Envoy restarts in the middle of a run");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let of = |release: &str| manifest(&[("v1", &[v1.address()]), ("v2", &[v2.address()])], release, HALF);
    let mut rig = Rig::start(Variant::Delta, &of("v1")).await?;
    rig.write(&of("v2"))?;
    let load = Load::new(rig.address).users(500).rate(200.0).start();
    rig.until("the run waits at 50 %", |view| view["phase"] == "Paused").await?;
    load.stop().await;
    let before = versions(&rig).await;
    let mine = before.iter().position(|version| version.as_deref() == Some("v2")).expect("half of them have v2");

    story.when("Envoy stops, and starts with the same bootstrap");
    rig.envoy.stop().await?;
    rig.envoy = Envoy::start(&rig.bootstrap, EnvoyOptions::default()).await?;
    until("a user of v2 has it again", SOON, || async { rig.version_of(mine).await.as_deref() == Some("v2") }).await?;
    story.then("everybody has the version that they had");
    assert_eq!(versions(&rig).await, before);
    rig.until("the new Envoy has proved it", live).await?;

    story.then("the run goes on to its end");
    let load = Load::new(rig.address).users(500).rate(200.0).start();
    rig.control.cli_ok(&["promote", ROLLOUT]).await?;
    let done = |view: &Value| view["phase"] == "Healthy" && view["stable"] == "v2";
    rig.until("v2 is stable", done).await?;
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(1)), (0, 0), "{}", all.summary());
    Ok(())
}

/// The versions that the first users get.
async fn versions(rig: &Rig) -> Vec<Option<String>> {
    let mut versions = Vec::new();
    for user in 0..60 {
        versions.push(rig.version_of(user).await);
    }
    versions
}
