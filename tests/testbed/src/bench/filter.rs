//! What the filter costs Envoy per request, beside no filter, a module that does nothing, and Lua that decides the same.
//!
//! Each variant has an Envoy of its own with one worker. They take turns, in another order each round, so that a noisy moment of
//! the machine hits all alike; ratios are taken within a round. Only Envoy's CPU time counts, not the load's or the shop's. Memory is
//! measured once, of Envoys of its own.

mod figures;
mod measure;
mod memory;
mod variant;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hyper::Method;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{Client, Receiver, Shop};
pub use figures::Figures;
use measure::Bench;
use memory::Memory;
use variant::{Behind, Modules};

/// What is measured, and how long.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How often each variant is measured.
    #[arg(long, default_value_t = 11)]
    pub rounds: usize,
    /// How long each time, seconds.
    #[arg(long, default_value_t = 2)]
    pub seconds: u64,
    /// A folder with the `shunt_filter.wasm` of another build, measured in the same run.
    #[arg(long, value_name = "DIR")]
    pub against: Option<PathBuf>,
    /// Where the figures go as JSON.
    #[arg(long)]
    pub report: Option<PathBuf>,
}

/// Versions, receiver of reports and one Envoy per variant.
struct Stage {
    _shops: [Shop; 2],
    _receiver: Receiver,
    benches: Vec<Bench>,
}

/// Runs the benchmark and prints its table.
pub async fn filter(options: &Options) -> Result<()> {
    let modules = Modules::new(options)?;
    let memory = Memory::measure(&modules).await?;
    let mut stage = Stage::set(&modules).await?;
    for bench in &stage.benches {
        prove(bench).await?;
    }
    let bar = progress(options, stage.benches.len());
    // The first round warms up caches and compilers and is not counted.
    for round in 0..=options.rounds {
        fastrand::shuffle(&mut stage.benches);
        for bench in &mut stage.benches {
            bar.set_message(bench.name());
            bench.measure(Duration::from_secs(options.seconds), round).await?;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let figures = Figures::of(&stage.benches, memory, options);
    print!("{}", figures.table());
    if let Some(path) = &options.report {
        std::fs::write(path, serde_json::to_string_pretty(&figures)?).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

impl Stage {
    async fn set(modules: &Modules) -> Result<Self> {
        let shops = [Shop::start("v1").await?, Shop::start("v2").await?];
        let receiver = Receiver::start().await?;
        let upstreams = [shops[0].address(), shops[1].address()];
        let mut benches = Vec::new();
        for behind in [Behind::Shop(upstreams), Behind::Nothing] {
            for variant in modules.variants() {
                benches.push(Bench::start(modules, variant, behind, receiver.address()).await?);
            }
        }
        Ok(Self { _shops: shops, _receiver: receiver, benches })
    }
}

/// Those that decide must do so: about 5 % of 1,000 users meet v2, the same ones when asked again. The others send all to v1.
async fn prove(bench: &Bench) -> Result<()> {
    let mut chosen = [Vec::new(), Vec::new()];
    let client = Client::new(bench.address()).host("shop.test");
    for seen in &mut chosen {
        for user in 0..1000 {
            let reply = client.request(Method::GET, "/").header("cookie", format!("theme=dark; shunt-id=user-{user}")).send().await?;
            ensure!(reply.status == 200, "{}: status {}", bench.name(), reply.status);
            if reply.version().as_deref() == Some("v2") {
                seen.push(user);
            }
        }
    }
    ensure!(chosen[0] == chosen[1], "{} is not sticky", bench.name());
    let fits = if bench.variant().decides() { (25..=75).contains(&chosen[0].len()) } else { chosen[0].is_empty() };
    ensure!(fits, "{}: {} of 1,000 users met v2", bench.name(), chosen[0].len());
    Ok(())
}

fn progress(options: &Options, variants: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} ({eta} left)");
    let bar = ProgressBar::new(((options.rounds + 1) * variants) as u64);
    style.map_or(bar.clone(), |style| bar.with_style(style))
}
