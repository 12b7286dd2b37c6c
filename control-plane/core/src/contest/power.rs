//! What an A/B test will be able to tell, before any user takes part.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shunt_filter_core::policy::Range;
use shunt_filter_core::report::CELLS;
use shunt_filter_core::{VersionName, Weight};
use shunt_spec::plan::{AbTestStep, FiguresAsked, TestGoal};

use super::external::Figures;
use super::participants::{POINTS_PER_CELL, Participants, Reached, cells};
use super::sequential_multinomial::Draws;
use super::{Contest, decision, effect, lift};

/// Differences that are tried, percentage points.
const POINTS: [f64; 18] = [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0];

/// Nine of ten standard normal values are above minus this.
const NINE_OF_TEN: f64 = 1.281_551_565_544_6;

/// The smallest difference in the first goal that a test tells from none, when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tells {
    /// So many percentage points more users reach it: detected in 9 of 10 tests.
    Points(f64),
    /// Not even a version of which everybody reaches it.
    Nothing,
    /// That depends on the variance of what the goal's source measures.
    Variance,
}

/// Who takes part until some moment, and how many of them reach each goal, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// Users of all versions together.
    pub(crate) users: f64,
    /// Share that reaches each goal at stable.
    pub(crate) rate: f64,
}

/// How the test stands when all versions are alike.
pub(crate) fn alike(test: &AbTestStep, ranges: &[Range], stable: &VersionName, sample: Sample) -> Contest {
    let versions = std::iter::once(stable).chain(test.against(stable).map(|arm| &arm.version));
    let participants: Vec<Participants<'_>> = versions
        .map(|version| {
            let of = cells(ranges, stable, version);
            let users = sample.users * of as f64 / f64::from(CELLS);
            Participants {
                version,
                met: filled(of, users),
                reached: test.goals.iter().map(|goal| reached(goal, of, users, users * sample.rate)).collect(),
            }
        })
        .collect();
    let effects = effect::effects(test, &participants);
    let (outcome, message) = decision::decide(test, &participants, &effects, &BTreeMap::new());
    Contest { outcome, message, effects }
}

/// What the test tells of its smallest arm against stable, with these users in all.
///
/// One test stands for many: the difference falls short of the true one by as much as it does in one of ten (rates of users that are
/// independent of each other, normal approximation), and the test that judges real ones is asked about that.
pub(crate) fn tells(test: &AbTestStep, stable: &VersionName, sample: Sample) -> Tells {
    let Some((goal, arm)) = test.goals.first().zip(test.against(stable).min_by_key(|arm| arm.weight)) else { return Tells::Nothing };
    if matches!(goal, TestGoal::External(goal) if matches!(goal.figures, FiguresAsked::Mean { .. })) {
        return Tells::Variance;
    }
    let taken = test.against(stable).fold(0, |sum: u32, arm| sum.saturating_add(arm.weight.points()));
    let rest = Weight::ppm(Weight::ALL.points().saturating_sub(taken));
    let alpha = effect::alpha(test, test.against(stable).count().saturating_add(1));
    let detected = |more: &f64| {
        let (one, other) = unlucky(share(arm.weight, sample), share(rest, sample), sample.rate, more / 100.0);
        let participants = |version, weight: Weight, hits| {
            let of = u64::from(weight.points().div_euclid(POINTS_PER_CELL));
            let users = share(weight, sample);
            Participants { version, met: filled(of, users), reached: vec![reached(goal, of, users, hits)] }
        };
        lift::better(&participants(&arm.version, arm.weight, one), &participants(stable, rest, other), 0, alpha)
    };
    let possible = |more: &&f64| sample.rate + **more / 100.0 <= 1.0;
    POINTS.iter().filter(possible).find(|more| detected(more)).map_or(Tells::Nothing, |more| Tells::Points(*more))
}

/// Users of so many percent.
fn share(weight: Weight, sample: Sample) -> f64 {
    sample.users * weight.as_percent() / 100.0
}

/// Users of either side who reach the goal when the difference is `more`, and looks as small as it does in one of ten tests.
fn unlucky(users: f64, of_control: f64, rate: f64, more: f64) -> (f64, f64) {
    let variance = |users: f64, rate: f64| rate * (1.0 - rate) / users.max(1.0);
    let (one, other) = (variance(users, rate + more), variance(of_control, rate));
    let short = NINE_OF_TEN / (one + other).sqrt().max(f64::MIN_POSITIVE);
    let hits = |users: f64, rate: f64| users * rate.clamp(0.0, 1.0);
    (hits(users, rate + more - short * one), hits(of_control, rate + short * other))
}

/// Cells with a user in them, when so many users fall into cells at random.
fn filled(of: u64, users: f64) -> Draws {
    let cells = of as f64;
    Draws { of, drawn: if of == 0 { 0 } else { (-cells * (-users / cells).exp_m1()).round() as u64 } }
}

fn reached(goal: &TestGoal, of: u64, users: f64, hits: f64) -> Reached {
    match goal {
        TestGoal::Counted(_) => Reached::Cells(filled(of, hits)),
        TestGoal::External(goal) => Reached::External(Some(match goal.figures {
            FiguresAsked::Share { .. } => Figures::Share { users, successes: hits },
            FiguresAsked::Mean { .. } => Figures::Mean { users, mean: 1.0, variance: 1.0 },
        })),
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::contest::ContestOutcome;
    use shunt_filter_core::policy::Goal;
    use shunt_spec::plan::{Arm, OnWinner};
    use test_case::test_case;

    fn half(negligible: u32) -> AbTestStep {
        let goal = Goal { name: "purchase".to_owned(), matches: Vec::new(), status: (200, 299), response_header: None };
        AbTestStep {
            arms: vec![Arm { version: "v2".parse().unwrap(), weight: Weight::ppm(500_000) }],
            matches: Vec::new(),
            goals: vec![TestGoal::Counted(goal)],
            duration: None,
            until_significant: true,
            on_winner: OnWinner::Ask,
            negligible: Weight::ppm(negligible),
        }
    }

    /// 10 % against 12 % take a test that looks once 5,100 users a side to tell in 9 of 10 (two-sided, 5 %). One that may look all the
    /// time takes about twice as many.
    #[test_case(500.0, Tells::Points(20.0))]
    #[test_case(10_200.0, Tells::Points(3.0))]
    #[test_case(24_000.0, Tells::Points(2.0))]
    #[test_case(200_000.0, Tells::Points(1.0))]
    #[test_case(30.0, Tells::Nothing)]
    fn more_users_tell_more(users: f64, expected: Tells) {
        assert_eq!(tells(&half(0), &"v1".parse().unwrap(), Sample { users, rate: 0.1 }), expected);
    }

    #[test_case(50.0, "not enough data: v1 has met 25 of the 100 users needed")]
    #[test_case(5_000.0, "not enough data to tell")]
    #[test_case(500_000.0, "no difference above 2 points")]
    fn equal_versions_never_win(users: f64, expected: &str) {
        let (v1, v2): (VersionName, VersionName) = ("v1".parse().unwrap(), "v2".parse().unwrap());
        let ranges = [Range { from: 0, to: 500_000, version: v2 }];
        let Contest { outcome, message, .. } = alike(&half(20_000), &ranges, &v1, Sample { users, rate: 0.1 });
        assert!(message.starts_with(expected), "{message}");
        assert_eq!(outcome == ContestOutcome::NoDifference, users > 100_000.0);
    }
}
