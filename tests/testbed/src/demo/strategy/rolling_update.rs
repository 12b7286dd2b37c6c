//! rollingUpdate: batches of instances; users follow what is ready, and half a release is taken back without losing capacity.

use std::time::Instant;

use anyhow::{Result, ensure};

use super::figures::{Act, Report};
use super::{manifest, version};
use crate::demo::picture::Picture;
use crate::demo::release::Watch;
use crate::demo::stage::{FILE, Stage};

const SPEC: &str = "  drainDeadline: 1s\n  progressDeadline: 20s\n  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}\n  \
    analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}\n";

pub(super) async fn play(picture: &Picture, report: &mut Report) -> Result<Stage> {
    let versions = [version("v1", 4, &[])?, version("v2", 4, &[])?, version("v3", 4, &["--error-percent", "20"])?].concat();
    let mut stage = Stage::play(picture, &[(FILE, &manifest(&versions, SPEC))]).await?;
    picture.title("v2 replaces v1, one instance at a time");
    stage.start_load(200.0);
    let start = Instant::now();
    let mut watch = Watch::release(&stage, picture, "v2").await?;
    watch.promoted().await?;
    let (steps, seconds) = (std::mem::take(&mut watch.steps), start.elapsed().as_secs_f64());
    let tally = stage.stop_load().await;
    report.acts.push(Act::of("v1 -> v2, promoted", &tally, 1).with("from first batch to stable", seconds, "s").steps(steps));

    picture.title("v3 fails one request in five: the batch is taken back");
    stage.start_load(200.0);
    Watch::release(&stage, picture, "v3").await?.ended().await?;
    let tally = stage.stop_load().await;
    ensure!(tally.shots().last().is_some_and(|shot| shot.version.as_deref() == Some("v2")), "v2 is not back: {}", tally.summary());
    report.acts.push(Act::of("v2 -> v3, aborted in a batch", &tally, 2).with("bad requests served", tally.injected() as f64, "requests"));
    Ok(stage)
}
