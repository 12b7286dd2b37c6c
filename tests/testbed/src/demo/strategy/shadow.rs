//! shadow: copies for the candidate, compared by the proxies' own counters; no user sees an answer of it, and a stalled one costs no
//! user anything.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::figures::{Act, Report};
use super::{manifest, version};
use crate::Client;
use crate::demo::picture::Picture;
use crate::demo::release::Watch;
use crate::demo::stage::{FILE, Stage};
use crate::until;

pub(super) async fn play(picture: &Picture, report: &mut Report) -> Result<Stage> {
    let versions = [
        version("v1", 2, &[])?,
        version("v2", 2, &[])?,
        version("v3", 2, &["--error-percent", "20"])?,
        version("v4", 2, &["--delay-ms", "60000"])?,
    ]
    .concat();
    // The proxy that counts the copies is not there yet.
    let mut stage = Stage::play(picture, &[(FILE, &manifest(&versions, ""))]).await?;
    for (candidate, name) in [("v2", "as good as v1"), ("v3", "fails one copy in five"), ("v4", "never answers")] {
        picture.title(format!("{candidate} in the shadow: {name}"));
        stage.control.write(FILE, &manifest(&versions, &spec(stage.admins()[0], candidate)))?;
        stage.start_load(200.0);
        let mark = stage.mark();
        until("requests before", Duration::from_secs(20), || async { stage.tally_since(&mark).requests() > 400 }).await?;
        let before = stage.tally_since(&mark).latency(99.0);
        let mark = stage.mark();
        let mut watch = Watch::release(&stage, picture, candidate).await?;
        watch.until("copies", |look| look.candidate.is_some()).await?;
        let most = Arc::new(Mutex::new((0.0, 0.0)));
        let counted = tokio::spawn(count(stage.admins(), candidate.to_owned(), Arc::clone(&most)));
        watch.ended().await?;
        let during = stage.tally_since(&mark).latency(99.0);
        let tally = stage.stop_load().await;
        ensure!(tally.of_version(candidate) == 0, "{candidate} answered a user");
        counted.abort();
        let (copies, errors) = *most.lock().unwrap_or_else(PoisonError::into_inner);
        let act = Act::of(&format!("v1 with {candidate} in its shadow"), &tally, 0)
            .with("copies sent", copies, "copies")
            .with("copies that failed, or had no room to be sent", errors, "copies")
            .with("p99 of users before", before.as_secs_f64() * 1e3, "ms")
            .with("p99 of users with copies", during.as_secs_f64() * 1e3, "ms");
        report.acts.push(act);
        Watch::release(&stage, picture, "v1").await?.until("v1 again", |look| look.phase == "Healthy").await?;
    }
    Ok(stage)
}

/// The proxy's own counters are the source: they are the only ones who hear what a copy was answered.
fn spec(admin: SocketAddr, candidate: &str) -> String {
    let cluster = shadow_cluster(candidate);
    let metric = format!(
        "{{name: copies, interval: 1s, initialDelay: 2s, failureLimit: 0, \
         web: {{url: \"http://{admin}/stats?format=json&filter=^cluster[.]{cluster}[.]upstream_rq_5xx$\", jsonPath: \"$\"}}, \
         success: \"size(value.stats) == 0 || value.stats[0].value <= 3\", failure: \"size(value.stats) > 0 && value.stats[0].value > 3\"}}"
    );
    format!("  drainDeadline: 1s\n  analysis: {{metrics: [{metric}]}}\n  strategy: {{shadow: {{weight: 100, duration: 5s, then: stop}}}}\n")
}

fn shadow_cluster(version: &str) -> String {
    let id = "shop/checkout".parse().expect("an id");
    shunt_filter_core::names::shadow_cluster(&id, &version.parse().expect("a name"))
}

/// Counts while the cluster of copies is there: it goes with the run, and its counters with it.
async fn count(admins: Vec<SocketAddr>, version: String, most: Arc<Mutex<(f64, f64)>>) {
    loop {
        if let Ok((all, errors)) = copies(&admins, &version).await {
            let mut most = most.lock().unwrap_or_else(PoisonError::into_inner);
            *most = (most.0.max(all), most.1.max(errors));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Copies that were sent, and that ended in 5xx (by the candidate, by a time-out, or because too many were under way), over all proxies.
async fn copies(admins: &[SocketAddr], version: &str) -> Result<(f64, f64)> {
    let cluster = shadow_cluster(version);
    let mut sums = (0.0, 0.0);
    for admin in admins {
        let stats: Value =
            Client::new(*admin).get(&format!("/stats?format=json&filter=^cluster[.]{cluster}[.]upstream_rq")).await?.json()?;
        let value = |name: &str| {
            let all = stats["stats"].as_array().into_iter().flatten();
            let named = all.filter(|stat| stat["name"].as_str().is_some_and(|full| full.ends_with(name)));
            named.filter_map(|stat| stat["value"].as_f64()).sum::<f64>()
        };
        sums = (sums.0 + value(".upstream_rq_total"), sums.1 + value(".upstream_rq_5xx"));
    }
    Ok(sums)
}
