//! Medians, ratios with their spread, goals.

use std::fmt::Write as _;

use serde::Serialize;

use super::Options;
use super::measure::Bench;
use super::memory::Memory;
use super::variant::{Behind, Variant};

/// The benchmark's result.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    rounds: usize,
    seconds_per_round: u64,
    cores: usize,
    load: &'static str,
    /// With the sample shop behind.
    upstream: Vec<Row>,
    /// Envoy answers itself: the floor.
    direct_response: Vec<Row>,
    /// Anonymous memory.
    memory: Memory,
    goals: Vec<Goal>,
}

/// One variant.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    variant: &'static str,
    /// Envoy's CPU per request, microseconds.
    cpu_us: Spread,
    to_noop: Spread,
    to_lua: Spread,
    /// To the same by the module of another build.
    #[serde(skip_serializing_if = "Option::is_none")]
    to_before: Option<Spread>,
}

/// Median and quartiles.
#[derive(Debug, Clone, Copy, Serialize)]
struct Spread {
    median: f64,
    q1: f64,
    q3: f64,
}

/// What should not be exceeded, with the shop behind: a ratio, or MB.
#[derive(Debug, Clone, Serialize)]
struct Goal {
    what: &'static str,
    limit: f64,
    measured: f64,
    met: bool,
}

impl Figures {
    pub(super) fn of(benches: &[Bench], memory: Memory, options: &Options) -> Self {
        let behind = |wanted: fn(Behind) -> bool| -> Vec<&Bench> { benches.iter().filter(|bench| wanted(bench.behind())).collect() };
        let upstream = rows(&behind(|behind| matches!(behind, Behind::Shop(_))));
        let direct_response = rows(&behind(|behind| behind == Behind::Nothing));
        Self {
            rounds: options.rounds,
            seconds_per_round: options.seconds,
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            load: if std::process::Command::new("wrk").arg("-v").output().is_ok() { "wrk" } else { "own" },
            goals: goals(&upstream, &memory),
            upstream,
            direct_response,
            memory,
        }
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut text = format!(
            "Envoy's CPU per request, one worker, median of {} rounds of {} s (quartiles in brackets), load by {}, {} cores\n",
            self.rounds, self.seconds_per_round, self.load, self.cores
        );
        for (title, rows) in [("with a real upstream on loopback", &self.upstream), ("direct response (the floor)", &self.direct_response)]
        {
            let _ = writeln!(text, "\n{title:<34} {:>24} {:>22} {:>22}", "us per request", "x no-op", "x Lua");
            for row in rows {
                let (cpu, noop, lua) = (row.cpu_us.micros(), row.to_noop.ratio(), row.to_lua.ratio());
                let _ = write!(text, "  {:<32} {cpu:>24} {noop:>22} {lua:>22}", row.variant);
                let _ = match row.to_before {
                    Some(before) => writeln!(text, "   x before {}", before.ratio()),
                    None => writeln!(text),
                };
            }
        }
        text.push_str(&self.memory.table());
        text.push('\n');
        for goal in &self.goals {
            let word = if goal.met { "met" } else { "missed" };
            let _ = writeln!(text, "goal {word}: {}: {:.3} (at most {:.2})", goal.what, goal.measured, goal.limit);
        }
        text
    }
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| -> f64 {
            let place = share * (values.len().max(1) - 1) as f64;
            let (low, high) = (place.floor() as usize, place.ceil() as usize);
            let value = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
            value(low) + (value(high) - value(low)) * place.fract()
        };
        Self { median: at(0.5), q1: at(0.25), q3: at(0.75) }
    }

    fn micros(self) -> String {
        format!("{:.2} [{:.2} {:.2}]", self.median, self.q1, self.q3)
    }

    fn ratio(self) -> String {
        format!("{:.3} [{:.3} {:.3}]", self.median, self.q1, self.q3)
    }
}

fn rows(benches: &[&Bench]) -> Vec<Row> {
    let mut benches = benches.to_vec();
    benches.sort_by_key(|bench| bench.variant());
    let row = |bench: &&Bench| Row {
        variant: bench.name(),
        cpu_us: Spread::of(bench.samples().iter().map(|(_, micros)| *micros).collect()),
        to_noop: ratio(bench, &benches, Variant::Noop),
        to_lua: ratio(bench, &benches, Variant::Lua),
        to_before: bench.variant().before().map(|before| ratio(bench, &benches, before)).filter(|to| !to.median.is_nan()),
    };
    benches.iter().map(row).collect()
}

/// To another variant, round by round.
fn ratio(bench: &Bench, all: &[&Bench], to: Variant) -> Spread {
    let base = all.iter().find(|other| other.variant() == to).map_or(&[][..], |other| other.samples());
    let pairs = bench.samples().iter().filter_map(|(round, micros)| {
        let (_, base) = base.iter().find(|(other, _)| other == round)?;
        Some(micros / base)
    });
    Spread::of(pairs.collect())
}

fn goals(rows: &[Row], memory: &Memory) -> Vec<Goal> {
    let row = |variant: Variant| rows.iter().find(|row| row.variant == variant.name());
    let goal = |what, variant, lua: bool, limit| {
        let row = row(variant)?;
        let measured = if lua { row.to_lua.median } else { row.to_noop.median };
        Some(Goal { what, limit, measured, met: measured <= limit })
    };
    let before = |what, variant| {
        let measured = row(variant)?.to_before?.median;
        Some(Goal { what, limit: 1.03, measured, met: measured <= 1.03 })
    };
    let memory = memory.above_noop(Variant::Rollout);
    let all = [
        goal("Shunt without a policy for the host, to a no-op", Variant::NoPolicy, false, 1.05),
        goal("Shunt with one rollout, to a no-op", Variant::Rollout, false, 1.15),
        goal("Shunt with one rollout, to Lua", Variant::Rollout, true, 1.05),
        before("Shunt without a policy for the host, to the module before", Variant::NoPolicy),
        before("Shunt with one rollout, to the module before", Variant::Rollout),
        memory.map(|measured| Goal { what: "Shunt with one rollout, MB more than a no-op", limit: 4.0, measured, met: measured <= 4.0 }),
    ];
    all.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn median_and_quartiles() {
        let spread = Spread::of(vec![4.0, 1.0, 3.0, 2.0, 5.0]);
        assert_eq!((spread.q1, spread.median, spread.q3), (2.0, 3.0, 4.0));
        assert!(Spread::of(Vec::new()).median.is_nan());
    }
}
