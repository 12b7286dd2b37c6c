//! A/B tests on simulated users: a winner is wrong as rarely as promised, real differences are found, and lost users are noticed.
//!
//! Users come evenly over the test; some reach a goal some time after they came. Deterministic: seeds are fixed.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may panic")]

use std::collections::BTreeMap;

use shunt_core::contest::{Contest, ContestOutcome, ExternalFigures, Figures, Unit, contest};
use shunt_filter_core::policy::{Goal, Range};
use shunt_filter_core::report::{CELLS, Cells, EpochReport};
use shunt_filter_core::{VersionName, Weight};
use shunt_spec::Span;
use shunt_spec::plan::external_metrics::{Connection, PrometheusSource, Source};
use shunt_spec::plan::{AbTestStep, Arm, ExternalGoal, FiguresAsked, OnWinner, TestGoal};

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

fn goal(name: &str) -> TestGoal {
    TestGoal::Counted(Goal { name: name.to_owned(), matches: Vec::new(), status: (200, 299), response_header: None })
}

/// v1 is stable; the arms v2, v3, ... have these shares of cells in percent.
struct Test {
    step: AbTestStep,
    ranges: Vec<Range>,
    /// Evaluations that pass at most until a goal is reached.
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

    fn evaluate(&self, evidence: &EpochReport) -> Contest {
        contest(&self.step, &self.ranges, &version("v1"), evidence, &BTreeMap::new())
    }

    /// 0 for v1, 1 for v2, ...
    fn arm_of(&self, cell: u32) -> usize {
        self.ranges.iter().position(|range| range.from <= cell * 10 && cell * 10 < range.to).map_or(0, |index| index + 1)
    }

    /// Plays `users` users with these rates, by arm and goal, and evaluates `evaluations` times: what was said, in order.
    fn play(&self, random: &mut Random, users: u32, evaluations: u32, rates: &[&[f64]]) -> Vec<Contest> {
        let mut evidence = EpochReport { epoch: 1, cells: Some(Cells::default()), ..EpochReport::default() };
        let mut pending: Vec<(u32, usize, u32)> = Vec::new();
        let mut said = Vec::new();
        for number in 0..evaluations {
            for _ in 0..users / evaluations {
                let cell = (random.unit() * f64::from(CELLS)) as u32;
                evidence.cells.as_mut().unwrap().insert(cell);
                for (goal, rate) in rates[self.arm_of(cell)].iter().enumerate() {
                    if random.unit() < *rate {
                        pending.push((number + (random.unit() * self.delay) as u32, goal, cell));
                    }
                }
            }
            for (_, goal, cell) in pending.extract_if(.., |(at, ..)| *at <= number) {
                evidence.goals.entry(self.step.goals[goal].name().to_owned()).or_default().insert(cell);
            }
            said.push(self.evaluate(&evidence));
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
        let said = test.evaluate(&evidence);
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
    let nothing = test.evaluate(&EpochReport::default());
    assert_eq!(nothing.outcome, ContestOutcome::NotEnoughData);
    assert_eq!(nothing.message, "not enough data: v1 has met 0 of the 100 users needed");
    assert_eq!(nothing.effects[0].value, "no users yet");
    // All users took part, none reached it: the interval is as wide as chance allows, not none.
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
    let said = test.evaluate(&evidence);
    let effect = &said.effects[0];
    assert_eq!((effect.value.as_str(), effect.baseline.as_str()), ("20 of 200 (10.0 %)", "10 of 200 (5.0 %)"));
    assert_eq!(format!("{:.1}", effect.difference), "5.0");
    assert!(effect.low < 0.0 && effect.high > 5.0, "{effect:?}");
    assert_eq!(said.message.split(" (").next().unwrap(), "not enough data to tell: buy: v2 20 of 200");
}

/// A test of v2 against v1, half and half, with a goal of this kind.
fn of_source(share: bool) -> Test {
    let mut test = Test::new(&[50], &[], NONE);
    let text = |what: &str| what.to_owned();
    let figures = match share {
        true => FiguresAsked::Share { users: text("u"), successes: text("s") },
        false => FiguresAsked::Mean { users: text("u"), mean: text("m"), variance: text("v") },
    };
    let connection = Connection { timeout: Span::seconds(10), ca_file: None };
    let (address, query) = (text("http://prometheus"), String::new());
    let source = Source::Prometheus(PrometheusSource { address, query, baseline: None, headers: Vec::new(), connection });
    let interval = Span::seconds(60);
    let goal = ExternalGoal { name: text("bought"), source, figures, interval, consecutive_error_limit: 2 };
    test.step.goals = vec![TestGoal::External(Box::new(goal))];
    test
}

/// Everybody who came so far, as the proxies report it: 500 cells of each.
fn met() -> EpochReport {
    let cells: Cells = (0..500).chain(60_000..60_500).collect();
    EpochReport { epoch: 1, cells: Some(cells), ..EpochReport::default() }
}

fn external(test: &Test, external: ExternalFigures) -> Contest {
    contest(&test.step, &test.ranges, &version("v1"), &met(), &BTreeMap::from([("bought".to_owned(), external)]))
}

fn figures(v1: Figures, v2: Figures) -> ExternalFigures {
    let mut external = ExternalFigures::default();
    external.take(Ok(BTreeMap::from([(version("v1"), v1), (version("v2"), v2)])));
    external
}

#[test]
fn a_source_decides_by_shares_of_users() {
    let test = of_source(true);
    let share = |users, successes| Figures::Share { users, successes };
    let won = external(&test, figures(share(5_000.0, 200.0), share(5_000.0, 300.0)));
    assert_eq!(won.outcome, ContestOutcome::Winner(version("v2")), "{}", won.message);
    assert_eq!(won.message, "v2 wins: bought: v2 300 of 5000 (6.0 %), +2.0 points (+0.7 to +3.3); stable 200 of 5000 (4.0 %)");
    let open = external(&test, figures(share(500.0, 20.0), share(500.0, 30.0)));
    assert_eq!(open.outcome, ContestOutcome::NotEnoughData, "{}", open.message);
    let few = external(&test, figures(share(500.0, 20.0), share(99.0, 30.0)));
    assert_eq!(few.message, "not enough data: bought: Prometheus knows 99 of the 100 users of v2 needed");
    let alike = Test { step: AbTestStep { negligible: Weight::ppm(20_000), ..test.step.clone() }, ..of_source(true) };
    let none = external(&alike, figures(share(20_000.0, 1_000.0), share(20_000.0, 1_003.0)));
    assert_eq!(none.outcome, ContestOutcome::NoDifference, "{}", none.message);
}

#[test]
fn a_source_decides_by_what_users_bring() {
    let test = of_source(false);
    let mean = |users, mean, variance| Figures::Mean { users, mean, variance };
    let won = external(&test, figures(mean(5_000.0, 12.0, 400.0), mean(5_000.0, 10.0, 400.0)));
    assert_eq!(won.outcome, ContestOutcome::Winner(version("v1")), "{}", won.message);
    assert_eq!(won.message, "v1 wins: bought: v2 10 (of 5000), -2 (-3.225 to -0.7754); stable 12 (of 5000)");
    assert_eq!(won.effects[0].unit, Unit::Value);
}

#[test]
fn a_source_that_is_down_is_never_a_winner() {
    let test = of_source(true);
    let mut source = figures(Figures::Share { users: 5_000.0, successes: 200.0 }, Figures::Share { users: 5_000.0, successes: 300.0 });
    for errors in 1..=2 {
        source.take(Err("no answer within 10s".to_owned()));
        let said = external(&test, source.clone());
        assert_eq!(said.outcome, ContestOutcome::NotEnoughData, "{errors} errors: {}", said.message);
        assert_eq!(said.message, "not enough data: bought: Prometheus could not be asked: no answer within 10s");
    }
    source.take(Err("no answer within 10s".to_owned()));
    let said = external(&test, source.clone());
    assert_eq!(said.outcome, ContestOutcome::SourceError, "{}", said.message);
    assert_eq!(said.message, "bought: Prometheus could not be asked 3 times in a row, 2 allowed: no answer within 10s");
    source.take(Ok(BTreeMap::new()));
    assert_eq!(external(&test, source).outcome, ContestOutcome::NotEnoughData, "it answers again, and knows no users yet");
}

#[test]
fn users_that_the_proxies_miss_are_noticed_whatever_the_source_says() {
    let test = of_source(true);
    let mut evidence = met();
    evidence.cells.as_mut().unwrap().union_with(&(500..1_000).collect());
    let source = figures(Figures::Share { users: 5_000.0, successes: 200.0 }, Figures::Share { users: 5_000.0, successes: 300.0 });
    let said = contest(&test.step, &test.ranges, &version("v1"), &evidence, &BTreeMap::from([("bought".to_owned(), source)]));
    assert_eq!(said.outcome, ContestOutcome::SampleRatioMismatch, "{}", said.message);
}

/// Shares of 2 %, and sums that a few users make: 20 evaluations, from 200 users on.
#[test]
fn equal_versions_have_a_winner_by_a_source_as_rarely_as_promised() {
    let mut random = Random(0x5EED_1009);
    for share in [true, false] {
        let test = of_source(share);
        let mut brings = || match share {
            true => f64::from(random.unit() < 0.02),
            // One in ten buys, for an amount with a long tail.
            false if random.unit() < 0.1 => (2.0 * (random.unit() + random.unit() + random.unit() - 1.5)).exp() * 20.0,
            false => 0.0,
        };
        let mut wrong = 0;
        for _ in 0..400 {
            let mut sums = [(0.0, 0.0, 0.0); 2];
            let won = (0..20).any(|_| {
                for sum in &mut sums {
                    for value in (0..100).map(|_| brings()) {
                        *sum = (sum.0 + 1.0, sum.1 + value, sum.2 + value * value);
                    }
                }
                let of = |(n, sum, squares): (f64, f64, f64)| match share {
                    true => Figures::Share { users: n, successes: sum },
                    false => Figures::Mean { users: n, mean: sum / n, variance: (squares - sum * sum / n) / (n - 1.0) },
                };
                matches!(external(&test, figures(of(sums[0]), of(sums[1]))).outcome, ContestOutcome::Winner(_))
            });
            wrong += u32::from(won);
        }
        // 5 % of 400 are 20, and 30 or more have a probability of 2 %.
        assert!(wrong <= 29, "{wrong} of 400 tests of equal versions had a winner (shares: {share})");
    }
}

#[test]
fn a_lift_by_a_source_is_found() {
    let mut random = Random(0x5EED_100A);
    let test = of_source(true);
    let mut found = 0;
    for _ in 0..100 {
        let mut reached = [0.0, 0.0];
        let won = (1..=20).any(|evaluation| {
            for (reached, rate) in reached.iter_mut().zip([0.05, 0.07]) {
                *reached += (0..300).filter(|_| random.unit() < rate).count() as f64;
            }
            let of = |successes| Figures::Share { users: f64::from(evaluation) * 300.0, successes };
            external(&test, figures(of(reached[0]), of(reached[1]))).outcome == ContestOutcome::Winner(version("v2"))
        });
        found += u32::from(won);
    }
    assert!(found >= 80, "5 % to 7 % with 6,000 users each: found in {found} of 100");
}
