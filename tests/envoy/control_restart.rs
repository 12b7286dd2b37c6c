//! The control plane dies and comes back: traffic does not notice, the run goes on, nothing is forgotten.

use anyhow::Result;
use shunt_testbed::{Scenario, until};

use crate::control_rig::{CANARY, FILE, RUN, Rig, STEP, at_rest, live, stable, weight};

#[tokio::test]
async fn killed_in_the_middle_of_a_run_it_goes_on() -> Result<()> {
    let story = Scenario::new("kill -9 in the middle of a run");
    let mut rig = Rig::start(2, CANARY).await?;
    let load = rig.load();
    rig.release("v2")?;
    rig.until("20 % are proved", STEP, |view| weight(view, "v2") == 20.0 && view["step"]["number"] == 2).await?;
    let before = rig.history().await?;
    let generation = rig.generation().await?;
    story.given("a run at 20 %");

    rig.control.kill();
    story.when("the control plane is killed");
    let mark = load.mark();
    until("400 requests without a control plane", STEP, || async { load.tally_since(mark).requests() >= 400 }).await?;
    let alone = load.tally_since(mark);
    rig.control.restart().await?;
    story.when("it is started again");
    rig.until("it shows the run", STEP, |view| weight(view, "v2") >= 20.0).await?;
    let after = rig.history().await?;
    assert_eq!(after[..before.len()], before[..], "the history is intact");
    assert!(rig.generation().await? >= generation);

    rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    let all = load.stop().await;
    assert_eq!(all.failed(), 0, "{}", all.summary());
    assert_eq!(all.flips(1), 0, "no weight went back and forth");
    assert!((8.0..34.0).contains(&alone.share("v2")), "the weight stayed: {}", alone.summary());
    let revisions: Vec<u64> = rig.history().await?.iter().map(|entry| entry.revision).collect();
    assert_eq!(revisions, (1..=revisions.len() as u64).collect::<Vec<_>>(), "each transition once");
    Ok(())
}

#[tokio::test]
async fn killed_again_and_again_it_still_arrives() -> Result<()> {
    let story = Scenario::new("kill -9 at six moments of a run");
    let mut rig = Rig::start(2, CANARY).await?;
    let load = rig.load();
    story.given("load");
    rig.release("v2")?;
    let mut revision = 1;
    for _ in 0..6 {
        let view =
            rig.until("something was recorded", RUN, |view| view["revision"].as_u64() > Some(revision) || stable(view, "v2")).await?;
        revision = view["revision"].as_u64().unwrap_or_default();
        story.when(format!("killed at revision {revision}"));
        rig.control.kill();
        rig.control.restart().await?;
    }
    rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(1)), (0, 0), "{}", all.summary());
    let revisions: Vec<u64> = rig.history().await?.iter().map(|entry| entry.revision).collect();
    assert_eq!(revisions, (1..=revisions.len() as u64).collect::<Vec<_>>(), "each transition once");
    Ok(())
}

#[tokio::test]
async fn at_rest_a_restart_pushes_nothing() -> Result<()> {
    let story = Scenario::new("a restart at rest");
    let mut rig = Rig::start(2, CANARY).await?;
    let stat = "extension_config_discovery.http_filter.shunt.config_reload";
    at_rest(&rig.control).await?;
    let (generation, history) = (rig.generation().await?, rig.history().await?);
    // The view may still show the proof of the push before.
    until("the proxy reports the last push", STEP, || async {
        let proxies = rig.control.get_json::<serde_json::Value>("/v1/proxies").await.unwrap_or_default();
        let all = proxies.as_array().or_else(|| proxies["proxies"].as_array());
        all.is_some_and(|all| all.iter().all(|proxy| proxy["generation"] == generation))
    })
    .await?;
    rig.until("it is proved", STEP, live).await?;
    let reloads = rig.envoy.stat(stat).await?;

    let status = rig.control.stop().await?;
    story.when("stopped by SIGTERM and started again");
    assert!(status.success(), "{status}\n{}", rig.control.log());
    rig.control.restart().await?;
    rig.until("all is proved again", STEP, live).await?;
    assert_eq!(rig.generation().await?, generation);
    assert_eq!(rig.history().await?, history);
    assert_eq!(rig.envoy.stat(stat).await?, reloads, "the proxy had it already");
    Ok(())
}

#[tokio::test]
async fn a_manifest_broken_before_a_restart_keeps_the_last_good_one() -> Result<()> {
    let mut rig = Rig::start(2, CANARY).await?;
    let load = rig.load();
    rig.release("v2")?;
    rig.until("20 % are asked for", STEP, |view| weight(view, "v2") == 20.0).await?;
    rig.control.kill();
    rig.control.write(FILE, &rig.manifest("v2").replace("hosts: [shop.test]", "hosts: shop.test, oops: 1"))?;
    rig.control.restart().await?;
    let view = rig.until("the refusal is shown", STEP, |view| view["warnings"].to_string().contains(FILE)).await?;
    assert!(view["warnings"].to_string().contains("spec.service"), "{view:#}");
    rig.until("v2 is stable all the same", RUN, |view| stable(view, "v2")).await?;
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(1)), (0, 0), "{}", all.summary());
    Ok(())
}
