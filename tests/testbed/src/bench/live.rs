//! How fast a bad release is over on a real Envoy, where the time goes, and that a good one is kept.
//!
//! Each release goes to 5 % of users. The loads say what users got; the control plane's log says when it heard, decided, pushed, and
//! when every VM had it. A retry has a salt of its own, so each round meets other users.

mod candidate;
mod equal;
mod figures;
mod regression;
mod table;
mod trace;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use candidate::CANDIDATES;
use figures::Figures;
use table::Table;

/// Users, the busiest ones far busier than the others (Zipf).
const USERS: usize = 5_000;
/// The longest that a release may take: the analysis step is over then.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// Rounds of releases that fail more often.
const REGRESSION: &str = "regression";
/// Releases of equal versions.
const EQUAL: &str = "equal";

/// What is measured, and how often.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Bad releases of 20 points more failures.
    #[arg(long, default_value_t = 11)]
    pub rounds: usize,
    /// Bad releases of 2 points more failures, each of which takes about as long as ten of the others.
    #[arg(long, default_value_t = 5)]
    pub small_rounds: usize,
    /// Releases of equal versions, a minute and a half each.
    #[arg(long, default_value_t = 20)]
    pub releases: usize,
    /// Only these parts; may be given several times: `regression`, `equal`, or a bad candidate by its name in the table.
    #[arg(long = "case")]
    pub cases: Vec<String>,
    /// Where the figures go as JSON.
    #[arg(long)]
    pub report: Option<PathBuf>,
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.cases.is_empty() || self.cases.iter().any(|case| case == name)
    }

    fn check(&self) -> Result<()> {
        let names: Vec<&str> = CANDIDATES.iter().map(|candidate| candidate.name).chain([REGRESSION, EQUAL]).collect();
        let unknown = self.cases.iter().find(|case| !names.contains(&case.as_str()));
        ensure!(unknown.is_none(), "--case {}: there are {}", unknown.map_or("", String::as_str), names.join(", "));
        Ok(())
    }
}

/// Runs the benchmark and prints its tables. An error when a goal is not met.
pub async fn live(options: &Options) -> Result<()> {
    options.check()?;
    let mut figures = Figures::default();
    if options.wants(REGRESSION) {
        for (points, rounds) in [(20.0, options.rounds), (2.0, options.small_rounds)] {
            figures.cases.push(regression::case(points, rounds).await.with_context(|| format!("+{points} points"))?);
        }
        print!("{}", figures.table());
    }
    let mut table = Table::default();
    for candidate in CANDIDATES.iter().filter(|candidate| options.wants(candidate.name)) {
        table.note(candidate::release(candidate).await.with_context(|| candidate.name)?);
    }
    if options.wants(EQUAL) {
        table.equal = Some(equal::releases(options.releases).await.context("equal versions")?);
    }
    print!("{}", table.text());
    figures.table = table;
    if let Some(path) = &options.report {
        std::fs::write(path, serde_json::to_string_pretty(&figures)? + "\n").with_context(|| path.display().to_string())?;
    }
    ensure!(figures.met(), "a goal is not met");
    Ok(())
}
