//! Blue/green on a real Envoy with a preview at a host of its own.

use anyhow::{Context, Result};
use shunt_testbed::{Client, Scenario};

use crate::control_rig::{RUN, Rig, STEP, live, stable};

const SPEC: &str = "strategy: {blueGreen: {preview: {host: preview.shop.test}, autoPromote: false}}
  analysis: {metrics: [{name: errors, successRate: {min: 90%}}]}
  drainDeadline: 1s";

/// The version that so many users meet at a host; an error when it is not the same for all.
async fn met(rig: &Rig, host: &str) -> Result<String> {
    let mut all = std::collections::BTreeSet::new();
    for number in 0..50 {
        let ask = Client::new(rig.address).host(host).request(hyper::Method::GET, "/");
        let reply = ask.header("cookie", format!("shunt-id=user-{number}")).send().await?;
        all.insert(reply.version().with_context(|| format!("{host}: {}", reply.status))?);
    }
    anyhow::ensure!(all.len() == 1, "{host}: {all:?}");
    all.pop_first().context("no version")
}

#[tokio::test]
async fn a_host_of_its_own_shows_the_candidate_and_no_other_host_does() -> Result<()> {
    let story = Scenario::new("a preview at its own host");
    let rig = Rig::start(2, SPEC).await?;
    let load = rig.load();
    assert_eq!(met(&rig, "preview.shop.test").await?, "v1", "without a release there is nothing else to see");

    rig.release("v2")?;
    rig.until("green waits for an operator", STEP, |view| view["phase"] == "Paused" && view["candidate"] == "v2" && live(view)).await?;
    assert_eq!((met(&rig, "preview.shop.test").await?, met(&rig, "shop.test").await?), ("v2".to_owned(), "v1".to_owned()));
    let before = load.tally();
    assert_eq!(before.of_version("v2"), 0, "{}", before.summary());
    story.then("only the preview shows v2");

    rig.control.cli_ok(&["promote", crate::control_rig::ROLLOUT]).await?;
    rig.until("v2 is stable", RUN, |view| stable(view, "v2")).await?;
    assert_eq!((met(&rig, "preview.shop.test").await?, met(&rig, "shop.test").await?), ("v2".to_owned(), "v2".to_owned()));
    let all = load.stop().await;
    assert_eq!((all.failed(), all.flips(1)), (0, 0), "{}", all.summary());
    Ok(())
}
