//! The main job on real Envoy, live: routing, two releases, a bad release, a killed control plane.

mod acts;
mod figures;
mod picture;
mod release;
pub(crate) mod stage;
pub(crate) mod strategy;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};

pub use strategy::Strategy;

use figures::Figures;
use picture::Picture;
use stage::Stage;

/// What `cargo xtask demo` takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// One strategy instead of the main job: promoted and aborted, with its own figures.
    #[arg(long, value_enum)]
    pub strategy: Option<Strategy>,
    /// Leave everything running afterwards, with addresses and commands to play with.
    #[arg(long)]
    pub keep: bool,
    /// Where the figures go as JSON.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Runs the demo. Errors when something is not as it should be: a request that went elsewhere than `explain` says, a rollout that
/// does not end.
pub async fn run(options: &Options) -> Result<()> {
    if let Some(strategy) = options.strategy {
        return strategy::run(strategy, options).await;
    }
    let start = Instant::now();
    let picture = Picture::default();
    let mut stage = Stage::set(&picture).await?;
    let mut figures = Figures::default();
    figures.acts.push(acts::routing(&mut stage, &picture).await.context("act 1")?);
    figures.acts.push(acts::canary(&mut stage, &picture).await.context("act 2")?);
    let (act, bad) = acts::bad_release(&mut stage, &picture).await.context("act 3")?;
    figures.acts.push(act);
    figures.bad_release = Some(bad);
    figures.acts.push(acts::killed(&mut stage, &picture).await.context("act 4")?);
    figures.seconds = start.elapsed().as_secs_f64();
    picture.title("Figures");
    picture.say(figures.table());
    if let Some(path) = &options.report {
        std::fs::write(path, serde_json::to_string_pretty(&figures)? + "\n").with_context(|| format!("writing {}", path.display()))?;
    }
    if options.keep {
        picture.say(stage.invitation());
        std::future::pending::<()>().await;
    }
    Ok(())
}
