//! A canary through to promotion, on a real Envoy under load.

use anyhow::Result;
use shunt_testbed::Scenario;

use crate::control_rig::{CANARY, RUN, Rig, STEP, stable, weight};

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
    assert_eq!(all.flips(1), 0, "nobody changes version twice");
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
    Ok(())
}
