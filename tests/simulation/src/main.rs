//! `shunt-simulation`: simulated rollouts, judged by the real analysis and by what is used elsewhere today.
//!
//! Users make requests at Zipf rates and stay on their version; the control plane looks each second; an abort takes effect 1.8 s after
//! it was decided. `cargo xtask bench analysis` builds and starts it.

mod deciders;
mod interval;
mod population;
mod run;
mod scenario;
mod table;
mod tally;

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Result, bail};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use crate::scenario::Scenario;
use crate::tally::Tally;

/// Simulated rollouts: false aborts and missed regressions of the analysis, beside fixed thresholds.
#[derive(Debug, Parser)]
#[command(name = "shunt-simulation")]
struct Args {
    /// Rollouts per scenario.
    #[arg(long, default_value_t = 2_000)]
    runs: u64,
    /// Another seed gives other rollouts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only scenarios whose name contains this; goals of the others are not looked at.
    #[arg(long, default_value = "")]
    only: String,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let scenarios: Vec<Scenario> = scenario::all().into_iter().filter(|scenario| scenario.name.contains(&args.only)).collect();
    let bar = progress(args.runs * scenarios.len() as u64);
    let tallies: Vec<Tally> = scenarios.iter().map(|scenario| simulate(scenario, &args, &bar)).collect();
    bar.finish_and_clear();
    let missed = table::print(&scenarios, &tallies, args.runs);
    if missed.is_empty() {
        return Ok(());
    }
    bail!("{} of {} goals were missed: {}", missed.len(), scenarios.len(), missed.join("; "))
}

/// All runs of one scenario, on all cores.
fn simulate(scenario: &Scenario, args: &Args, bar: &ProgressBar) -> Tally {
    bar.set_message(scenario.name);
    let next = AtomicU64::new(0);
    let worker = || {
        let mut tally = Tally::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= args.runs {
                return tally;
            }
            tally.add(run::run(scenario, args.seed, number));
            bar.inc(1);
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(worker)).collect();
        let tallies = workers.into_iter().filter_map(|worker| worker.join().ok());
        tallies.fold(Tally::default(), Tally::with)
    })
}

fn progress(runs: u64) -> ProgressBar {
    let bar = ProgressBar::new(runs);
    match ProgressStyle::with_template("{bar:40} {pos}/{len} ({eta} left) {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
