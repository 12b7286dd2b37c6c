//! The figures beside their goals.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::Options;
use super::process::Usage;
use super::scrape::Scrape;

const MB: f64 = 1_000_000.0;
/// A fleet whose reports are taken more rarely than this was not measured.
const REACHED: f64 = 0.95;

/// All of them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figures {
    proxies: usize,
    vms: usize,
    rollouts: usize,
    under_way: usize,
    services_per_proxy: usize,
    seconds: f64,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    what: &'static str,
    measured: Option<f64>,
    unit: &'static str,
    goal: Goal,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Goal {
    None,
    AtMost(f64),
    AtLeast(f64),
}

impl Row {
    fn met(&self) -> bool {
        match self.goal {
            Goal::None => true,
            Goal::AtMost(limit) => self.measured.is_some_and(|measured| measured <= limit),
            Goal::AtLeast(limit) => self.measured.is_some_and(|measured| measured >= limit),
        }
    }
}

impl Figures {
    pub(super) fn new(options: &Options, elapsed: Duration, usage: &Usage, counted: &Scrape, refused: u64) -> Self {
        let seconds = elapsed.as_secs_f64();
        let pass = |share: f64| counted.pass(share).ok().map(|seconds| seconds * 1_000.0);
        let row = |what, measured, unit, goal| Row { what, measured: Some(measured), unit, goal };
        let rows = vec![
            row("reports taken", counted.reports() / seconds, "1/s", Goal::AtLeast(REACHED * options.reports() as f64)),
            row("reports refused", refused as f64 / seconds, "1/s", Goal::None),
            row("CPU", usage.cpu.as_secs_f64() / seconds, "cores", Goal::AtMost(0.5)),
            row("RSS", usage.rss as f64 / MB, "MB", Goal::AtMost(150.0)),
            row("RSS, peak since its start", usage.peak as f64 / MB, "MB", Goal::None),
            row("passes", counted.passes() / seconds, "1/s", Goal::None),
            Row { what: "pass, p50", measured: pass(0.5), unit: "ms", goal: Goal::None },
            Row { what: "pass, p99", measured: pass(0.99), unit: "ms", goal: Goal::AtMost(50.0) },
        ];
        let Options { proxies, vms, rollouts, under_way, services, .. } = *options;
        Self { proxies, vms, rollouts, under_way, services_per_proxy: services, seconds, rows }
    }

    pub(super) fn met(&self) -> bool {
        self.rows.iter().all(Row::met)
    }

    pub(super) fn table(&self) -> String {
        let Self { proxies, vms, rollouts, under_way, services_per_proxy, seconds, rows } = self;
        let mut text = format!(
            "\n{proxies} proxies of {vms} VMs, each with {services_per_proxy} of {rollouts} services, {under_way} releases under way; {seconds:.0} s\n\n"
        );
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{:<28} {:>10} {:<6} goal", "", "measured", "");
        for row in rows {
            let measured = row.measured.map_or_else(|| "-".to_owned(), |measured| format!("{measured:.2}"));
            let verdict = if row.met() { "met" } else { "NOT met" };
            let goal = match row.goal {
                Goal::None => String::new(),
                Goal::AtMost(limit) => format!("<= {limit}: {verdict}"),
                Goal::AtLeast(limit) => format!(">= {limit}: {verdict}"),
            };
            let _ = writeln!(text, "{:<28} {measured:>10} {:<6} {goal}", row.what, row.unit);
        }
        text
    }
}
