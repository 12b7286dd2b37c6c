//! One strategy, live: a release that is promoted, one that is not, and the figures that matter for it.

mod ab_test;
mod blue_green;
mod canary;
mod figures;
mod flag;
mod recreate;
mod rolling_update;
mod shadow;

use std::time::Instant;

use anyhow::{Context, Result};

use super::Options;
use super::picture::Picture;
use super::stage::{HOST, Stage};
use crate::locate;
use figures::Report;

/// Strategies by their names in a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "camelCase")]
pub enum Strategy {
    /// Old down, new up; requests are held meanwhile.
    Recreate,
    /// Batches of instances.
    RollingUpdate,
    /// All at once, the old one kept warm.
    BlueGreen,
    /// Weights, step by step.
    Canary,
    /// Versions compared by what users do.
    AbTest,
    /// Copies, whose answers no user sees.
    Shadow,
    /// Values of a feature flag.
    Flag,
}

/// Plays it. Errors when it does not end as it should.
pub(super) async fn run(strategy: Strategy, options: &Options) -> Result<()> {
    let start = Instant::now();
    let picture = Picture::default();
    let mut report = Report::default();
    let stage = match strategy {
        Strategy::Recreate => recreate::play(&picture, &mut report).await,
        Strategy::RollingUpdate => rolling_update::play(&picture, &mut report).await,
        Strategy::BlueGreen => blue_green::play(&picture, &mut report).await,
        Strategy::Canary => canary::play(&picture, &mut report).await,
        Strategy::AbTest => ab_test::play(&picture, &mut report).await,
        Strategy::Shadow => shadow::play(&picture, &mut report).await,
        Strategy::Flag => flag::play(&picture, &mut report).await,
    }?;
    report.finish(strategy, start.elapsed());
    picture.title("Figures");
    picture.say(report.table());
    if let Some(path) = &options.report {
        std::fs::write(path, serde_json::to_string_pretty(&report)? + "\n").with_context(|| format!("writing {}", path.display()))?;
    }
    if options.keep {
        picture.say(stage.invitation());
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// A version that the control plane runs: so many shops, with further arguments.
pub(crate) fn version(name: &str, instances: usize, args: &[&str]) -> Result<String> {
    let shop = locate::shop()?;
    let own = std::process::id().to_string();
    let mut words = vec![shop.display().to_string()];
    words.extend(["--version", name, "--while-alive", &own, "--grace-ms", "3000"].map(str::to_owned));
    words.extend(args.iter().map(|&arg| arg.to_owned()));
    let words = serde_json::to_string(&words)?;
    Ok(format!(
        "    - {{name: {name}, command: {words}, instances: {instances}, probe: {{path: /ready, interval: 100ms}}, terminationGrace: 5s}}\n"
    ))
}

/// A manifest of these versions, the first one released; `spec` holds further lines of the specification.
fn manifest(versions: &str, spec: &str) -> String {
    format!(
        "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: checkout, namespace: shop}}\nspec:\n  service: {{hosts: [{HOST}]}}\n  \
         versions:\n{versions}  release: v1\n  key: [{{cookie: shunt-id, generate: {{maxAge: 30d}}}}]\n{spec}"
    )
}

/// The view's word for a version's instances that are ready, for the table.
async fn message(stage: &Stage) -> Result<String> {
    Ok(stage.view().await?["message"].as_str().unwrap_or_default().to_owned())
}
