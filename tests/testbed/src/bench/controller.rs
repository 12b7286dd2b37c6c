//! What the control plane costs with a large fleet: CPU, memory and the time of a pass, beside their goals.
//!
//! `shunt serve` is real, with a store on disk and manifests in a folder. The proxies are simulated: each has a real ECDS stream of its own,
//! on which it acknowledges what is published, and VMs that post reports as the filter posts them, with counters, slots and latency slots
//! that grow, over kept HTTP/1.1 connections. What is left out: Envoys, requests, and the filter's module, in whose place a module
//! of eight bytes is pushed. The versions are clusters of the proxies' own (`cluster:`), as in a mesh, and each proxy calls only a few of the services.

mod figures;
mod manifests;
mod policy;
mod posts;
mod process;
mod scrape;
mod stream;
mod vm;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::sync::watch;

use crate::ControlPlane;
use crate::until::{until, until_some};
use figures::Figures;
use policy::Policy;
use posts::Posts;
use process::Usage;
use scrape::Scrape;
use vm::Vm;

/// How long the control plane may take until all releases are where they are measured.
const DEADLINE: Duration = Duration::from_secs(10 * 60);
/// Nothing is published for this long before the measurement begins.
const QUIET: Duration = Duration::from_secs(10);
/// The step of a release at which it stays: an analysis at 50 %.
const HELD_AT: u64 = 2;

/// How large the fleet is, and how long it is measured.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Proxies.
    #[arg(long, default_value_t = 2_000)]
    pub proxies: usize,
    /// VMs of each proxy, each of which reports every second.
    #[arg(long, default_value_t = 3)]
    pub vms: usize,
    /// Rollouts.
    #[arg(long, default_value_t = 200)]
    pub rollouts: usize,
    /// Rollouts that are in a release meanwhile: a canary at 50 % under analysis.
    #[arg(long, default_value_t = 50)]
    pub under_way: usize,
    /// Services that each proxy calls, the first of them under way.
    #[arg(long, default_value_t = 4)]
    pub services: usize,
    /// Seconds of the measurement.
    #[arg(long, default_value_t = 60)]
    pub seconds: u64,
    /// Where the figures go as JSON.
    #[arg(long)]
    pub report: Option<PathBuf>,
}

impl Options {
    fn check(&self) -> Result<()> {
        ensure!(self.proxies > 0 && self.vms > 0 && self.seconds > 0, "--proxies, --vms and --seconds: at least 1");
        ensure!((1..=self.rollouts).contains(&self.under_way), "--under-way: 1 to {} (--rollouts)", self.rollouts);
        let at_rest = self.rollouts - self.under_way;
        ensure!((1..=at_rest + 1).contains(&self.services), "--services: 1 to {}", at_rest + 1);
        Ok(())
    }

    /// The Rollouts of the services that a proxy calls.
    fn called_by(&self, proxy: usize) -> Vec<String> {
        let at_rest = self.rollouts - self.under_way;
        let others = (1..self.services).map(|n| self.under_way + (proxy * (self.services - 1) + n) % at_rest);
        std::iter::once(proxy % self.under_way).chain(others).map(manifests::id).collect()
    }

    fn reports(&self) -> usize {
        self.proxies * self.vms
    }
}

/// Runs the benchmark and prints its table. An error when a goal is not met.
pub async fn controller(options: &Options) -> Result<()> {
    options.check()?;
    println!("{}", if cfg!(debug_assertions) { "built for development: figures are not comparable" } else { "built with --release" });
    let figures = measure(options).await?;
    print!("{}", figures.table());
    if let Some(path) = &options.report {
        std::fs::write(path, serde_json::to_string_pretty(&figures)? + "\n").with_context(|| path.display().to_string())?;
    }
    ensure!(figures.met(), "a goal is not met");
    Ok(())
}

async fn measure(options: &Options) -> Result<Figures> {
    let control = start(options).await?;
    let (published, policy) = watch::channel(Arc::new(Policy::default()));
    let streams = stream::connect(options.proxies, control.xds()).await?;
    let follower = tokio::spawn(policy::follow(control.api(), streams.pushes(), published));
    let vms = (0..options.proxies).flat_map(|proxy| {
        let called = options.called_by(proxy);
        (0..options.vms).map(move |number| Vm::new(&stream::node(proxy), number, &called))
    });
    let posts = Posts::start(vms.collect(), control.api(), &policy);
    println!("{} proxies are connected, {} VMs report each second", options.proxies, options.reports());
    let rollouts = |what: &'static str, holds: fn(&Value) -> bool, number: usize| until_all(&control, what, holds, number);
    rollouts("all Rollouts are healthy", |one| one["phase"] == "Healthy", options.rollouts).await?;
    let begun = Instant::now();
    for rollout in 0..options.under_way {
        control.write(&manifests::file(rollout), &manifests::manifest(rollout, "v2")?)?;
    }
    rollouts("the releases are under analysis", |one| one["step"]["number"] == HELD_AT, options.under_way).await?;
    println!("{} releases came to 50 % in {:.1} s", options.under_way, begun.elapsed().as_secs_f64());
    settle(&control).await?;
    let figures = window(options, &control, &posts).await?;
    rollouts("the releases are still under analysis", |one| one["step"]["number"] == HELD_AT, options.under_way).await?;
    follower.abort();
    Ok(figures)
}

async fn start(options: &Options) -> Result<ControlPlane> {
    let module = tempfile::Builder::new().prefix("shunt-bench-").suffix(".wasm").tempfile()?;
    std::fs::write(module.path(), b"\0asm\x01\0\0\0")?;
    let texts = (0..options.rollouts).map(|rollout| Ok((manifests::file(rollout), manifests::manifest(rollout, "v1")?)));
    let texts: Vec<(String, String)> = texts.collect::<Result<_>>()?;
    let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    ControlPlane::start_quietly(&texts, &["--filter", &module.path().display().to_string()]).await
}

async fn until_all(control: &ControlPlane, what: &str, holds: fn(&Value) -> bool, number: usize) -> Result<()> {
    until(what, DEADLINE, || async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let Ok(list) = control.get_json::<Value>("/v1/rollouts").await else { return false };
        list["rollouts"].as_array().is_some_and(|all| all.iter().filter(|one| holds(one)).count() >= number)
    })
    .await
    .with_context(|| control.child().log_tail(20))
}

/// Waits until nothing was published for a while.
async fn settle(control: &ControlPlane) -> Result<()> {
    until_some("nothing is published any more", DEADLINE, || async {
        let before = Scrape::of(control).await.ok()?;
        tokio::time::sleep(QUIET).await;
        let after = Scrape::of(control).await.ok()?;
        (before.published() == after.published()).then_some(())
    })
    .await
}

async fn window(options: &Options, control: &ControlPlane, posts: &Posts) -> Result<Figures> {
    let (usage, before, refused) = (Usage::of(control.child().pid())?, Scrape::of(control).await?, posts.refused());
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(options.seconds)).await;
    let elapsed = begun.elapsed();
    let (usage_after, after) = (Usage::of(control.child().pid())?, Scrape::of(control).await?);
    Ok(Figures::new(options, elapsed, &usage_after.since(&usage), &after.since(&before), posts.refused() - refused))
}
