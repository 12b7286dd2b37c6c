//! abTest: which version makes more users buy? One test with a lift, one without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use futures::stream::{self, StreamExt};
use serde_json::Value;

use super::figures::{Act, Report};
use super::{manifest, message, version};
use crate::Client;
use crate::demo::picture::Picture;
use crate::demo::release::Watch;
use crate::demo::stage::{FILE, HOST, Stage};
use crate::tally::{Shot, Tally};

/// How many of a thousand users buy, by version.
const BUYERS: [(&str, usize); 3] = [("v1", 200), ("v2", 400), ("v3", 400)];
/// Users who look at the shop at the same time.
const AT_ONCE: usize = 16;

fn spec() -> String {
    "  keepOld: 0s\n  drainDeadline: 1s\n  strategy: {abTest: {goals: [{name: bought, match: [{path: {exact: /buy}}], status: 2xx}], \
     duration: 30s, untilSignificant: true, onWinner: promote}}\n"
        .to_owned()
}

pub(super) async fn play(picture: &Picture, report: &mut Report) -> Result<Stage> {
    let versions = [version("v1", 2, &[])?, version("v2", 2, &[])?, version("v3", 2, &[])?].concat();
    let stage = Stage::play(picture, &[(FILE, &manifest(&versions, &spec()))]).await?;
    picture.title("v2 makes twice as many users buy");
    let (act, won) = test(&stage, picture, "v2").await?;
    ensure!(won, "v2 did not win");
    report.acts.push(act);
    picture.title("v3 is as good as v2: no version wins");
    let (act, won) = test(&stage, picture, "v3").await?;
    ensure!(!won, "v3 won without being better");
    report.acts.push(act);
    Ok(stage)
}

async fn test(stage: &Stage, picture: &Picture, candidate: &str) -> Result<(Act, bool)> {
    let before = stage.view().await?["stable"].as_str().unwrap_or_default().to_owned();
    let stop = Arc::new(AtomicBool::new(false));
    let visitors = tokio::spawn(visit(stage.edge(), candidate.to_owned(), Arc::clone(&stop)));
    let mut watch = Watch::release(stage, picture, candidate).await?;
    let mut contest = Value::Null;
    let start = std::time::Instant::now();
    loop {
        let view = stage.view().await?;
        if view["contest"]["effects"].as_array().is_some_and(|effects| !effects.is_empty()) {
            contest = view["contest"].clone();
        }
        if view["candidate"].is_null() || start.elapsed() > Duration::from_secs(90) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seconds = start.elapsed().as_secs_f64();
    watch.until("the end of the test", |look| look.candidate.is_none()).await?;
    stop.store(true, Ordering::Relaxed);
    let tally = visitors.await??;
    picture.say(format!("  {}", contest["message"].as_str().unwrap_or_default()));
    picture.say(format!("  {}", message(stage).await?));
    let won = stage.view().await?["stable"].as_str() == Some(candidate);
    let effect = &contest["effects"][0];
    let number = |name: &str| effect[name].as_f64().unwrap_or_default();
    let name = format!("{before} against {candidate}, {}", if won { "promoted" } else { "over" });
    let act = Act::of(&name, &tally, 2)
        .with("lift", number("difference"), "points")
        .with("interval from", number("low"), "points")
        .with("interval to", number("high"), "points")
        .with("decided after", seconds, "s");
    Ok((act, won))
}

/// Users come, look, and buy or not, by the version that they meet.
async fn visit(edge: std::net::SocketAddr, tag: String, stop: Arc<AtomicBool>) -> Result<Tally> {
    let shots = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (number, begin) = (AtomicUsize::new(0), std::time::Instant::now());
    let client = Client::new(edge).host(HOST);
    let users = stream::unfold((), |()| async {
        let user = number.fetch_add(1, Ordering::Relaxed);
        (!stop.load(Ordering::Relaxed)).then_some((user, ()))
    });
    users
        .for_each_concurrent(AT_ONCE, |user| {
            let (client, shots, tag) = (client.clone(), Arc::clone(&shots), tag.clone());
            async move {
                let cookie = format!("shunt-id={tag}-user-{user}");
                for path in ["/", "/buy"] {
                    let at = begin.elapsed();
                    let reply = client.request(hyper::Method::GET, path).header("cookie", &cookie).send().await;
                    let (version, status) = reply.map_or((None, 0), |reply| (reply.version(), reply.status));
                    let error = (status == 0).then(|| "no reply".into());
                    let met = version.clone();
                    shots.lock().expect("no panic").push(Shot {
                        at,
                        user,
                        version: version.map(Arc::from),
                        status,
                        error,
                        ..Shot::default()
                    });
                    let buyers = BUYERS.iter().find(|(name, _)| met.as_deref() == Some(name)).map_or(0, |(_, buyers)| *buyers);
                    // Spread evenly: every user decides for themselves.
                    if user.wrapping_mul(7919) % 1000 >= buyers {
                        break;
                    }
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    let shots = shots.lock().expect("no panic").clone();
    Ok(Tally::of(&shots, 0))
}
