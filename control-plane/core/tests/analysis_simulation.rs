//! The comparison with stable on simulated traffic: equal candidates are kept, bad ones are caught.
//!
//! Users make requests at Zipf rates and stay on their version. Only the first failure of a slot matters, so a user is one draw: the
//! time to their first failure, exponential with their rate of failing requests. Deterministic: the seed is fixed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may panic")]

use shunt_core::analysis::{Analyst, Arms, Judging, Outcome, Warmth};
use shunt_filter_core::policy::Range;
use shunt_filter_core::report::{EpochReport, SLOTS};
use shunt_spec::Span;
use shunt_spec::plan::metric::{Guard, Metric};

const USERS: usize = 5_000;
const REQUESTS_PER_SECOND: f64 = 100.0;
const SECONDS: u64 = 600;
/// Five percent, from slot 0.
const CANDIDATE_SLOTS: u16 = 500;

/// xorshift64* (Vigna, ACM Transactions on Mathematical Software 42(4), 2016).
struct Random(u64);

impl Random {
    /// 0 < u <= 1.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, n: u16) -> u16 {
        ((self.unit() * f64::from(n)) as u16).min(n - 1)
    }
}

struct World {
    random: Random,
    analyst: Analyst,
    epoch: u64,
    rates: Vec<f64>,
}

impl World {
    fn new(seed: u64) -> Self {
        let weights: Vec<f64> = (1..=USERS).map(|rank| 1.0 / rank as f64).collect();
        let total: f64 = weights.iter().sum();
        let rates = weights.iter().map(|weight| weight / total * REQUESTS_PER_SECOND).collect();
        Self { random: Random(seed), analyst: Analyst::default(), epoch: 0, rates }
    }

    /// One step of ten minutes with an evaluation each second; the second in which it failed. `errors` says which share of a user's
    /// requests fails, given whether they are the candidate's.
    fn run(&mut self, errors: impl Fn(&mut Random, bool) -> f64) -> Option<u64> {
        let mut failures: Vec<(u64, u16)> = Vec::new();
        for rate in &self.rates {
            let slot = self.random.below(SLOTS);
            let share = errors(&mut self.random, slot < CANDIDATE_SLOTS);
            let first = -self.random.unit().ln() / (rate * share);
            if first < SECONDS as f64 {
                failures.push((first as u64, slot));
            }
        }
        failures.sort_unstable();
        self.epoch += 1;
        let (candidate, stable) = ("v2".parse().unwrap(), "v1".parse().unwrap());
        let ranges = [Range { from: 0, to: u32::from(CANDIDATE_SLOTS) * 100, version: "v2".parse().unwrap() }];
        let arms = Arms { candidate: &candidate, stable: &stable, ranges: &ranges };
        let guard = Guard::ErrorsNoWorseThanStable;
        let metrics = [Metric { name: "errors".to_owned(), guard, min_samples: 100, warm_up: Span::default() }];
        let judging = Judging { metrics: &metrics, steps: 1, warmth: Warmth::Cold };
        let mut evidence = EpochReport { epoch: self.epoch, ..EpochReport::default() };
        // An evaluation without news changes nothing, so only seconds with failures are looked at.
        for batch in failures.chunk_by(|a, b| a.0 == b.0) {
            for (_, slot) in batch {
                evidence.failed.insert(*slot);
            }
            let verdicts = self.analyst.evaluate(judging, arms, &evidence);
            if verdicts[0].outcome == Outcome::Fail {
                return Some(batch[0].0 + 1);
            }
        }
        None
    }
}

/// One user in a hundred has 20 % errors of their own, at either version; the others 0.1 %. Tests that take requests as independent
/// abort 6.6 % of these.
#[test]
fn an_equal_candidate_is_kept_although_some_users_fail_a_lot() {
    let mut world = World::new(0x5EED_0001);
    let aborted = (0..300).filter(|_| world.run(|random, _| if random.unit() < 0.01 { 0.2 } else { 0.001 }).is_some()).count();
    assert!(aborted <= 6, "{aborted} of 300 equal candidates were aborted: more than 2 %");
}

/// The same traffic, and the candidate fails 20 points more often.
#[test]
fn twenty_points_are_caught_in_seconds() {
    let mut world = World::new(0x5EED_0002);
    let own = |random: &mut Random| if random.unit() < 0.01 { 0.2 } else { 0.001 };
    let mut seconds: Vec<u64> =
        (0..60).filter_map(|_| world.run(|random, candidate| own(random) + if candidate { 0.2 } else { 0.0 })).collect();
    assert_eq!(seconds.len(), 60, "all are caught");
    seconds.sort_unstable();
    assert!(seconds[30] <= 8, "median {} s", seconds[30]);
    assert!(seconds[59] <= 60, "slowest {} s", seconds[59]);
}

/// Two points: caught within the step nearly always, in a median below two minutes.
#[test]
fn two_points_are_caught_in_a_minute_or_two() {
    let mut world = World::new(0x5EED_0003);
    let mut seconds: Vec<u64> = (0..60).filter_map(|_| world.run(|_, candidate| if candidate { 0.021 } else { 0.001 })).collect();
    assert!(seconds.len() >= 57, "only {} of 60 are caught", seconds.len());
    seconds.sort_unstable();
    assert!(seconds[seconds.len() / 2] <= 120, "median {} s", seconds[seconds.len() / 2]);
}
