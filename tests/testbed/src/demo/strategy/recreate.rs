//! recreate: the old version goes before the new one comes; requests are held meanwhile, marked, and the downtime is measured.

use anyhow::{Result, ensure};

use super::figures::{Act, Report};
use super::{manifest, version};
use crate::demo::picture::Picture;
use crate::demo::release::Watch;
use crate::demo::stage::{FILE, Stage};
use crate::tally::Tally;

const SPEC: &str = "  drainDeadline: 2s\n  strategy: {recreate: {deadline: 8s}}\n";

pub(super) async fn play(picture: &Picture, report: &mut Report) -> Result<Stage> {
    let versions = [version("v1", 2, &[])?, version("v2", 2, &[])?, version("v3", 2, &["--unready"])?].concat();
    let mut stage = Stage::play(picture, &[(FILE, &manifest(&versions, SPEC))]).await?;
    picture.title("v2 replaces v1: they never answer at the same time");
    stage.start_load(200.0);
    Watch::release(&stage, picture, "v2").await?.promoted().await?;
    let tally = stage.stop_load().await;
    ensure!(overlap(&tally, "v1", "v2") == 0, "v1 still answered after v2 had begun");
    report.acts.push(act("v1 -> v2, promoted", &tally));

    picture.title("v3 never becomes ready: the deadline brings v2 back");
    stage.start_load(200.0);
    Watch::release(&stage, picture, "v3").await?.ended().await?;
    let tally = stage.stop_load().await;
    ensure!(tally.of_version("v3") == 0, "v3 answered a user");
    ensure!(tally.shots().last().is_some_and(|shot| shot.version.as_deref() == Some("v2")), "v2 is not back: {}", tally.summary());
    report.acts.push(act("v2 -> v3, not ready in 8 s, v2 back", &tally));
    Ok(stage)
}

fn act(name: &str, tally: &Tally) -> Act {
    let held = tally.held();
    Act::of(name, tally, 1).with("downtime", held.span().as_secs_f64(), "s").with("requests held", held.requests() as f64, "requests")
}

/// Requests that the old version answered although they were sent after the new one had answered one.
fn overlap(tally: &Tally, old: &str, new: &str) -> usize {
    let first = tally.shots().iter().find(|shot| shot.version.as_deref() == Some(new)).map(|shot| shot.at);
    first.map_or(0, |first| tally.only(|shot| shot.at > first).of_version(old))
}
