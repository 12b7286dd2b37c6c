//! canary: weights step by step, promoted; and a bad release that is seen at the first weight.

use anyhow::{Result, ensure};

use super::figures::{Act, Report};
use super::{manifest, version};
use crate::demo::picture::Picture;
use crate::demo::release::Watch;
use crate::demo::stage::{FILE, Stage};

const SPEC: &str = "  keepOld: 10m\n  drainDeadline: 1s\n  \
    analysis: {metrics: [{name: errors, successRate: {noWorseThanStable: {}}, minSamples: 20}]}\n  \
    strategy: {canary: {steps: [{mirror: {weight: 10}}, {pause: {duration: 1s}}, {setWeight: 5}, {setWeight: 25}, {setWeight: 50}]}}\n";

pub(super) async fn play(picture: &Picture, report: &mut Report) -> Result<Stage> {
    let versions = [version("v1", 2, &[])?, version("v2", 2, &[])?, version("v3", 2, &["--error-percent", "20"])?].concat();
    let mut stage = Stage::play(picture, &[(FILE, &manifest(&versions, SPEC))]).await?;
    picture.title("v2 step by step");
    stage.start_load(400.0);
    let mut watch = Watch::release(&stage, picture, "v2").await?;
    watch.promoted().await?;
    let steps = std::mem::take(&mut watch.steps);
    let tally = stage.stop_load().await;
    report.acts.push(Act::of("v1 -> v2, promoted", &tally, 1).steps(steps));

    picture.title("v3 fails one request in five");
    stage.start_load(100.0);
    Watch::release(&stage, picture, "v3").await?.ended().await?;
    let tally = stage.stop_load().await;
    let served = tally.only(|shot| shot.version.as_deref() == Some("v3"));
    ensure!(tally.shots().last().is_some_and(|shot| shot.version.as_deref() == Some("v2")), "v2 is not back: {}", tally.summary());
    let act = Act::of("v2 -> v3, aborted", &tally, 2);
    report.acts.push(act.with("v3 answered for", served.span().as_secs_f64(), "s").with(
        "bad requests served",
        tally.injected() as f64,
        "requests",
    ));
    Ok(stage)
}
