//! Ways out of a run without promotion: a bad release, another release, the old one again, no manifest at all.

use anyhow::Result;
use shunt_testbed::{Fault, Scenario, until};

use crate::control_rig::{CANARY, ROLLOUT, RUN, Rig, STEP, stable, weight};

#[tokio::test]
async fn a_bad_release_is_taken_back_by_itself() -> Result<()> {
    let story = Scenario::new("a bad release");
    let rig = Rig::start(2, CANARY).await?;
    rig.shops[1].fault(Fault::errors(30.0));
    let load = rig.load();
    story.given("v2 fails 30 % of its requests");
    rig.release("v2")?;
    story.when("release names v2");
    let view = rig.until("it is refused", RUN, |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    story.then(view["message"].as_str().unwrap_or_default());
    assert!(view["message"].as_str().unwrap_or_default().contains("v2 failed"), "{view:#}");
    let mark = load.mark();
    until("300 requests after it", STEP, || async { load.tally_since(mark).requests() >= 300 }).await?;
    let after = load.tally_since(mark);
    let all = load.stop().await;
    assert_eq!(after.of_version("v2"), 0, "all are back on v1: {}", after.summary());
    assert_eq!((all.failed(), all.flips(2)), (0, 0), "{}", all.summary());
    assert!(all.injected() > 0 && all.injected() < 150, "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn a_third_version_in_the_middle_starts_at_step_one() -> Result<()> {
    let story = Scenario::new("a release is replaced by another one");
    let rig = Rig::start(3, CANARY).await?;
    let load = rig.load();
    rig.release("v2")?;
    rig.until("v2 has its first users", STEP, |view| weight(view, "v2") == 20.0 && view["step"]["number"] == 2).await?;
    rig.release("v3")?;
    story.when("release names v3 in the middle");
    rig.until("v3 is at step 1", RUN, |view| view["candidate"] == "v3" && view["step"]["number"] == 1).await?;
    rig.until("v3 is stable", RUN, |view| stable(view, "v3")).await?;
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    let first = all.shots().iter().find(|shot| shot.version.as_deref() == Some("v3")).map(|shot| shot.at).unwrap_or_default();
    let late = all.only(|shot| shot.at > first && shot.version.as_deref() == Some("v2"));
    assert_eq!(late.requests(), 0, "no user meets v2 any more once a user met v3: {}", late.summary());
    let told = rig.story().await?.join("\n");
    assert!(told.contains("another release replaces v2; its keys go back to v1 first"), "{told}");
    Ok(())
}

#[tokio::test]
async fn naming_the_old_version_again_rolls_back() -> Result<()> {
    let rig = Rig::start(2, CANARY).await?;
    let load = rig.load();
    rig.release("v2")?;
    rig.until("v2 has its first users", STEP, |view| weight(view, "v2") == 20.0 && view["step"]["number"] == 2).await?;
    rig.release("v1")?;
    rig.until("v1 has everything again", STEP, |view| stable(view, "v1")).await?;
    let mark = load.mark();
    until("200 requests after it", STEP, || async { load.tally_since(mark).requests() >= 200 }).await?;
    assert_eq!(load.tally_since(mark).of_version("v2"), 0);
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(2)), (0, 0), "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn naming_the_old_version_while_it_is_warm_is_at_once() -> Result<()> {
    let warm = CANARY.replace("keepOld: 0s", "keepOld: 10m");
    let rig = Rig::start(2, &warm).await?;
    let load = rig.load();
    rig.release("v2")?;
    rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    rig.release("v1")?;
    rig.until("v1 is stable", RUN, |view| stable(view, "v1")).await?;
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(2)), (0, 0), "{}", all.summary());
    let told = rig.story().await?.join("\n");
    assert!(told.contains("back to v1, which is still warm: all keys at once"), "{told}");
    Ok(())
}

#[tokio::test]
async fn a_manifest_deleted_in_the_middle_gives_all_keys_back_first() -> Result<()> {
    let story = Scenario::new("the manifest is deleted in the middle of a run");
    let rig = Rig::start(2, CANARY).await?;
    let load = rig.load();
    rig.release("v2")?;
    rig.until("v2 has its first users", STEP, |view| weight(view, "v2") == 20.0 && view["step"]["number"] == 2).await?;
    rig.control.cli_ok(&["delete", ROLLOUT]).await?;
    story.when("the manifest is deleted");
    until("the Rollout is forgotten", RUN, || async { rig.control.rollout("shop/checkout").await.is_err() }).await?;
    let told = rig.story().await?;
    let place = |part: &str| told.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part:?} is not in {told:#?}"));
    let order = [
        place("the manifest is gone; all keys back to v1"),
        place("no user is sent to v2 any more"),
        place("the service leaves the policy"),
        place("its routes go"),
        place("nothing of it is left"),
    ];
    assert!(order.is_sorted(), "{told:#?}");
    let all = load.stop().await;
    let ok = all.only(|shot| shot.status == 200);
    assert_eq!(
        all.only(|shot| shot.status != 200 && shot.status != 404).requests(),
        0,
        "before its routes went, nothing failed: {}",
        all.summary()
    );
    assert_eq!(ok.flips(2), 0);
    Ok(())
}
