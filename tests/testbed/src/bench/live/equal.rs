//! Releases of versions that are the same program: a candidate with less traffic is colder, and that is no reason to refuse it.

use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use serde::Serialize;

use super::USERS;
use super::candidate::RATE;
use crate::demo::stage::{FILE, HOST, ROLLOUT, Stage};
use crate::demo::strategy::version;
use crate::{ControlPlane, Load};

/// The longest that one may take.
const LONGEST: Duration = Duration::from_secs(5 * 60);

/// What became of them.
#[derive(Debug, Default, Serialize)]
pub(super) struct Equal {
    pub(super) releases: usize,
    /// Why some were refused.
    pub(super) refused: Vec<String>,
}

/// So many releases at 5 and 25 %, latency compared, each of a process that was just started.
pub(super) async fn releases(number: usize) -> Result<Equal> {
    let bar = ProgressBar::new(number as u64).with_message("equal versions");
    let control = ControlPlane::start(&[(FILE, &manifest()?)]).await?;
    let mut stage = Stage::before(control).await?.crowd(USERS);
    stage.start_load_as(RATE, Load::zipf);
    let mut equal = Equal::default();
    let (mut stable, mut next) = ("v1", "v2");
    for number in 0..number {
        match release(&stage, next).await.with_context(|| format!("release {}", number + 1))? {
            None => (stable, next) = (next, stable),
            Some(reason) => {
                equal.refused.push(reason);
                release(&stage, stable).await.context("back to what was stable")?;
            }
        }
        equal.releases += 1;
        bar.inc(1);
    }
    stage.stop_load().await;
    bar.finish_and_clear();
    Ok(equal)
}

fn manifest() -> Result<String> {
    let versions = [version("v1", 1, &[])?, version("v2", 1, &[])?].concat();
    Ok(format!(
        "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: checkout, namespace: shop}}\nspec:\n  service: {{hosts: [{HOST}]}}\n  \
         versions:\n{versions}  release: v1\n  key: [{{cookie: shunt-id}}]\n  keepOld: 0s\n  \
         strategy: {{canary: {{steps: [{{setWeight: 5}}, {{pause: {{duration: 30s}}}}, {{setWeight: 25}}, {{pause: {{duration: 30s}}}}]}}}}\n"
    ))
}

/// Why it was refused; none: it was promoted.
async fn release(stage: &Stage, version: &str) -> Result<Option<String>> {
    stage.control.cli_ok(&["release", ROLLOUT, version]).await?;
    let over = |view: &serde_json::Value| {
        let released = view["release"] == version && view["candidate"].is_null();
        released && (view["phase"] == "Degraded" || (view["phase"] == "Healthy" && view["stable"] == version))
    };
    let view = stage.control.until_rollout("the release is over", ROLLOUT, LONGEST, over).await?;
    Ok((view["phase"] == "Degraded").then(|| view["message"].as_str().unwrap_or_default().to_owned()))
}
