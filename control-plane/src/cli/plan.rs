//! `shunt plan`: what a release will do, before any user sees it.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use shunt_core::forecast::{End, Forecast, Traffic, forecast};
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::Plan;

use super::console::Console;
use super::exit::Exit;
use super::manifests::Manifests;
use super::show::forecast as picture;

const EXAMPLES: &str =
    "The state machine of `shunt serve` runs over a modelled world: proxies that apply everything at once, a candidate as good as
stable, users with Zipf request rates, and an operator who promotes a pause without end after 10m. Every weight takes the 3s of its
proof. What an analysis sees is the smallest regression that 9 of 10 of 400 simulated releases are caught with, by the test that judges
real ones (a sequential log-rank test on the first failure per slot; ter Schure and others, arXiv 2011.06931), and with a tolerance
(`by`) also what it would see without. Sources of metrics (prometheus, web) answer at once, and all that they say is good: the table
says how often each is measured, step by step, and what would end the release.
Exit code 0: it is promoted; 1: something to change (printed as warnings); 2: wrong usage.

Examples:
  shunt plan shop.yaml
  shunt plan shop.yaml --rate 20/s --users 500 --baseline-errors 0.5%
  shunt plan rollouts/ --rollout shop/checkout --from v1 --to v2 -o json";

/// What to foresee.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PlanArgs {
    /// Manifests, or folders with them; a MeshPolicy among them counts
    #[arg(value_name = "FILES", required = true)]
    files: Vec<PathBuf>,

    /// Only this one
    #[arg(long, value_name = "NAMESPACE/NAME")]
    rollout: Option<RolloutId>,

    /// Requests per second to the service
    #[arg(long, value_name = "N/s", default_value = "100/s", value_parser = rate)]
    rate: f64,

    /// Users, that is different keys
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    users: u32,

    /// Share of requests that fail at either version
    #[arg(long, value_name = "N%", default_value = "0.1%", value_parser = percent)]
    baseline_errors: f64,

    /// Share of users who reach each goal of an A/B test, at either version
    #[arg(long, value_name = "N%", default_value = "5%", value_parser = percent)]
    goal_rate: f64,

    /// The version that is stable before [default: what `release:` names, or the version before it when it is the last one]
    #[arg(long, value_name = "VERSION")]
    from: Option<VersionName>,

    /// The version that is released [default: the one after `--from` in the list]
    #[arg(long, value_name = "VERSION")]
    to: Option<VersionName>,
}

/// `100/s`, `3000/m`
fn rate(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is not a rate: write a number per second or minute, for example 100/s or 600/m");
    let (number, unit) = text.split_once('/').ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    if number.is_finite() && number > 0.0 { Ok(number / seconds) } else { Err(wrong()) }
}

/// `0.1%`
fn percent(text: &str) -> Result<f64, String> {
    let wrong = || format!("{text:?} is not a share: write percent, for example 0.1%");
    let number: f64 = text.strip_suffix('%').ok_or_else(wrong)?.trim().parse().map_err(|_| wrong())?;
    if (0.0..=100.0).contains(&number) { Ok(number / 100.0) } else { Err(wrong()) }
}

/// What was foreseen.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Forecasts {
    rollouts: Vec<Forecast>,
    /// Rollouts with a single version: nothing to release.
    alone: Vec<RolloutId>,
}

/// `shunt plan`
pub(crate) fn run(args: &PlanArgs, console: &mut Console<'_>) -> anyhow::Result<Exit> {
    let read = Manifests::without_errors(&args.files)?;
    let plans = || read.plans.iter().map(|(_, plan)| plan);
    let wanted: Vec<&Plan> = plans().filter(|plan| args.rollout.as_ref().is_none_or(|id| *id == plan.id)).collect();
    if let (Some(id), true) = (&args.rollout, wanted.is_empty()) {
        let known = plans().map(|plan| plan.id.to_string()).collect::<Vec<_>>().join(", ");
        anyhow::bail!("there is no Rollout {id} in these files\nKnown: {known}");
    }
    let mut found = Forecasts { rollouts: Vec::new(), alone: Vec::new() };
    for plan in wanted {
        match args.way(plan)? {
            Some((from, to)) => {
                let plan = read.releasing(&plan.id, &to)?;
                found.rollouts.push(forecast(&plan, &from, &to, args.traffic(), console.now()));
            }
            None => found.alone.push(plan.id.clone()),
        }
    }
    console.show(&found, |console| {
        let mut lines: Vec<String> = Vec::new();
        for forecast in &found.rollouts {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.extend(picture::lines(forecast, console.paint));
        }
        lines.extend(found.alone.iter().map(|id| format!("{id} has one version: nothing can be released")));
        lines
    })?;
    let fine = |forecast: &Forecast| matches!(forecast.end, End::Promoted | End::Concluded(_)) && forecast.warnings.is_empty();
    Ok(if found.rollouts.iter().all(fine) { Exit::Done } else { Exit::Wrong })
}

impl PlanArgs {
    fn traffic(&self) -> Traffic {
        Traffic { rate: self.rate, users: self.users, errors: self.baseline_errors, goals: self.goal_rate }
    }

    /// From which version to which; none: there is only one.
    fn way(&self, plan: &Plan) -> anyhow::Result<Option<(VersionName, VersionName)>> {
        let names: Vec<&VersionName> = plan.versions.iter().map(|version| &version.name).collect();
        let at = |name: &VersionName| {
            let known = || names.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let found = names.iter().position(|known| *known == name);
            found.ok_or_else(|| anyhow::anyhow!("{} has no version {name}: it has {}", plan.id, known()))
        };
        let (from, to) = match (&self.from, &self.to) {
            (Some(from), Some(to)) => (at(from)?, at(to)?),
            (Some(from), None) => (at(from)?, after(at(from)?, names.len())),
            (None, Some(to)) => (at(&plan.release)?, at(to)?),
            (None, None) => match at(&plan.release)? {
                last if last > 0 && last + 1 == names.len() => (last - 1, last),
                first => (first, after(first, names.len())),
            },
        };
        anyhow::ensure!(from != to || names.len() == 1, "--from and --to name the same version: nothing would be released");
        let name = |index: usize| names.get(index).map(|name| (*name).clone());
        Ok(if from == to { None } else { name(from).zip(name(to)) })
    }
}

/// The next version in the list, the first after the last.
fn after(index: usize, of: usize) -> usize {
    if index + 1 < of { index + 1 } else { 0 }
}
