//! flag: values decided in the proxy, released step by step, switched off at once, and rolled back when the new value fails.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::figures::{Act, Report};
use super::{manifest, version};
use crate::demo::picture::Picture;
use crate::demo::release::Watch;
use crate::demo::stage::{FILE, HOST, Stage};
use crate::until;

const FLAG: &str = "shop/new-basket";
const NAME: &str = "new-basket";

pub(super) async fn play(picture: &Picture, report: &mut Report) -> Result<Stage> {
    let shop = manifest(&version("v1", 2, &["--error-percent", "20", "--error-flag", "bad-basket"])?, "");
    let files = [(FILE, shop), ("new-basket.yaml", flag(NAME)), ("bad-basket.yaml", flag("bad-basket"))];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let mut stage = Stage::play(picture, &files).await?;
    picture.title("a new value for 5, 50, 100 % of users");
    stage.start_load_as(400.0, |load| load.flag(NAME));
    let mut watch = Watch::release_of(&stage, picture, FLAG, "on").await?;
    watch.promoted().await?;
    let steps = std::mem::take(&mut watch.steps);
    let mark = stage.mark();
    until("requests with the flag on", Duration::from_secs(10), || async { stage.tally_since(&mark).requests() > 400 }).await?;
    let after = stage.tally_since(&mark);
    ensure!(after.share("on") > 99.0, "released, and {:.1} % have it", after.share("on"));
    let tally = stage.stop_load().await;
    report.acts.push(Act::of("off -> on, promoted", &tally, 1).steps(steps));

    picture.title("the kill switch");
    stage.start_load_as(400.0, |load| load.flag(NAME));
    let mark = stage.mark();
    until("requests before", Duration::from_secs(10), || async { stage.tally_since(&mark).requests() > 200 }).await?;
    let mark = stage.mark();
    Watch::release_of(&stage, picture, FLAG, "off").await?.promoted().await?;
    let since = stage.tally_since(&mark);
    let killed = since.only(|shot| shot.version.as_deref() == Some("on")).span().as_secs_f64();
    let tally = stage.stop_load().await;
    report.acts.push(Act::of("on -> off, at once", &tally, 1).with("last request with the flag after", killed, "s"));

    picture.title("a value that fails one request in five");
    stage.start_load_as(200.0, |load| load.flag("bad-basket"));
    Watch::release_of(&stage, picture, "shop/bad-basket", "on").await?.ended().await?;
    let tally = stage.stop_load().await;
    report.acts.push(Act::of("off -> on, rolled back", &tally, 2).with("bad requests served", tally.injected() as f64, "requests"));
    Ok(stage)
}

fn flag(name: &str) -> String {
    format!(
        "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  service: {{hosts: [{HOST}]}}\n  \
         flag: {{name: {name}}}\n  versions: [{{name: \"off\", value: false}}, {{name: \"on\", value: true}}]\n  release: \"off\"\n  \
         key: [{{cookie: shunt-id}}]\n  analysis: {{metrics: [{{name: errors, successRate: {{noWorseThanStable: {{}}}}, minSamples: 20}}]}}\n  \
         strategy: {{canary: {{steps: [{{setWeight: 5}}, {{setWeight: 50}}]}}}}\n"
    )
}
