//! A real Envoy refuses a part of its configuration: that is known with its words, and the next good one heals it.

use std::time::Duration;

use anyhow::{Context, Result};
use shunt_testbed::until::until_some;
use shunt_testbed::{Load, LocalShop, Scenario, locate, until};

use crate::xds_rig::{HALF, ROLLOUT, Rig, SOON, Variant, live, manifest};
use crate::xds_stage::{Stage, service};

#[tokio::test]
async fn routes_that_envoy_refuses_by_delta() -> Result<()> {
    routes_that_envoy_refuses(Variant::Delta).await
}

#[tokio::test]
async fn routes_that_envoy_refuses_by_state_of_the_world() -> Result<()> {
    routes_that_envoy_refuses(Variant::StateOfTheWorld).await
}

async fn routes_that_envoy_refuses(variant: Variant) -> Result<()> {
    let story = Scenario::new("a host that is none");
    let (v1, other) = (LocalShop::start("v1").await?, LocalShop::start("other").await?);
    let good = || vec![service("checkout", &["shop.test"], &v1)];
    let mut stage = Stage::start(variant, good()).await?;
    assert_eq!(stage.answer("shop.test").await.as_deref(), Some("v1"));
    let load = Load::new(stage.address).rate(100.0).start();

    story.when("a configuration is published in which a second service has a host that Envoy refuses");
    let acked = stage.node().map(|node| node.acked_sequence);
    let bad = stage.publish([good(), vec![service("payment", &["other.test", "line\nbreak.test"], &other)]].concat());
    let refused = until_some("Envoy's refusal is known", SOON, || async { stage.node()?.nack }).await;
    let nack = refused.with_context(|| format!("{:?}\n{}", stage.node(), stage.envoy.log()))?;
    story.then("it is known with the kind, Envoy's words and the sequence");
    assert!(nack.type_url.ends_with("RouteConfiguration"), "{nack:?}");
    assert!(nack.error.to_lowercase().contains("domains"), "{nack:?}");
    assert_eq!(nack.sequence, bad);
    assert_eq!(stage.node().map(|node| node.acked_sequence), acked, "a NACK acknowledges nothing");
    assert_eq!(stage.answer("shop.test").await.as_deref(), Some("v1"), "what was there goes on");
    assert_eq!(stage.answer("other.test").await, None);
    story.then("the policy still reaches it: a way back must not hang on a bad route");
    let pushed =
        || async { stage.envoy.stats("extension_config_discovery.*config_reload$").await.is_ok_and(|all| all.values().sum::<u64>() >= 2) };
    until("the policy of that configuration is there", SOON, pushed).await?;

    story.when("a good configuration follows");
    let healed = stage.publish([good(), vec![service("payment", &["other.test"], &other)]].concat());
    stage.until_acknowledged(healed).await?;
    assert_eq!(stage.answer("other.test").await.as_deref(), Some("other"));
    let all = load.stop().await;
    assert_eq!((all.failed(), all.of_version("other")), (0, 0), "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn a_refused_policy_stops_the_step_until_a_good_one_follows() -> Result<()> {
    let story = Scenario::new("a proxy loses the filter's module in the middle of a run");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let of = |release: &str| manifest(&[("v1", &[v1.address()]), ("v2", &[v2.address()])], release, HALF);
    let folder = tempfile::tempdir()?;
    let module = folder.path().join("filter.wasm");
    std::fs::copy(locate::filter()?, &module)?;
    let rig = Rig::start_with(&["--module", &module.display().to_string()], &of("v1")).await?;
    let load = Load::new(rig.address).rate(200.0).start();

    story.when("the module's file is gone, and release names v2");
    let away = folder.path().join("away.wasm");
    std::fs::rename(&module, &away)?;
    rig.write(&of("v2"))?;
    let view = rig.until("the step is stopped by the refusal", |view| view["policy"]["rejected"]["node"] == "edge-1").await?;
    story.then("view and command line name the proxy and its error");
    assert!(view["message"].as_str().is_some_and(|text| text.contains("edge-1 refuses")), "{view:#}");
    for command in [vec!["get", ROLLOUT], vec!["proxies"]] {
        let shown = rig.control.cli_ok(&command).await?;
        assert!(shown.contains("edge-1") && shown.contains("Invalid path"), "{command:?}: {shown}");
    }
    let mark = load.mark();
    // The proof of a step takes 3 s; a refusal must hold it for longer.
    let advanced = until("it goes on all the same", Duration::from_secs(5), || async {
        rig.control.rollout(ROLLOUT).await.is_ok_and(|view| view["phase"] == "Paused")
    });
    assert!(advanced.await.is_err(), "a NACK never advances a rollout");
    assert_eq!(load.tally_since(mark).of_version("v2"), 0, "the old policy goes on");

    story.when("the file is back, and the release is taken back");
    std::fs::rename(&away, &module)?;
    rig.write(&of("v1"))?;
    rig.until("the next policy is proved", |view| view["phase"] == "Healthy" && view["stable"] == "v1" && live(view)).await?;
    story.then("a new release runs");
    rig.write(&of("v2"))?;
    rig.until("it waits at 50 %", |view| view["phase"] == "Paused").await?;
    let all = load.stop().await;
    assert_eq!((all.failed(), all.of_version("v2") > 0), (0, true), "{}", all.summary());
    Ok(())
}
