//! Connections and answers that last longer than a switch: they stay with the version that began them, and end when it goes.

use std::time::Duration;

use anyhow::{Context, Result};
use shunt_testbed::websocket::WebSocket;
use shunt_testbed::{Client, Scenario};

use crate::control_instances_rig::{Farm, Version};
use crate::control_rig::{ROLLOUT, RUN, stable};

/// The old version goes at once after the promotion; what it has begun gets five seconds.
const SPEC: &str = "strategy: {blueGreen: {preview: {match: [{headers: {x-preview: {exact: '1'}}}]}, autoPromoteAfter: 1s}}
  keepOld: 0s
  drainDeadline: 5s
  analysis: {metrics: [{name: errors, successRate: {min: 50%}, minSamples: 20}]}";

#[tokio::test]
async fn what_began_before_a_switch_goes_on_and_ends_with_its_version() -> Result<()> {
    let story = Scenario::new("long-lived connections across blue/green");
    let versions = [Version::new("v1", 1), Version::new("v2", 1)];
    let farm = Farm::start(&versions, SPEC).await?;
    let load = farm.load();
    let mut socket = WebSocket::open(farm.address, "shop.test", "/ws", &[]).await?;
    assert_eq!(socket.version(), Some("v1"));
    // Server-sent events are an answer in pieces; this one takes as long as the whole release.
    let (address, pieces) = (farm.address, 100);
    let events = tokio::spawn(async move {
        let client = Client::new(address).host("shop.test").timeout(Duration::from_secs(60));
        client.get(&format!("/stream?chunks={pieces}&ms=100&bytes=10")).await
    });
    story.given("a WebSocket and an answer in pieces, both from v1");

    farm.write(&versions, "v2", SPEC)?;
    farm.control.until_rollout("v2 is stable", ROLLOUT, RUN, |view| stable(view, "v2")).await?;
    socket.echo("still here").await.context("right after the switch")?;
    // With a key: who has none follows stable, with the push after the promotion.
    let new = WebSocket::open(farm.address, "shop.test", "/ws", &[("cookie", "shunt-id=somebody")]).await?;
    assert_eq!(new.version(), Some("v2"));
    story.then("the old WebSocket still talks to v1, a new one to v2");

    let answer = events.await??;
    assert_eq!((answer.status, answer.version().as_deref()), (200, Some("v1")));
    assert_eq!(answer.body.len(), pieces * 10, "every piece arrived");
    story.then("the answer in pieces is whole");

    tokio::time::timeout(Duration::from_secs(30), socket.closed()).await.context("the old WebSocket ends with v1")?;
    story.then("the old WebSocket was closed when v1 went");
    let tally = load.stop().await;
    assert_eq!((tally.failed(), tally.flips(1)), (0, 0), "{}", tally.summary());
    Ok(())
}
