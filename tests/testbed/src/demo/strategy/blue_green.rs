//! blueGreen: green at full size beside blue, a preview, everybody at once, and back at once.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::figures::{Act, Report};
use super::{manifest, version};
use crate::demo::picture::Picture;
use crate::demo::release::Watch;
use crate::demo::stage::{FILE, HOST, Stage};
use crate::tally::Tally;
use crate::websocket::WebSocket;
use crate::{Client, until};

const SPEC: &str = "  keepOld: 10m\n  drainDeadline: 1s\n  \
    analysis: {metrics: [{name: errors, successRate: {min: 95%}, minSamples: 50}]}\n  \
    strategy: {blueGreen: {preview: {match: [{headers: {x-preview: {exact: \"1\"}}}]}, autoPromote: false, postPromotion: {duration: 5s}}}\n";

pub(super) async fn play(picture: &Picture, report: &mut Report) -> Result<Stage> {
    let versions = [version("v1", 2, &[])?, version("v2", 2, &[])?, version("v3", 2, &["--error-percent", "20"])?].concat();
    let mut stage = Stage::play(picture, &[(FILE, &manifest(&versions, SPEC))]).await?;
    picture.title("green beside blue: a preview for who asks, then everybody at once");
    let mut socket = WebSocket::open(stage.edge(), HOST, "/ws", &[]).await?;
    stage.start_load(200.0);
    let mut watch = Watch::release(&stage, picture, "v2").await?;
    watch.until("the preview", |look| look.phase == "Paused").await?;
    let preview = Client::new(stage.edge()).host(HOST).request(hyper::Method::GET, "/").header("x-preview", "1").send().await?;
    ensure!(preview.version().as_deref() == Some("v2"), "the preview is answered by {:?}", preview.version());
    picture.say("  with x-preview: 1 v2 answers, everybody else is on v1\n$ shunt promote shop/checkout");
    stage.control.cli_ok(&["promote", "shop/checkout"]).await?;
    watch.promoted().await?;
    socket.echo("still here").await.context("a WebSocket opened before the switch")?;
    picture.say(format!("  a WebSocket opened before the switch still talks to {}", socket.version().unwrap_or_default()));
    let tally = stage.stop_load().await;
    report.acts.push(Act::of("v1 -> v2, promoted", &tally, 1).with("switch", switch(&tally, "v1", "v2"), "s"));

    picture.title("back to blue, which is still warm");
    stage.start_load(200.0);
    let mark = stage.mark();
    Watch::release(&stage, picture, "v1").await?.promoted().await?;
    until("requests after the way back", Duration::from_secs(10), || async { stage.tally_since(&mark).requests() > 500 }).await?;
    let tally = stage.stop_load().await;
    report.acts.push(Act::of("v2 -> v1, flipped back", &tally, 1).with("flip back", switch(&tally, "v2", "v1"), "s"));

    picture.title("v3 fails one request in five: seen after the switch, everybody back at once");
    stage.start_load(200.0);
    let mut watch = Watch::release(&stage, picture, "v3").await?;
    watch.until("the preview", |look| look.phase == "Paused").await?;
    stage.control.cli_ok(&["promote", "shop/checkout"]).await?;
    watch.ended().await?;
    let tally = stage.stop_load().await;
    let served = tally.only(|shot| shot.version.as_deref() == Some("v3"));
    let act = Act::of("v1 -> v3, back after the switch", &tally, 2);
    report.acts.push(act.with("v3 answered for", served.span().as_secs_f64(), "s").with(
        "bad requests served",
        tally.injected() as f64,
        "requests",
    ));
    Ok(stage)
}

/// From the first answer of the new version to the last one of the old.
fn switch(tally: &Tally, old: &str, new: &str) -> f64 {
    let of = |version: &str| tally.only(|shot| shot.version.as_deref() == Some(version));
    let (first, last) = (of(new).shots().first().map(|shot| shot.at), of(old).shots().last().map(|shot| shot.at));
    first.zip(last).map_or(0.0, |(first, last)| last.saturating_sub(first).as_secs_f64())
}
