//! What was lost moves no user: manifests that are missing for a moment, and the whole store.

use anyhow::Result;
use shunt_testbed::{Scenario, until};

use crate::control_rig::{CANARY, FILE, ROLLOUT, RUN, Rig, STEP, live, stable, weight};

/// A canary that waits at 20 %.
const WAITING: &str = "strategy: {canary: {steps: [{setWeight: 20}, {pause: {}}, {setWeight: 50}]}}
  keepOld: 0s";

#[tokio::test]
async fn a_config_folder_that_is_empty_for_a_while_moves_no_user() -> Result<()> {
    let story = Scenario::new("the config folder is empty, as below a mount");
    let rig = Rig::start(2, WAITING).await?;
    let load = rig.load();
    rig.release("v2")?;
    rig.until("v2 has its first users", STEP, |view| weight(view, "v2") == 20.0 && view["step"]["number"] == 2).await?;
    let generation = rig.generation().await?;

    rig.control.remove(FILE)?;
    story.when("the only manifest is missing");
    let said = |view: &serde_json::Value| view["warnings"].to_string().contains("stays in force");
    rig.until("its view says so", STEP, said).await?;
    let ready = rig.control.get("/readyz").await?;
    assert_eq!(ready.status, 200);
    assert!(ready.text().contains("warning: config folder"), "{}", ready.text());
    assert!(rig.control.cli_ok(&["get"]).await?.contains("has no manifest, but these Rollouts are recorded: shop/checkout"));
    let mark = load.mark();
    until("400 requests meanwhile", STEP, || async { load.tally_since(mark).requests() >= 400 }).await?;
    assert_eq!(rig.generation().await?, generation, "nothing is published");

    rig.release("v2")?;
    story.when("it is back");
    rig.until("nothing is wrong", STEP, |view| !said(view)).await?;
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(1)), (0, 0), "{}", all.summary());
    assert!(rig.story().await?.iter().all(|line| !line.contains("gone")), "{:#?}", rig.story().await?);

    let answer = rig.control.cli_ok(&["delete", ROLLOUT]).await?;
    assert!(answer.contains("shop/checkout taken out of checkout.yaml"), "{answer}");
    until("the last Rollout is gone", RUN, || async { rig.control.rollout(ROLLOUT).await.is_err() }).await?;
    Ok(())
}

#[tokio::test]
async fn a_rollout_that_was_deleted_returns_with_the_version_that_was_stable() -> Result<()> {
    let story = Scenario::new("a Rollout is deleted in the middle of a run, and comes back");
    let rig = Rig::start(2, WAITING).await?;
    rig.release("v2")?;
    rig.until("v2 has its first users", STEP, |view| weight(view, "v2") == 20.0 && view["step"]["number"] == 2).await?;
    rig.control.cli_ok(&["delete", ROLLOUT]).await?;
    until("it is gone", RUN, || async { rig.control.rollout(ROLLOUT).await.is_err() }).await?;

    rig.release("v2")?;
    story.when("its manifest is back");
    let view = rig.until("the release begins anew", RUN, |view| weight(view, "v2") == 20.0 && view["step"]["number"] == 2).await?;
    assert_eq!(view["stable"], "v1", "the candidate was never proved");
    assert!(rig.story().await?.iter().any(|line| line == "the manifest is back"));
    Ok(())
}

#[tokio::test]
async fn a_lost_store_holds_and_is_made_anew_from_what_an_envoy_runs() -> Result<()> {
    let story = Scenario::new("the store is lost in the middle of a run");
    let mut rig = Rig::start(2, WAITING).await?;
    let load = rig.load();
    rig.release("v2")?;
    rig.until("v2 has its first users", STEP, |view| weight(view, "v2") == 20.0 && view["step"]["number"] == 2).await?;
    let generation = rig.generation().await?;

    rig.control.kill();
    std::fs::remove_dir_all(rig.control.data())?;
    std::fs::create_dir(rig.control.data())?;
    rig.control.restart().await?;
    story.when("it starts with an empty store");
    until("it holds", STEP, || async {
        rig.control.get("/readyz").await.is_ok_and(|reply| reply.text().contains("not ready: nothing is published"))
    })
    .await?;
    let shown = rig.control.cli_ok(&["get"]).await?;
    assert!(shown.contains("shunt recover") && shown.contains("edge-1"), "{shown}");
    let mark = load.mark();
    until("400 requests meanwhile", STEP, || async { load.tally_since(mark).requests() >= 400 }).await?;
    let held = load.tally_since(mark);
    assert!((8.0..34.0).contains(&held.share("v2")), "the weight stayed: {}", held.summary());

    let admin = rig.envoy.admin().to_string();
    let unconfirmed = rig.control.cli(&["recover", "--envoy-admin", &admin]).await?;
    assert!(!unconfirmed.status.success(), "without a terminal it wants --yes");
    let told = rig.control.cli_ok(&["recover", "--envoy-admin", &admin, "--yes"]).await?;
    story.when("an operator recovers it");
    assert!(told.contains("shop/checkout: v1 is stable, v2 keeps 20 % of keys; the run is held at step 1"), "{told}");
    let view = rig.until("it is proved", STEP, |view| live(view) && view["phase"] == "Paused").await?;
    assert_eq!((view["stable"].as_str(), weight(&view, "v2")), (Some("v1"), 20.0), "{view:#}");
    assert!(rig.generation().await? > generation);
    assert_eq!(rig.control.get("/readyz").await?.status, 200);
    let mark = load.mark();
    until("400 requests more", STEP, || async { load.tally_since(mark).requests() >= 400 }).await?;

    rig.control.cli_ok(&["resume", ROLLOUT]).await?;
    rig.until("it goes on", STEP, |view| view["step"]["number"] == 2).await?;
    rig.control.cli_ok(&["promote", ROLLOUT, "--full"]).await?;
    rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(1)), (0, 0), "{}", all.summary());
    let told = rig.story().await?;
    assert!(told[0].starts_with("recovered by") && told[0].contains("v2 keeps 20 % of keys"), "{told:#?}");
    Ok(())
}

#[tokio::test]
async fn a_lost_store_promotes_no_refused_version() -> Result<()> {
    let story = Scenario::new("the store is lost after a release was refused");
    let mut rig = Rig::start(2, CANARY).await?;
    let load = rig.load();
    rig.release("v2")?;
    rig.until("v2 has its first users", STEP, |view| weight(view, "v2") == 20.0).await?;
    rig.control.cli_ok(&["abort", ROLLOUT]).await?;
    rig.until("it is refused", RUN, |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;

    rig.control.kill();
    std::fs::remove_dir_all(rig.control.data())?;
    std::fs::create_dir(rig.control.data())?;
    rig.control.restart().await?;
    story.when("it starts with an empty store, and the manifest names the refused version");
    until("it holds", STEP, || async {
        rig.control.get("/readyz").await.is_ok_and(|reply| reply.text().contains("not ready: nothing is published"))
    })
    .await?;
    let mark = load.mark();
    let told = rig.control.cli_ok(&["recover", "--envoy-admin", &rig.envoy.admin().to_string(), "--yes"]).await?;
    assert!(told.contains("v1 is stable; v2, which its manifest names, is released by `shunt retry`"), "{told}");
    rig.until("it is refused again", STEP, |view| live(view) && view["phase"] == "Degraded").await?;
    until("400 requests more", STEP, || async { load.tally_since(mark).requests() >= 400 }).await?;
    let after = load.tally_since(mark);
    assert_eq!((after.of_version("v2"), after.failed()), (0, 0), "{}", after.summary());
    rig.control.cli_ok(&["retry", ROLLOUT]).await?;
    rig.until("the release begins anew", STEP, |view| weight(view, "v2") == 20.0).await?;
    Ok(())
}
