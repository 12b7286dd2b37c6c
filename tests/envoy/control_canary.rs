//! A canary through to promotion, on a real Envoy under load.

use anyhow::Result;
use serde_json::Value;
use shunt_testbed::Scenario;

use crate::control_rig::{CANARY, RUN, Rig, STEP, proxy, stable, weight};

#[tokio::test]
async fn a_canary_is_promoted_and_no_request_fails() -> Result<()> {
    let story = Scenario::new("a canary is promoted");
    let rig = Rig::start(2, CANARY).await?;
    let load = rig.load();
    story.given("v1 is stable under load");

    rig.release("v2")?;
    story.when("release names v2");
    rig.until("20 % are asked for and proved", STEP, |view| weight(view, "v2") == 20.0 && view["step"]["number"] == 2).await?;
    let mark = load.mark();
    rig.until("50 % are asked for and proved", STEP, |view| weight(view, "v2") == 50.0).await?;
    let share = load.tally_since(mark).share("v2");
    rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    story.then("v2 is stable");

    let mark = load.mark();
    shunt_testbed::until("all are answered by v2", STEP, || async { load.tally_since(mark).of_version("v2") > 200 }).await?;
    let after = load.tally_since(mark);
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    assert_eq!(all.flips(1), 0, "no user changes version twice");
    assert_eq!(after.of_version("v1"), 0, "{}", after.summary());
    assert!((10.0..32.0).contains(&share), "20 % were asked for, {share:.1} % measured");
    let told = rig.story().await?;
    for part in [
        "release of v2 begins",
        "setWeight 20: proved by 1 proxy",
        "setWeight 50: proved by 1 proxy",
        "the default route follows",
        "v2 is stable, proved by 1 proxy",
    ] {
        assert!(told.iter().any(|line| line.contains(part)), "{part:?} is not in {told:#?}");
    }
    figures_stay(&story, rig).await
}

/// Figures of the release that is over, when the filters no longer count for it, and when everything that counted is gone.
async fn figures_stay(story: &Scenario, mut rig: Rig) -> Result<()> {
    let view = rig.until("the step at 50 % has its figures", STEP, |view| step(view, "setWeight 50").is_some()).await?;
    let ended = step(&view, "setWeight 50").cloned().unwrap_or_default();
    let of = |version: &str| ended["versions"][version]["requests"].as_u64().unwrap_or_default();
    assert!(of("v1") > 20 && of("v2") > 20, "{ended:#}");
    let errors = ended["verdicts"].as_array().and_then(|all| all.iter().find(|judged| judged["metric"] == "errors"));
    let errors = errors.cloned().unwrap_or_default();
    assert!(errors["outcome"] == "pass" && errors["samples"].as_u64() >= Some(20), "{ended:#}");

    story.when("control plane and Envoy are killed, and another Envoy is the only one that reports");
    rig.control.kill();
    rig.envoy.kill();
    rig.control.restart().await?;
    (rig.envoy, rig.address) = proxy(&rig.control, "edge-2").await?;
    let again = rig.until("v2 is still stable", STEP, |view| stable(view, "v2")).await?;
    story.then("the figures are those that were recorded");
    assert_eq!(again["figures"], view["figures"]);
    let total = |view: &Value, version: &str| {
        view["versions"].as_array().into_iter().flatten().find(|one| one["name"] == version).and_then(|one| one["requests"].as_u64())
    };
    assert!(total(&again, "v2") > Some(200), "{again:#}");
    for args in [&["get", "shop/checkout"][..], &["history", "shop/checkout"]] {
        let text = rig.control.cli_ok(args).await?;
        assert!(text.contains("v2 0 of ") && text.contains("errors pass"), "{text}");
    }
    Ok(())
}

fn step<'v>(view: &'v Value, text: &str) -> Option<&'v Value> {
    view["figures"]["steps"].as_array()?.iter().find(|step| step["text"] == text)
}
