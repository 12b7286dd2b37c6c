//! Connections and answers that last longer than a switch: they stay with the version that began them, and end when it goes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hyper::Method;
use shunt_testbed::client::Ask;
use shunt_testbed::events::Events;
use shunt_testbed::grpc::{Caller, Code};
use shunt_testbed::until::INTERVAL;
use shunt_testbed::websocket::WebSocket;
use shunt_testbed::{Client, Scenario};
use tokio::time::timeout;

use crate::control_instances_rig::{CHANGE, Farm, Version};
use crate::control_rig::{ROLLOUT, RUN, stable};

/// The old version goes at once after the promotion; what it has begun gets five seconds.
const SPEC: &str = "strategy: {blueGreen: {preview: {match: [{headers: {x-preview: {exact: '1'}}}]}, autoPromoteAfter: 1s}}
  keepOld: 0s
  drainDeadline: 5s
  timeout: 5m
  analysis: {metrics: [{name: errors, successRate: {min: 50%}, minSamples: 20}]}";

const VISITOR: &str = "shunt-id=visitor";

fn versions() -> [Version<'static>; 2] {
    [Version::new("v1", 1), Version::new("v2", 1)]
}

/// A question of the visitor's.
fn ask(farm: &Farm, path: &str) -> Ask {
    Client::new(farm.address).host("shop.test").timeout(Duration::from_secs(60)).request(Method::GET, path).header("cookie", VISITOR)
}

async fn released(farm: &Farm, spec: &str) -> Result<()> {
    farm.write(&versions(), "v2", spec)?;
    farm.control.until_rollout("v2 is stable", ROLLOUT, RUN, |view| stable(view, "v2")).await?;
    Ok(())
}

#[tokio::test]
async fn what_began_before_a_switch_goes_on_and_ends_with_its_version() -> Result<()> {
    let story = Scenario::new("long-lived connections across blue/green");
    let farm = Farm::start(&versions(), SPEC).await?;
    let load = farm.load();
    let mut socket = WebSocket::open(farm.address, "shop.test", "/ws", &[("cookie", VISITOR)]).await?;
    let (mut events, begun) = (Events::open(ask(&farm, "/events?ms=50")).await?, Instant::now());
    assert_eq!((socket.version(), events.version()), (Some("v1"), Some("v1")));
    // This one takes as long as the whole release.
    let pieces = 100;
    let download = tokio::spawn(ask(&farm, &format!("/stream?chunks={pieces}&ms=100&bytes=10")).send());
    story.given("a WebSocket, server-sent events and an answer in pieces, all from v1");

    released(&farm, SPEC).await?;
    socket.echo("still here").await.context("right after the switch")?;
    let switched = begun.elapsed();
    let new = WebSocket::open(farm.address, "shop.test", "/ws", &[("cookie", VISITOR)]).await?;
    let again = Events::open(ask(&farm, "/events?ms=50")).await?;
    assert_eq!((new.version(), again.version()), (Some("v2"), Some("v2")));
    story.then("the old ones go on with v1, new ones of the same user begin with v2");

    let answer = download.await??;
    assert_eq!((answer.status, answer.version().as_deref()), (200, Some("v1")));
    assert_eq!(answer.body.len(), pieces * 10, "every piece arrived");
    story.then("the answer in pieces is whole");

    timeout(CHANGE, socket.closed()).await.context("the old WebSocket ends with v1")?;
    let mut count = 0;
    while let Some(event) = timeout(CHANGE, events.next()).await.context("the old events end with v1")?? {
        assert_eq!(event, format!("id: {count}\ndata: v1"));
        count += 1;
    }
    // Each took 50 ms or more.
    assert!(Duration::from_millis(50) * count > switched, "{count} events, switched after {switched:?}");
    story.then(format!("the old WebSocket was closed and the events ended when v1 went, {count} of them, none missing"));
    let tally = load.stop().await;
    assert_eq!((tally.failed(), tally.flips(1)), (0, 0), "{}", tally.summary());
    Ok(())
}

#[tokio::test]
async fn a_grpc_stream_goes_on_while_calls_on_its_connection_switch() -> Result<()> {
    let story = Scenario::new("a gRPC stream across blue/green");
    // A stream whose caller may still send has no time limit.
    let spec = SPEC.replace("timeout: 5m", "timeout: 1s");
    let farm = Farm::speaking("http2", &versions(), &spec).await?;
    let load = farm.load();
    let mut caller = Caller::connect(farm.address, "shop.test", &[("cookie", VISITOR)]).await?;
    let mut talk = caller.talk("/shop.Chat/Talk").await?;
    talk.echo("hello").await?;
    assert_eq!((talk.version(), caller.call("/shop.Checkout/Buy").await?.as_deref()), (Some("v1"), Some("v1")));

    released(&farm, &spec).await?;
    talk.echo("still here").await.context("right after the switch")?;
    assert_eq!(caller.call("/shop.Checkout/Buy").await?.as_deref(), Some("v2"));
    let mut new = caller.talk("/shop.Chat/Talk").await?;
    assert_eq!(new.version(), Some("v2"));
    story.then("the stream talks to v1, calls and streams that begin now on the same connection to v2");

    let code = timeout(CHANGE, talk.ended()).await.context("the old stream ends with v1")?;
    story.then(format!("the stream ended with {code:?} when v1 went"));
    assert_eq!(code, Code::Unavailable, "as v1 said when it was stopped");
    new.echo("still here").await?;
    let tally = load.stop().await;
    assert_eq!((tally.failed(), tally.flips(1)), (0, 0), "{}", tally.summary());
    Ok(())
}

#[tokio::test]
async fn while_requests_are_held_a_grpc_caller_is_told_unavailable() -> Result<()> {
    let story = Scenario::new("gRPC callers across recreate");
    let spec = "strategy: {recreate: {}}
  drainDeadline: 1s";
    let farm = Farm::speaking("http2", &versions(), spec).await?;
    let mut caller = Caller::connect(farm.address, "shop.test", &[("cookie", VISITOR)]).await?;
    farm.write(&versions(), "v2", spec)?;
    // Answers in turn, repetitions left out.
    let mut told: Vec<String> = Vec::new();
    let all = async {
        while told.last().is_none_or(|last| last != "v2") {
            let answer = match caller.call("/shop.Checkout/Buy").await {
                Ok(version) => version.unwrap_or_default(),
                Err(status) => {
                    let header = |name: &str| status.metadata().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
                    format!("{:?}, held {}, retry after {}", status.code(), header("x-shunt-held"), header("retry-after"))
                }
            };
            if told.last() != Some(&answer) {
                story.then(&answer);
                told.push(answer);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    };
    timeout(RUN, all).await.context("v2 answers")?;
    assert_eq!(told, ["v1", "Unavailable, held 1, retry after 2", "v2"]);
    Ok(())
}

#[tokio::test]
async fn an_answer_that_takes_longer_than_the_timeout_is_cut() -> Result<()> {
    let farm = Farm::start(&versions(), "timeout: 1s").await?;
    let mut events = Events::open(ask(&farm, "/events?ms=50")).await?;
    let mut socket = WebSocket::open(farm.address, "shop.test", "/ws", &[]).await?;
    let mut seen = 0;
    while let Ok(Some(_)) = timeout(CHANGE, events.next()).await.context("the events end")? {
        seen += 1;
    }
    assert!(seen > 3, "{seen}");
    socket.echo("still here").await.context("a WebSocket is no answer")
}
