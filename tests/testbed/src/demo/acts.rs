//! The acts.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use hyper::Method;
use serde_json::{Value, json};

use super::figures::{Act, BadRelease};
use super::picture::Picture;
use super::release::Watch;
use super::stage::{CANARY, CAREFUL, ROLLOUT, Stage};
use crate::client::Client;
use crate::shop::Fault;
use crate::tally::Tally;
use crate::until;

const FAST: f64 = 400.0;
const SLOW: f64 = 100.0;

/// How long the control plane stays dead.
const DEAD: Duration = Duration::from_secs(3);

type Sample = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

const SAMPLES: [Sample; 7] = [
    ("a user", "/", &[("cookie", "shunt-id=user-1")]),
    ("a tester, by cookie", "/", &[("cookie", "theme=dark; beta=1; shunt-id=user-1")]),
    ("a cookie that only looks like it", "/", &[("cookie", "notbeta=1; x=\"beta=1\"; shunt-id=user-1")]),
    ("a colleague, by header", "/cart", &[("x-team", "checkout-web"), ("cookie", "shunt-id=user-1")]),
    ("a preview, by path", "/preview/cart?full=1", &[("cookie", "shunt-id=user-1")]),
    ("not a preview", "/previews", &[("cookie", "shunt-id=user-1")]),
    ("a client that forges our header", "/", &[("x-shunt-route", "shop/checkout/v2"), ("cookie", "shunt-id=user-1")]),
];

/// Act 1: what `explain` says beside what really happens.
pub(super) async fn routing(stage: &mut Stage, picture: &Picture) -> Result<Act> {
    picture.title("Act 1: header and cookie routing, explained and done");
    let (client, api) = (Client::new(stage.edge()).host("shop.test"), Client::new(stage.control.api()));
    for (who, path, headers) in SAMPLES {
        let question = json!({"host": "shop.test", "path": path, "headers": headers});
        let explained: Value = api.post_json("/v1/explain", &question).await?.json()?;
        let ask = headers.iter().fold(client.request(Method::GET, path), |ask, (name, value)| ask.header(name, value));
        let answered = ask.send().await?.version().unwrap_or_default();
        let (said, why) = (explained["version"].as_str().unwrap_or_default(), explained["reason"].as_str().unwrap_or_default());
        picture.say(format!("  {who:<34} explain: {said}   answered: {answered}   {why}"));
        ensure!(said == answered, "explain says {said}, {answered} answered: {who}");
    }
    stage.start_load(FAST);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let tally = stage.stop_load().await;
    picture.say(format!("  {} requests of a thousand users: {}", tally.requests(), shares(&tally)));
    Ok(Act::of("1 routing", &tally, 0, Vec::new()))
}

/// Act 2: a release with copies first, promoted; and another one.
pub(super) async fn canary(stage: &mut Stage, picture: &Picture) -> Result<Act> {
    picture.title("Act 2: two releases under 400 requests per second");
    stage.start_load(FAST);
    let mut steps = Vec::new();
    for version in ["v2", "v3"] {
        let mut watch = Watch::release(stage, picture, version).await?;
        watch.promoted().await?;
        steps.append(&mut watch.steps);
        let copies = shop(stage, version).counts().await?.shadow;
        picture.say(format!("  {version} got {copies} marked copies before and while it took over"));
        ensure!(copies > 0, "{version} got no copies");
    }
    let tally = stage.stop_load().await;
    picture.say(format!("  {} requests, {} failed, {} users flipped", tally.requests(), tally.failed(), tally.flips(2)));
    Ok(Act::of("2 canary, twice", &tally, 2, steps))
}

/// Act 3: every tenth answer of v4 is an error.
pub(super) async fn bad_release(stage: &mut Stage, picture: &Picture) -> Result<(Act, BadRelease)> {
    picture.title("Act 3: a bad release (10 % errors) under 100 requests per second");
    shop(stage, "v4").fault(&Fault::errors(10.0)).await?;
    stage.write("v3", CAREFUL)?;
    stage.start_load(SLOW);
    let mut watch = Watch::release(stage, picture, "v4").await?;
    watch.until("v4 to be refused", |look| look.phase == "Degraded" && look.candidate.is_none()).await?;
    picture.clear();
    let steps = std::mem::take(&mut watch.steps);
    let mark = stage.mark();
    until("a hundred requests after the way back", Duration::from_secs(20), || async { stage.tally_since(&mark).requests() >= 100 })
        .await?;
    let after = stage.tally_since(&mark);
    let tally = stage.stop_load().await;
    ensure!(after.of_version("v4") == 0, "v4 still answers after the way back");
    let bad = cost(&tally);
    picture.say(format!("  {}", bad.line));
    Ok((Act::of("3 bad release", &tally, 2, steps), bad))
}

fn cost(tally: &Tally) -> BadRelease {
    let of = |version: &str| tally.only(|shot| shot.version.as_deref() == Some(version));
    let (v4, v3) = (of("v4"), of("v3"));
    let (first, last) = (v4.shots().first().map(|shot| shot.at), v4.shots().last().map(|shot| shot.at));
    let seconds = first.zip(last).map_or(0.0, |(first, last)| (last - first).as_secs_f64());
    let (bad, all, users) = (v4.injected(), v4.requests(), v4.users_of("v4"));
    let percent = if all == 0 { 0.0 } else { bad as f64 * 100.0 / all as f64 };
    let good = format!("v3 {}/{}", v3.failed() + v3.injected(), v3.requests());
    let line = format!("v4 failed {bad}/{all} ({percent:.1} %), {good}; {users} users saw v4; all back on v3");
    BadRelease { bad_requests_served: bad, seconds_to_abort: seconds, users, line }
}

/// Act 4: `kill -9` of the control plane in the middle of a release.
pub(super) async fn killed(stage: &mut Stage, picture: &Picture) -> Result<Act> {
    picture.title("Act 4: the control plane is killed in the middle of a release");
    stage.write("v4", CANARY)?;
    stage.start_load(FAST);
    let mut watch = Watch::release(stage, picture, "v5").await?;
    watch.until("25 % at every proxy", |look| look.live && (look.weight - 25.0).abs() < 0.1).await?;
    let mut steps = std::mem::take(&mut watch.steps);
    let before = stage.view().await?;
    let mark = stage.mark();
    picture.say(format!("$ kill -9 {}", stage.control.child().pid()));
    stage.control.kill();
    let dead = Instant::now();
    until("a thousand requests without a control plane", Duration::from_secs(30), || async {
        dead.elapsed() >= DEAD && stage.tally_since(&mark).requests() >= 1_000
    })
    .await?;
    let alone = stage.tally_since(&mark);
    picture.say(format!(
        "  no control plane for {:.1} s: {} requests, {} failed, {} users changed version, {}",
        dead.elapsed().as_secs_f64(),
        alone.requests(),
        alone.failed(),
        alone.flips(0),
        shares(&alone)
    ));
    ensure!(alone.flips(0) == 0, "users changed version while no control plane was there");
    picture.say("$ shunt serve    (again, with the same data)");
    stage.control.restart().await?;
    let mut watch = Watch::resume(stage, picture, "v5", before["revision"].as_u64().unwrap_or(0));
    watch.promoted().await?;
    steps.append(&mut watch.steps);
    let history = stage.control.cli_ok(&["history", ROLLOUT]).await?;
    picture.say(format!("  the journal holds all {} lines", history.lines().count()));
    let tally = stage.stop_load().await;
    picture.say(format!("  {} requests, {} failed, {} users flipped", tally.requests(), tally.failed(), tally.flips(1)));
    Ok(Act::of("4 control plane killed", &tally, 1, steps))
}

fn shop<'s>(stage: &'s Stage, version: &str) -> &'s crate::Shop {
    let index = version.trim_start_matches('v').parse::<usize>().unwrap_or(1);
    &stage.shops[index - 1]
}

fn shares(tally: &Tally) -> String {
    let shares = tally.versions().into_keys().map(|version| format!("{:.1} % {version}", tally.share(&version)));
    shares.collect::<Vec<_>>().join(", ")
}
