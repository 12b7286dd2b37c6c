//! Instances that the control plane runs: scaled, crashed, replaced and adopted under load, and no user notices.

use std::net::SocketAddr;

use anyhow::Result;
use serde_json::Value;
use shunt_testbed::process::{Signal, signal};
use shunt_testbed::{Client, Fault, Scenario, Tally, until};

use crate::control_instances_rig::{CHANGE, Farm, Version, instances, ready};
use crate::control_rig::{RUN, STEP, live, stable};

#[tokio::test]
async fn scaled_down_and_up_under_load_no_request_fails() -> Result<()> {
    let story = Scenario::new("3 instances, 1, 3 again");
    let farm = Farm::start(&[Version::new("v1", 3)], "").await?;
    assert_eq!(farm.processes().len(), 3);
    let load = farm.load();
    for count in [1, 3] {
        let mark = load.mark();
        farm.write(&[Version::new("v1", count)], "v1", "")?;
        farm.until("the instances are there", |view| {
            instances(view, "v1").len() == count as usize && ready(view, "v1").len() == count as usize
        })
        .await?;
        assert_eq!(farm.processes().len(), count as usize, "what is gone from the list is gone");
        until("200 requests afterwards", STEP, || async { load.tally_since(mark).requests() >= 200 }).await?;
        story.then(format!("{count} instances"));
    }
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn an_instance_that_crashes_costs_no_request_and_comes_back() -> Result<()> {
    let farm = Farm::start(&[Version::new("v1", 3)], "").await?;
    let load = farm.load();
    for _ in 0..3 {
        let view = farm.until("three are ready", |view| ready(view, "v1").len() == 3).await?;
        let victim = ready(&view, "v1").pop_first().unwrap_or_default();
        signal(victim, Signal::KILL);
        farm.until("another one took its place", |view| ready(view, "v1").len() == 3 && !ready(view, "v1").contains(&victim)).await?;
    }
    let view = farm.control.rollout("shop/checkout").await?;
    let restarts: u64 = instances(&view, "v1").iter().filter_map(|one| one["restarts"].as_u64()).sum();
    assert_eq!(restarts, 3, "{view:#}");
    let tree = farm.control.cli_ok(&["get", "shop/checkout"]).await?;
    assert!(tree.contains("ended by signal 9"), "how it ended: {tree}");
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn instances_outlive_the_control_plane_and_are_adopted() -> Result<()> {
    let mut farm = Farm::start(&[Version::new("v1", 2)], "").await?;
    let before = farm.processes();
    let load = farm.load();
    farm.control.kill();
    let mark = load.mark();
    until("200 requests without a control plane", STEP, || async { load.tally_since(mark).requests() >= 200 }).await?;
    farm.control.restart().await?;
    let view = farm.until("it knows them", |view| ready(view, "v1").len() == 2).await?;
    assert_eq!(ready(&view, "v1"), before);
    let status = farm.control.stop().await?;
    assert!(status.success(), "{status}");
    assert_eq!(farm.processes(), before, "an orderly stop leaves them, too");
    farm.control.restart().await?;
    farm.until("it knows them again", |view| ready(view, "v1").len() == 2).await?;

    let victim = before.iter().copied().next().unwrap_or_default();
    signal(victim, Signal::KILL);
    farm.until("the end of an adopted one is seen", |view| ready(view, "v1").len() == 2 && !ready(view, "v1").contains(&victim)).await?;
    farm.write(&[Version::new("v1", 1)], "v1", "")?;
    farm.until("adopted ones can be stopped", |view| instances(view, "v1").len() == 1).await?;
    assert_eq!(farm.processes().len(), 1);
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn killed_at_any_moment_it_neither_leaks_nor_doubles_instances() -> Result<()> {
    let story = Scenario::new("kill -9 while instances come and go");
    let mut farm = Farm::start(&[Version::new("v1", 1)], "").await?;
    let load = farm.load();
    for (round, count) in [4, 1, 3, 2, 4, 1, 3, 2].into_iter().enumerate() {
        farm.write(&[Version::new("v1", count)], "v1", "")?;
        // Recorded is not done: each stage of a change is hit by one of the rounds.
        let stages = ["starting", "leaving", "probing", "draining"];
        let stage = stages[round % stages.len()];
        let seen = farm.until("a change is under way", |view| {
            let all = instances(view, "v1");
            all.iter().any(|one| one["state"] == stage) || ready(view, "v1").len() == count as usize
        });
        seen.await?;
        farm.control.kill();
        story.when(format!("killed on the way to {count}"));
        farm.control.restart().await?;
        farm.until("as many as wanted", |view| instances(view, "v1").len() == count as usize && ready(view, "v1").len() == count as usize)
            .await?;
        until("the kernel knows no others", CHANGE, || async { farm.processes().len() == count as usize }).await?;
    }
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn another_command_of_the_same_version_replaces_instances_one_by_one() -> Result<()> {
    let farm = Farm::start(&[Version::new("v1", 3)], "").await?;
    let before = farm.processes();
    let load = farm.load();
    let changed = Version { args: &["--delay-ms", "1"], ..Version::new("v1", 3) };
    farm.write(&[changed], "v1", "")?;
    farm.until("all are new", |view| {
        let now = ready(view, "v1");
        now.len() == 3 && instances(view, "v1").len() == 3 && now.is_disjoint(&before)
    })
    .await?;
    assert_eq!(farm.processes().len(), 3);
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn a_crash_loop_says_what_the_process_said() -> Result<()> {
    let broken = Version { args: &["--crash", "3"], ..Version::new("v2", 1) };
    let versions = [Version::new("v1", 1), broken];
    let farm = Farm::start(&versions, "").await?;
    farm.write(&versions, "v2", "")?;
    let view = farm
        .until("it was started a few times", |view| instances(view, "v2").iter().any(|one| one["restarts"].as_u64() >= Some(3)))
        .await?;
    let trouble = instances(&view, "v2")[0]["trouble"].as_str().unwrap_or_default().to_owned();
    assert!(trouble.starts_with("exit code 3: ") && trouble.contains("as it was asked to"), "{trouble}");
    let view = farm.until("v2 is refused", |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    assert!(view["message"].as_str().unwrap_or_default().contains("exit code 3"), "{view:#}");
    Ok(())
}

/// Whatever the strategy, a candidate that exits at once is refused with its exit statuses and its last line, within seconds.
async fn a_candidate_that_exits_at_once(spec: &str) -> Result<(Farm, Value, Tally)> {
    let versions = [Version::new("v1", 1), Version { args: &["--crash", "1"], ..Version::new("v2", 1) }];
    let farm = Farm::start(&versions, spec).await?;
    let load = farm.load();
    until("requests", STEP, || async { load.tally().requests() >= 100 }).await?;
    farm.write(&versions, "v2", spec)?;
    let view = farm.until("v2 is refused, and v1 answers", |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    let mark = load.mark();
    until("200 requests afterwards", STEP, || async { load.tally_since(mark).requests() >= 200 }).await?;
    let after = load.tally_since(mark);
    assert_eq!((after.held().requests(), after.of_version("v1")), (0, after.requests()), "{}", after.summary());
    let message = view["message"].as_str().unwrap_or_default();
    assert!(message.contains("v2 ended 3 times before it was ready (exit code 1 each time), its last output: "), "{message}");
    assert!(message.contains("as it was asked to"), "{message}");
    Ok((farm, view, load.stop().await))
}

#[tokio::test]
async fn recreate_with_a_candidate_that_exits_at_once_holds_users_for_seconds() -> Result<()> {
    // Deadlines that the test would not live to see: the crash loop alone ends it.
    let (farm, _, all) = a_candidate_that_exits_at_once("strategy: {recreate: {deadline: 10m}}\n  drainDeadline: 1s").await?;
    assert!(all.held().requests() > 0, "{}", all.summary());
    assert!(all.held().span() < CHANGE, "{}", all.summary());
    assert_eq!(all.failed(), 0, "{}", all.summary());
    let history = farm.control.cli_ok(&["history", "shop/checkout"]).await?;
    assert!(history.contains("requests were held for"), "{history}");
    Ok(())
}

#[tokio::test]
async fn a_canary_that_exits_at_once_is_refused_before_any_user_is_sent_to_it() -> Result<()> {
    let (_farm, _, all) = a_candidate_that_exits_at_once("strategy: {canary: {steps: [{setWeight: 50}]}}").await?;
    assert_eq!((all.failed(), all.of_version("v1")), (0, all.requests()), "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn recreate_with_a_candidate_that_never_gets_ready_ends_at_its_deadline_and_says_how_long_users_wait() -> Result<()> {
    let spec = "strategy: {recreate: {deadline: 8s}}\n  drainDeadline: 1s";
    let versions = [Version::new("v1", 1), Version { args: &["--unready"], ..Version::new("v2", 1) }];
    let farm = Farm::start(&versions, spec).await?;
    let load = farm.load();
    farm.write(&versions, "v2", spec)?;
    let told = |view: &Value| view["message"].as_str().is_some_and(|text| text.starts_with("users have been getting 503 for "));
    farm.until("the view says that users get 503, and for how long at most", |view| {
        told(view) && view["message"].as_str().is_some_and(|text| text.contains(" more before v1 comes back"))
    })
    .await?;
    let view = farm.until("v2 is refused, and v1 answers", |view| view["phase"] == "Degraded" && view["candidate"].is_null()).await?;
    let message = view["message"].as_str().unwrap_or_default();
    assert!(message.contains("v2 was refused: requests were held for 8s: 0 of 1 instances of v2 ready"), "{message}");
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn a_release_starts_the_new_instances_and_stops_the_old_ones() -> Result<()> {
    let spec = "strategy: {canary: {steps: [{setWeight: 30}]}}
  analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}
  keepOld: 0s";
    let versions = [Version::new("v1", 2), Version::new("v2", 2)];
    let farm = Farm::start(&versions, spec).await?;
    let old = farm.processes();
    assert_eq!(old.len(), 2, "deploy is not release");
    let load = farm.load();
    farm.write(&versions, "v2", spec)?;
    farm.control.until_rollout("v2 is stable", "shop/checkout", RUN, |view| stable(view, "v2")).await?;
    farm.until("v1 has no instances", |view| instances(view, "v1").is_empty() && ready(view, "v2").len() == 2).await?;
    assert!(farm.processes().is_disjoint(&old) && farm.processes().len() == 2);
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(1)), (0, 0), "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn requests_in_flight_end_before_their_instance_does() -> Result<()> {
    // Without any grace of its own: at SIGTERM such a shop cuts what it has.
    let slow = |count| Version { args: &["--delay-ms", "1500", "--grace-ms", "0"], ..Version::new("v1", count) };
    let farm = Farm::start(&[slow(3)], "").await?;
    let load = farm.load();
    until("requests", STEP, || async { load.tally().requests() >= 100 }).await?;
    farm.write(&[slow(1)], "v1", "")?;
    farm.until("one is left", |view| instances(view, "v1").len() == 1).await?;
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    Ok(())
}

#[tokio::test]
async fn an_instance_that_says_it_is_not_ready_gets_nothing_until_it_is() -> Result<()> {
    let farm = Farm::start(&[Version::new("v1", 2)], "").await?;
    let view = farm.control.rollout("shop/checkout").await?;
    let one: SocketAddr = instances(&view, "v1")[0]["address"].as_str().unwrap_or_default().parse()?;
    let shop = Client::new(one);
    let switch = async |ready: bool| shop.post_json("/admin/fault", &Fault { ready, ..Fault::default() }).await;
    switch(false).await?;
    let view = farm.until("it is out", |view| ready(view, "v1").len() == 1 && live(view)).await?;
    assert_eq!(instances(&view, "v1")[0]["trouble"], "probe /ready: status 503");
    let load = farm.load();
    until("requests", STEP, || async { load.tally().requests() >= 100 }).await?;
    let counts: Value = shop.get("/admin/counts").await?.json()?;
    switch(true).await?;
    farm.until("it is back", |view| ready(view, "v1").len() == 2).await?;
    let all = load.stop().await;
    assert_eq!((all.failed(), counts["total"].as_u64()), (0, Some(0)), "{counts} {}", all.summary());
    Ok(())
}
