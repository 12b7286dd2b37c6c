//! A/B tests on simulated users: a winner is wrong as rarely as promised, real differences are found, and lost users are noticed.
//!
//! Users come evenly over the test; some reach a goal some time after they came. Deterministic: seeds are fixed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may panic")]

use shunt_core::contest::{Contest, ContestOutcome, contest};
use shunt_core::plan::{AbTestStep, Arm, OnWinner};
use shunt_filter_core::policy::{Goal, Range};
use shunt_filter_core::report::{CELLS, Cells, EpochReport};
use shunt_filter_core::{VersionName, Weight};

/// xorshift64* (Vigna, ACM Transactions on Mathematical Software 42(4), 2016).
struct Random(u64);

impl Random {
    /// 0 <= u < 1.
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn version(name: &str) -> VersionName {
    name.parse().unwrap()
}

fn goal(name: &str) -> Goal {
    Goal { name: name.to_owned(), matches: Vec::new(), status: (200, 299), response_header: None }
}

/// v1 is stable; the arms v2, v3, ... have these shares of cells in percent.
struct Test {
    step: AbTestStep,
    ranges: Vec<Range>,
    /// Looks that pass at most until a goal is reached.
    delay: f64,
}

impl Test {
    fn new(shares: &[u32], goals: &[&str], negligible: Weight) -> Self {
        let mut at = 0;
        let mut ranges = Vec::new();
        let mut arms = Vec::new();
        for (index, share) in shares.iter().enumerate() {
            let version = version(&format!("v{}", index + 2));
            ranges.push(Range { from: at, to: at + share * 10_000, version: version.clone() });
            arms.push(Arm { version, weight: Weight::ppm(share * 10_000) });
            at += share * 10_000;
        }
        let step = AbTestStep {
            arms,
            matches: Vec::new(),
            goals: goals.iter().map(|name| goal(name)).collect(),
            duration: None,
            until_significant: true,
            on_winner: OnWinner::Ask,
            negligible,
        };
        Self { step, ranges, delay: 3.0 }
    }

    fn look(&self, evidence: &EpochReport) -> Contest {
        contest(&self.step, &self.ranges, &version("v1"), evidence)
    }

    /// 0 for v1, 1 for v2, ...
    fn arm_of(&self, cell: u32) -> usize {
        self.ranges.iter().position(|range| range.from <= cell * 10 && cell * 10 < range.to).map_or(0, |index| index + 1)
    }

    /// Plays `users` users with these rates, by arm and goal, and looks `looks` times: what was said, in order.
    fn play(&self, random: &mut Random, users: u32, looks: u32, rates: &[&[f64]]) -> Vec<Contest> {
        let mut evidence = EpochReport { epoch: 1, cells: Some(Cells::default()), ..EpochReport::default() };
        let mut pending: Vec<(u32, usize, u32)> = Vec::new();
        let mut said = Vec::new();
        for look in 0..looks {
            for _ in 0..users / looks {
                let cell = (random.unit() * f64::from(CELLS)) as u32;
                evidence.cells.as_mut().unwrap().insert(cell);
                for (goal, rate) in rates[self.arm_of(cell)].iter().enumerate() {
                    if random.unit() < *rate {
                        pending.push((look + (random.unit() * self.delay) as u32, goal, cell));
                    }
                }
            }
            for (_, goal, cell) in pending.extract_if(.., |(at, ..)| *at <= look) {
                evidence.goals.entry(self.step.goals[goal].name.clone()).or_default().insert(cell);
            }
            said.push(self.look(&evidence));
        }
        said
    }
}

fn ever(said: &[Contest], outcome: impl Fn(&ContestOutcome) -> bool) -> bool {
    said.iter().any(|contest| outcome(&contest.outcome))
}

fn wins(name: &str) -> impl Fn(&ContestOutcome) -> bool {
    let winner = ContestOutcome::Winner(version(name));
    move |outcome| *outcome == winner
}

const NONE: Weight = Weight::ZERO;

#[test]
fn equal_versions_have_a_winner_as_rarely_as_promised() {
    let mut random = Random(0x5EED_1001);
    for (shares, goals) in [(&[50][..], &["buy"][..]), (&[30, 30], &["buy", "stay"])] {
        let test = Test::new(shares, goals, NONE);
        let rates = vec![&[0.05, 0.4][..goals.len()]; shares.len() + 1];
        let said = |random: &mut Random| test.play(random, 4_000, 10, &rates);
        let any = |contest: &ContestOutcome| matches!(contest, ContestOutcome::Winner(_) | ContestOutcome::SampleRatioMismatch);
        let wrong = (0..120).filter(|_| ever(&said(&mut random), any)).count();
        // 5 % of 120 are 6, and 12 or more have a probability of 2 %.
        assert!(wrong <= 11, "{wrong} of 120 tests of equal versions had a winner, or a mismatch");
    }
}

#[test]
fn a_real_lift_wins() {
    let mut random = Random(0x5EED_1002);
    let test = Test::new(&[50], &["buy"], NONE);
    let won = (0..40).filter(|_| ever(&test.play(&mut random, 12_000, 10, &[&[0.05], &[0.07]]), wins("v2"))).count();
    assert!(won >= 32, "5 % to 7 % with 6,000 users each: found in {won} of 40");
    let lost = (0..40).filter(|_| ever(&test.play(&mut random, 12_000, 10, &[&[0.07], &[0.05]]), wins("v1"))).count();
    assert!(lost >= 32, "stable can win too: {lost} of 40");
}

#[test]
fn the_interval_holds_the_true_difference_at_every_look() {
    let mut random = Random(0x5EED_1003);
    // Goals are reached at once: with a delay the rate so far is lower than it will be.
    let test = Test { delay: 0.0, ..Test::new(&[20], &["buy"], NONE) };
    // The last with a user in most cells.
    for (users, control, arm, runs) in [(4_000, 0.05, 0.07, 60), (4_000, 0.4, 0.5, 60), (100_000, 0.03, 0.05, 5)] {
        let missed = (0..runs)
            .filter(|_| {
                let said = test.play(&mut random, users, 10, &[&[control], &[arm]]);
                said.iter().any(|contest| {
                    let effect = &contest.effects[0];
                    effect.low > 100.0 * (arm - control) || effect.high < 100.0 * (arm - control)
                })
            })
            .count();
        assert!(missed * 20 <= runs, "{missed} of {runs} intervals missed {control} to {arm}");
    }
}

#[test]
fn no_difference_is_said_when_every_interval_is_negligible() {
    let mut random = Random(0x5EED_1004);
    let test = Test::new(&[50], &["buy"], Weight::ppm(20_000));
    let last = test.play(&mut random, 20_000, 10, &[&[0.05], &[0.05]]).pop().unwrap();
    assert_eq!(last.outcome, ContestOutcome::NoDifference, "{}", last.message);
    assert!(last.message.starts_with("no difference above 2 points: buy: v2 "), "{}", last.message);
    let strict = Test::new(&[50], &["buy"], NONE).play(&mut random, 20_000, 10, &[&[0.05], &[0.05]]).pop().unwrap();
    assert_eq!(strict.outcome, ContestOutcome::NotEnoughData, "{}", strict.message);
}

/// A version that loses one request in ten before it is counted.
#[test]
fn lost_users_are_noticed() {
    let test = Test::new(&[50], &["buy"], NONE);
    let mut random = Random(0x5EED_1005);
    let found = (0..10).filter(|_| {
        let mut evidence = EpochReport { epoch: 1, cells: Some(Cells::default()), ..EpochReport::default() };
        for _ in 0..20_000 {
            let cell = (random.unit() * f64::from(CELLS)) as u32;
            if test.arm_of(cell) == 0 || random.unit() > 0.1 {
                evidence.cells.as_mut().unwrap().insert(cell);
            }
        }
        let said = test.look(&evidence);
        said.outcome == ContestOutcome::SampleRatioMismatch && said.message.starts_with("sample ratio mismatch: of about 1")
    });
    assert_eq!(found.count(), 10);
}

#[test]
fn a_winner_must_not_be_worse_in_the_other_goals() {
    let mut random = Random(0x5EED_1006);
    let test = Test::new(&[50], &["buy", "stay"], NONE);
    let last = test.play(&mut random, 20_000, 10, &[&[0.05, 0.4], &[0.08, 0.3]]).pop().unwrap();
    assert_eq!(last.outcome, ContestOutcome::NoDifference, "{}", last.message);
    assert!(last.message.starts_with("no winner: buy: v2 ") && last.message.contains("; v2 is worse in stay, -"), "{}", last.message);
    // Another arm that is not worse there may win.
    let test = Test::new(&[33, 33], &["buy", "stay"], NONE);
    let last = test.play(&mut random, 30_000, 10, &[&[0.05, 0.4], &[0.10, 0.3], &[0.08, 0.4]]).pop().unwrap();
    assert!(wins("v3")(&last.outcome), "{}", last.message);
    assert_eq!(last.effects.len(), 4);
}

#[test]
fn a_winner_beats_every_other_arm() {
    let mut random = Random(0x5EED_1007);
    let test = Test::new(&[33, 33], &["buy"], NONE);
    let said = test.play(&mut random, 30_000, 10, &[&[0.05], &[0.08], &[0.08]]);
    assert!(!ever(&said, |outcome| matches!(outcome, ContestOutcome::Winner(_))), "two are as good: neither wins");
    let said = test.play(&mut random, 30_000, 10, &[&[0.05], &[0.06], &[0.10]]);
    assert!(ever(&said, wins("v3")), "{}", said.last().unwrap().message);
}

#[test]
fn too_little_says_so() {
    let test = Test::new(&[50], &["buy"], NONE);
    let nothing = test.look(&EpochReport::default());
    assert_eq!(nothing.outcome, ContestOutcome::NotEnoughData);
    assert_eq!(nothing.message, "not enough data: v1 has met 0 of the 100 users needed");
    assert_eq!(nothing.effects[0].value, "nobody yet");
    // Everybody met, nobody reached it: the interval is as wide as chance allows, not none.
    let mut random = Random(0x5EED_1008);
    let none = test.play(&mut random, 2_000, 1, &[&[0.0], &[0.0]]).pop().unwrap();
    assert_eq!(none.outcome, ContestOutcome::NotEnoughData);
    assert!(none.effects[0].high > 0.5 && none.effects[0].low < -0.5, "{:?}", none.effects[0]);
}

#[test]
fn one_user_is_counted_once_and_other_versions_never() {
    let test = Test::new(&[50], &["buy"], NONE);
    let mut evidence = EpochReport { epoch: 1, cells: Some((0..200).chain(60_000..60_200).collect()), ..EpochReport::default() };
    evidence.goals.insert("buy".to_owned(), (0..20).chain(60_000..60_010).collect());
    evidence.goals.insert("other".to_owned(), (0..200).collect());
    let said = test.look(&evidence);
    let effect = &said.effects[0];
    assert_eq!((effect.value.as_str(), effect.baseline.as_str()), ("20 of 200 (10.0 %)", "10 of 200 (5.0 %)"));
    assert_eq!(format!("{:.1}", effect.difference), "5.0");
    assert!(effect.low < 0.0 && effect.high > 5.0, "{effect:?}");
    assert_eq!(said.message.split(" (").next().unwrap(), "not enough data to tell: buy: v2 20 of 200");
}
