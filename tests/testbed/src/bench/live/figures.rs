//! Medians of the rounds, beside the goals.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::regression::Round;
use super::table::Table;

/// All of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Figures {
    pub(super) cases: Vec<Case>,
    pub(super) table: Table,
}

/// A regression of so many points, so often.
#[derive(Debug, Serialize)]
pub(super) struct Case {
    points: f64,
    pub(super) rounds: Vec<Round>,
}

/// What a median must not exceed.
struct Goal {
    what: &'static str,
    limit: f64,
    measured: f64,
}

impl Case {
    pub(super) fn of(points: f64) -> Self {
        Self { points, rounds: Vec::new() }
    }

    /// A round ends only with an abort at 5 %, so to have come here is to be caught; beyond that, +20 points must be over fast.
    fn goals(&self) -> Vec<Goal> {
        if self.points < 20.0 || self.rounds.is_empty() {
            return Vec::new();
        }
        let (exposed, bad) = (self.spread(|round| seconds(round.exposed)), self.spread(|round| round.bad as f64));
        let goal = |what, limit, measured| Goal { what, limit, measured };
        vec![goal("seconds until no user meets it", 7.0, exposed.median), goal("bad requests served", 8.0, bad.median)]
    }

    fn spread(&self, of: impl Fn(&Round) -> f64) -> Spread {
        let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values.get(((values.len().max(1) - 1) as f64 * share).round() as usize).copied().unwrap_or(0.0);
        Spread { least: at(0.0), median: at(0.5), most: at(1.0) }
    }
}

#[derive(Debug, Clone, Copy)]
struct Spread {
    least: f64,
    median: f64,
    most: f64,
}

impl Figures {
    pub(super) fn met(&self) -> bool {
        self.cases.iter().flat_map(Case::goals).all(|goal| goal.measured <= goal.limit) && self.table.met()
    }

    pub(super) fn table(&self) -> String {
        let mut text =
            String::from("A bad release on real Envoy, 100 requests/s, 5 % of users, baseline 0.1 %, every one refused by the analysis\n");
        for case in &self.cases {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n{:<52} {:>9} {:>9} {:>9}", heading(case), "median", "least", "most");
            let mut row = |what: &str, unit: &str, spread: Spread| {
                let _ = writeln!(text, "  {what:<42} {unit:>7} {:>9.1} {:>9.1} {:>9.1}", spread.median, spread.least, spread.most);
            };
            row("bad requests served", "", case.spread(|round| round.bad as f64));
            row("first to last request that it answered", "s", case.spread(|round| seconds(round.exposed)));
            row("report: from the last counted failure", "ms", case.spread(|round| millis(round.report)));
            row("decide: from the report to the record", "ms", case.spread(|round| millis(round.decide)));
            row("push: from the record to the publication", "ms", case.spread(|round| millis(round.push)));
            row("applied: from the push to the last VM", "ms", case.spread(|round| millis(round.applied)));
        }
        text.push('\n');
        for goal in self.cases.iter().flat_map(Case::goals) {
            let verdict = if goal.measured <= goal.limit { "met" } else { "NOT met" };
            let _ = writeln!(text, "goal: +20 points, {} <= {}: {:.1}, {verdict}", goal.what, goal.limit, goal.measured);
        }
        text
    }
}

fn heading(case: &Case) -> String {
    format!("+{} points, {} releases", case.points, case.rounds.len())
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
