//! Properties of `reshape`: what moves is the least possible, and what results is a split that stays small.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may panic")]

use proptest::prelude::*;
use shunt_core::ranges::reshape;
use shunt_filter_core::policy::Range;
use shunt_filter_core::weight::POINTS;
use shunt_filter_core::{VersionName, Weight};

/// Points of each of N versions; what is missing to [`POINTS`] belongs to no version.
type Weights = Vec<u32>;

fn version(index: usize) -> VersionName {
    format!("v{}", index + 1).parse().unwrap()
}

fn named(weights: &Weights) -> Vec<(VersionName, Weight)> {
    weights.iter().enumerate().map(|(index, points)| (version(index), Weight::ppm(*points))).collect()
}

fn range(from: u32, to: u32, index: usize) -> Range {
    Range { from, to, version: version(index) }
}

/// The owner of each elementary interval of both splits, with its length.
fn compared<'a>(a: &'a [Range], b: &'a [Range]) -> Vec<(u32, Option<&'a VersionName>, Option<&'a VersionName>)> {
    let mut edges: Vec<u32> = a.iter().chain(b).flat_map(|r| [r.from, r.to]).chain([0, POINTS]).collect();
    edges.sort_unstable();
    edges.dedup();
    let owner = |ranges: &'a [Range], point: u32| ranges.iter().find(|r| r.from <= point && point < r.to).map(|r| &r.version);
    edges.windows(2).map(|w| (w[1] - w[0], owner(a, w[0]), owner(b, w[0]))).collect()
}

fn moved(a: &[Range], b: &[Range]) -> u32 {
    compared(a, b).iter().filter(|(_, old, new)| old != new).map(|(len, ..)| len).sum()
}

fn left_over(weights: &Weights) -> u32 {
    POINTS - weights.iter().sum::<u32>()
}

/// The least that any assignment could move: what its getters gain.
fn least(old: &Weights, new: &Weights) -> u32 {
    let gains = old.iter().zip(new).map(|(o, n)| n.saturating_sub(*o)).sum::<u32>();
    gains + left_over(new).saturating_sub(left_over(old))
}

fn points_of(ranges: &[Range], index: usize) -> u32 {
    ranges.iter().filter(|r| r.version == version(index)).map(|r| r.to - r.from).sum()
}

fn segments(ranges: &[Range]) -> usize {
    let edges: std::collections::BTreeSet<u32> = ranges.iter().flat_map(|r| [r.from, r.to]).chain([0, POINTS]).collect();
    edges.len() - 1
}

/// Which version follows which; none: no version.
fn outline(ranges: &[Range]) -> Vec<Option<&VersionName>> {
    let mut owners: Vec<_> = compared(ranges, ranges).into_iter().map(|(_, owner, _)| owner).collect();
    owners.dedup();
    owners
}

fn check_shape(ranges: &[Range], weights: &Weights) {
    assert!(ranges.iter().all(|r| r.from < r.to && r.to <= POINTS), "{ranges:?}");
    assert!(ranges.windows(2).all(|w| w[0].to <= w[1].from), "not disjoint and ascending: {ranges:?}");
    assert!(ranges.windows(2).all(|w| w[0].to < w[1].from || w[0].version != w[1].version), "not joined: {ranges:?}");
    for (index, points) in weights.iter().enumerate() {
        assert_eq!(points_of(ranges, index), *points, "weight of v{}: {ranges:?}", index + 1);
    }
    assert_eq!(ranges.iter().map(|r| r.to - r.from).sum::<u32>(), weights.iter().sum::<u32>(), "others have points: {ranges:?}");
    let bound = match weights.len() {
        1 => 2,
        2 => 4,
        n => (n + 1) * (n + 1),
    };
    assert!(segments(ranges) <= bound, "{} segments for {} versions: {ranges:?}", segments(ranges), weights.len());
}

/// One change of weights.
#[derive(Debug, Clone)]
enum Change {
    /// All anew: these shares of what the last one, which stands for no version, leaves.
    All(Vec<u32>),
    /// Points from one to another; owner N is no version.
    Move { from: usize, to: usize, points: u32 },
    /// All that one has, to another.
    Merge { from: usize, to: usize },
}

fn apply(weights: &Weights, change: &Change, unit: u32) -> Weights {
    let n = weights.len();
    let mut all: Vec<u32> = weights.iter().copied().chain([left_over(weights)]).collect();
    let (from, to, points) = match change {
        Change::All(shares) => {
            let total = u64::from(shares.iter().sum::<u32>().max(1));
            let share = |s: &u32| (u64::from(*s) * u64::from(POINTS / unit) / total) as u32 * unit;
            return shares.iter().take(n).map(share).collect();
        }
        Change::Move { from, to, points } => (from % (n + 1), to % (n + 1), points * unit),
        Change::Merge { from, to } => (from % (n + 1), to % (n + 1), POINTS),
    };
    let points = points.min(all[from]);
    all[from] -= points;
    all[to] += points;
    all.truncate(n);
    all
}

fn change() -> impl Strategy<Value = Change> {
    let owner = || 0..9_usize;
    prop_oneof![
        1 => proptest::collection::vec(0..1_000_u32, 9).prop_map(Change::All),
        3 => (owner(), owner(), 1..40_u32).prop_map(|(from, to, points)| Change::Move { from, to, points }),
        2 => (owner(), owner(), 1..4_000_u32).prop_map(|(from, to, points)| Change::Move { from, to, points }),
        1 => (owner(), owner()).prop_map(|(from, to)| Change::Merge { from, to }),
    ]
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    proptest::collection::vec(change(), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn moves_the_least_and_stays_small(n in 1..=8_usize, unit in prop_oneof![Just(100_u32), Just(1), Just(37)], changes in changes()) {
        let (mut weights, mut ranges) = (vec![0; n], Vec::new());
        for change in &changes {
            let next = apply(&weights, change, unit);
            let reshaped = reshape(&ranges, &named(&next));
            check_shape(&reshaped, &next);
            prop_assert_eq!(moved(&ranges, &reshaped), least(&weights, &next), "{:?} -> {:?}", ranges, reshaped);
            if unit == 100 {
                prop_assert!(reshaped.iter().all(|r| r.from % 100 == 0 && r.to % 100 == 0), "cut slots: {:?}", reshaped);
            }
            prop_assert_eq!(&reshape(&ranges, &named(&next)), &reshaped, "not deterministic");
            prop_assert_eq!(&reshape(&reshaped, &named(&next)), &reshaped, "no change of weights, no change of ranges");
            (weights, ranges) = (next, reshaped);
        }
    }

    #[test]
    fn a_raise_moves_keys_only_into_the_raised_version(n in 2..=8_usize, changes in changes(), raised in 0..8_usize, shares in proptest::collection::vec(0..=100_u32, 9)) {
        let (mut weights, mut ranges) = (vec![0; n], Vec::new());
        for change in &changes {
            weights = apply(&weights, change, 100);
            ranges = reshape(&ranges, &named(&weights));
        }
        // All other versions keep a share of what they have, and what no version has shrinks too: what they lose is the raise.
        let raised = raised % n;
        let mut next: Weights = weights.iter().zip(&shares).map(|(points, keep)| points / 100 * keep).collect();
        let kept = left_over(&weights) / 100 * shares[8];
        next[raised] = 0;
        next[raised] = POINTS - kept - next.iter().sum::<u32>();
        let reshaped = reshape(&ranges, &named(&next));
        for (_, old, new) in compared(&ranges, &reshaped) {
            prop_assert!(old == new || new == Some(&version(raised)), "{:?} -> {:?}", old, new);
        }
        // And an abort of it leaves no key there, and moves no other.
        next[raised] = 0;
        let aborted = reshape(&reshaped, &named(&next));
        for (_, old, new) in compared(&reshaped, &aborted) {
            prop_assert!(new != Some(&version(raised)));
            prop_assert!(old == new || (old == Some(&version(raised)) && new.is_none()), "{:?} -> {:?}", old, new);
        }
    }

    #[test]
    fn users_of_a_canary_are_a_function_of_its_weight(weights in proptest::collection::vec(prop_oneof![3 => 0..=POINTS, 1 => Just(POINTS), 1 => Just(0)], 1..30)) {
        let mut ranges = Vec::new();
        for points in weights {
            ranges = reshape(&ranges, &[(version(0), Weight::ppm(points))]);
            let expected = if points == 0 { Vec::new() } else { vec![range(0, points, 0)] };
            prop_assert_eq!(&ranges, &expected);
        }
    }

    #[test]
    fn two_versions_beside_stable_lose_the_last_ones_in(weights in proptest::collection::vec((0..=500_000_u32, 0..=500_000_u32), 2..30)) {
        // Each trades with stable only, so each is monotone: at a lower weight its users are a subset of those at a higher one.
        let mut ranges = Vec::new();
        for (first, second) in weights {
            ranges = reshape(&ranges, &named(&vec![first.max(1), ranges.iter().filter(|r: &&Range| r.version == version(1)).map(|r| r.to - r.from).sum()]));
            ranges = reshape(&ranges, &named(&vec![first.max(1), second.max(1)]));
            prop_assert_eq!(&ranges, &vec![range(0, first.max(1), 0), range(POINTS - second.max(1), POINTS, 1)]);
        }
    }

    #[test]
    fn lowering_a_weight_again_takes_the_last_ones_in(n in 1..=8_usize, changes in changes(), raised in 0..8_usize, by in 1..2_000_u32) {
        let (mut weights, mut ranges) = (vec![0; n], Vec::new());
        for change in &changes {
            weights = apply(&weights, change, 100);
            ranges = reshape(&ranges, &named(&weights));
        }
        let mut next = weights.clone();
        next[raised % n] += (by * 100).min(left_over(&weights));
        let higher = reshape(&ranges, &named(&next));
        // Where the raise swallowed a gap between two ranges, or fragments are being cleared away, the way back is another one.
        let owners = weights.iter().filter(|points| **points > 0).count() + usize::from(left_over(&next) > 0);
        if outline(&higher) == outline(&ranges) && segments(&higher) <= owners * (owners - 1) / 2 + 1 {
            prop_assert_eq!(&reshape(&higher, &named(&weights)), &ranges, "by way of {:?}", higher);
        }
    }

    #[test]
    fn any_old_ranges_are_taken(ranges in proptest::collection::vec((0..1_200_000_u32, 0..1_200_000_u32, 0..4_usize), 0..20), weights in proptest::collection::vec(0..=POINTS, 4)) {
        let old: Vec<Range> = ranges.into_iter().map(|(from, to, index)| range(from, to, index)).collect();
        let mut left = POINTS;
        let granted: Weights = weights.iter().map(|points| { let granted = left.min(*points); left -= granted; granted }).collect();
        let reshaped = reshape(&old, &named(&weights));
        for (index, points) in granted.iter().enumerate() {
            prop_assert_eq!(points_of(&reshaped, index), *points);
        }
        prop_assert!(reshaped.windows(2).all(|w| w[0].to <= w[1].from));
    }
}

/// Tiny steps for a long time fragment most: the bound holds there too.
#[test]
fn thousands_of_tiny_changes_do_not_fragment() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut below = |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    };
    for (n, changes) in [(2, 500), (3, 10_000), (4, 1_000), (6, 1_000), (8, 1_000)] {
        let (mut weights, mut ranges) = (vec![0; n], Vec::new());
        for _ in 0..changes {
            let change = Change::Move { from: below(n + 1), to: below(n + 1), points: below(20) as u32 };
            weights = apply(&weights, &change, 100);
            ranges = reshape(&ranges, &named(&weights));
            check_shape(&ranges, &weights);
        }
    }
}

#[test]
fn an_ab_test_shares_everything() {
    let half = Weight::ppm(500_000);
    let ranges = reshape(&[], &[(version(0), half), (version(1), half)]);
    assert_eq!(ranges, [range(0, 500_000, 0), range(500_000, POINTS, 1)]);
    // The whole share of one, to the other.
    assert_eq!(reshape(&ranges, &[(version(1), Weight::ALL)]), [range(0, POINTS, 1)]);
}

#[test]
fn a_weight_of_half_a_slot_cuts_one_slot() {
    let half = reshape(&[], &named(&vec![50]));
    let two = reshape(&half, &named(&vec![50, 100]));
    let three = reshape(&two, &named(&vec![50, 100, 100]));
    let cut: Vec<u32> = three.iter().flat_map(|r| [r.from, r.to]).filter(|edge| edge % 100 != 0).collect();
    assert_eq!(cut, [50], "{three:?}");
}
