//! A candidate that cannot answer costs no request: the proxy falls back to what the default route names, and says so.

use std::time::Duration;

use anyhow::Result;
use hyper::Method;
use shunt_testbed::tally::Shot;
use shunt_testbed::{Fault, Load, LocalShop, RunningLoad, Scenario, Shop, until};

use crate::xds_rig::{HALF, Rig, SOON, Variant, live, manifest};

/// Requests that were on their way when the candidate died may be lost, if they must not be sent twice.
const IN_FLIGHT: Duration = Duration::from_millis(100);

/// Waits until no user is answered by the candidate any more, though keys are its.
async fn until_only_stable(load: &RunningLoad) -> Result<()> {
    until("stable answers everybody", SOON, || async {
        let mark = load.mark();
        until("a hundred more", SOON, || async { load.mark() > mark + 100 }).await.is_ok() && load.tally_since(mark).of_version("v2") == 0
    })
    .await
}

/// Waits until the candidate answers again.
async fn until_candidate(load: &RunningLoad) -> Result<()> {
    let mark = load.mark();
    until("the candidate answers again", SOON, || async { load.tally_since(mark).of_version("v2") > 50 }).await
}

fn misrouted(view: &serde_json::Value) -> u64 {
    view["misrouted"].as_u64().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_that_is_killed_under_load() -> Result<()> {
    let story = Scenario::new("the candidate is killed");
    let (v1, mut v2) = (LocalShop::start("v1").await?, Shop::start("v2").await?);
    let of = |release: &str| manifest(&[("v1", &[v1.address()]), ("v2", &[v2.address()])], release, HALF);
    let (old, new) = (of("v1"), of("v2"));
    let rig = Rig::start(Variant::Delta, &old).await?;
    let load = Load::new(rig.address).rate(100.0).start();
    let writes = Load::new(rig.address).ask(Method::POST, "/").body("something").rate(50.0).start();
    rig.write(&new)?;
    let calm = misrouted(&rig.until("the run waits at 50 %", |view| view["phase"] == "Paused" && live(view)).await?);

    let killed = load.elapsed();
    let written = writes.elapsed();
    v2.kill();
    story.when("it is killed");
    until_only_stable(&load).await?;
    story.then("stable answers for it, and that is seen");
    rig.until("it is seen as misrouted", |view| misrouted(view) > calm + 50).await?;
    v2.restart().await?;
    story.when("it is back");
    until_candidate(&load).await?;

    let (reads, writes) = (load.stop().await, writes.stop().await);
    assert_eq!(reads.failed(), 0, "killed at {killed:?}: {}, {:?}", reads.summary(), reads.only(Shot::failed).shots());
    let around = |at: Duration| at + IN_FLIGHT >= written && at <= written + IN_FLIGHT;
    let other = writes.only(|shot| shot.failed() && !around(shot.at));
    assert_eq!(other.failed(), 0, "killed at {written:?}: {:?}", other.shots());
    assert!(writes.failed() <= 5, "{}", writes.summary());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_candidate_without_a_healthy_endpoint() -> Result<()> {
    let story = Scenario::new("the candidate is unhealthy");
    let (v1, v2) = (LocalShop::start("v1").await?, LocalShop::start("v2").await?);
    let checked = format!("health: {{path: /ready, interval: 200ms, timeout: 5s, unhealthyThreshold: 1, healthyThreshold: 1}}\n  {HALF}");
    let of = |release: &str| manifest(&[("v1", &[v1.address()]), ("v2", &[v2.address()])], release, &checked);
    let rig = Rig::start(Variant::StateOfTheWorld, &of("v1")).await?;
    let load = Load::new(rig.address).rate(100.0).start();
    let writes = Load::new(rig.address).ask(Method::POST, "/").body("something").rate(50.0).start();
    rig.write(&of("v2"))?;
    let calm = misrouted(&rig.until("the run waits at 50 %", |view| view["phase"] == "Paused" && live(view)).await?);

    story.when("it says that it is not ready");
    v2.fault(Fault { ready: false, ..Fault::default() });
    until_only_stable(&load).await?;
    rig.until("it is seen as misrouted", |view| misrouted(view) > calm + 50).await?;
    story.when("it is ready again");
    v2.fault(Fault::default());
    until_candidate(&load).await?;
    for tally in [load.stop().await, writes.stop().await] {
        assert_eq!(tally.failed(), 0, "{}", tally.summary());
    }
    Ok(())
}
