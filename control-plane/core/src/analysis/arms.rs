//! Who is compared, and where the hash space belongs to whom.

use shunt_filter_core::VersionName;
use shunt_filter_core::policy::Range;
use shunt_filter_core::report::{EpochReport, POINTS_PER_SLOT, SLOTS, Slots};
use shunt_filter_core::weight::POINTS;

/// Who is compared, and where the hash space belongs to whom.
#[derive(Debug, Clone, Copy)]
pub struct Arms<'a> {
    /// The version being released.
    pub candidate: &'a VersionName,
    /// What it is compared with; it owns every point that no range claims.
    pub stable: &'a VersionName,
    /// The split of this epoch.
    pub ranges: &'a [Range],
}

/// How many people an arm has met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exposure {
    /// Whole slots of the candidate with at least one ended request.
    pub slots: u32,
    /// About how many keys (users, where keys are users) that is: several share a slot when there are many. By occupancy:
    /// u keys on n slots leave n·(1 − 1/n)^u of them empty, so u = ln(1 − seen/n) / ln(1 − 1/n).
    pub users: u32,
}

impl Arms<'_> {
    /// How many users the candidate has answered in the epoch of `evidence`, for one line like `31 users saw v2`.
    pub fn exposure(&self, evidence: &EpochReport) -> Exposure {
        let arm = ArmSlots::of(self).candidate;
        let slots = arm.len().saturating_sub(arm.minus(&evidence.seen).len()) as u32;
        Exposure { slots, users: users(slots, arm.len() as u32) }
    }
}

fn users(seen: u32, of: u32) -> u32 {
    if of <= 1 {
        return seen;
    }
    // All slots seen: at least that many; half an empty slot keeps the estimate finite.
    let seen = if seen == of { f64::from(seen) - 0.5 } else { f64::from(seen) };
    let of = f64::from(of);
    ((-seen / of).ln_1p() / (-1.0 / of).ln_1p()).round() as u32
}

/// The slots of both arms: those that lie wholly in an arm's ranges. A slot that a border cuts is in neither.
#[derive(Debug, Clone)]
pub(super) struct ArmSlots {
    /// Of the version being released.
    pub(super) candidate: Slots,
    /// Of what it is compared with.
    pub(super) stable: Slots,
    /// Points of the candidate, cut slots included.
    pub(super) candidate_points: u32,
    /// Points of stable, cut slots included.
    pub(super) stable_points: u32,
}

impl ArmSlots {
    pub(super) fn of(arms: &Arms<'_>) -> Self {
        let claimed_by_candidate = |range: &&Range| range.version == *arms.candidate;
        let claimed_by_others = |range: &&Range| range.version != *arms.stable;
        let mut candidate = Slots::default();
        let mut stable = Slots::default();
        for slot in 0..SLOTS {
            let from = u32::from(slot).saturating_mul(POINTS_PER_SLOT);
            let to = from.saturating_add(POINTS_PER_SLOT);
            if covered(arms.ranges.iter().filter(claimed_by_candidate), from, to) == POINTS_PER_SLOT {
                candidate.insert(slot);
            } else if covered(arms.ranges.iter().filter(claimed_by_others), from, to) == 0 {
                stable.insert(slot);
            }
        }
        Self {
            candidate,
            stable,
            candidate_points: covered(arms.ranges.iter().filter(claimed_by_candidate), 0, POINTS),
            stable_points: POINTS.saturating_sub(covered(arms.ranges.iter().filter(claimed_by_others), 0, POINTS)),
        }
    }
}

/// How many of the points `from <= point < to` the ranges cover.
fn covered<'a>(ranges: impl Iterator<Item = &'a Range>, from: u32, to: u32) -> u32 {
    ranges.map(|range| range.to.min(to).saturating_sub(range.from.max(from))).fold(0, u32::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn slots_of(ranges: &[(u32, u32, &str)]) -> (Vec<u16>, usize, u32, u32) {
        let ranges: Vec<Range> =
            ranges.iter().map(|(from, to, version)| Range { from: *from, to: *to, version: version.parse().unwrap() }).collect();
        let arms = Arms { candidate: &"v2".parse().unwrap(), stable: &"v1".parse().unwrap(), ranges: &ranges };
        let slots = ArmSlots::of(&arms);
        assert!(slots.candidate.iter().all(|slot| !slots.stable.contains(slot)), "a slot in both arms");
        (slots.candidate.iter().collect(), slots.stable.iter().count(), slots.candidate_points, slots.stable_points)
    }

    #[test_case(&[], &[], 10_000, 0, 1_000_000; "only stable")]
    #[test_case(&[(0, 300, "v2")], &[0, 1, 2], 9_997, 300, 999_700; "whole slots")]
    #[test_case(&[(0, 250, "v2")], &[0, 1], 9_997, 250, 999_750; "a cut slot is left out of both")]
    #[test_case(&[(50, 250, "v2")], &[1], 9_997, 200, 999_800; "cut on both sides")]
    #[test_case(&[(0, 50, "v2")], &[], 9_999, 50, 999_950; "less than a slot")]
    #[test_case(&[(0, 50, "v2"), (50, 100, "v2")], &[0], 9_999, 100, 999_900; "neighbours of one version do not cut")]
    #[test_case(&[(0, 100, "v2"), (100, 150, "v1")], &[0], 9_999, 100, 999_900; "stable named, the rest is its own too")]
    #[test_case(&[(0, 100, "v2"), (100, 300, "v3")], &[0], 9_997, 100, 999_700; "a third version is in neither")]
    #[test_case(&[(999_900, 1_000_000, "v2")], &[9_999], 9_999, 100, 999_900; "the last slot")]
    fn slots(ranges: &[(u32, u32, &str)], candidate: &[u16], stable: usize, candidate_points: u32, stable_points: u32) {
        assert_eq!(slots_of(ranges), (candidate.to_vec(), stable, candidate_points, stable_points));
    }

    #[test_case(0, 500, 0)]
    #[test_case(1, 500, 1)]
    #[test_case(31, 500, 32; "a collision is likely with 31 of 500")]
    #[test_case(432, 500, 997; "a thousand on 500 slots leave about 68 empty")]
    #[test_case(500, 500, 3_450; "all seen: at least that many")]
    #[test_case(1, 1, 1)]
    fn estimated_users(seen: u32, of: u32, expected: u32) {
        assert_eq!(users(seen, of), expected);
    }
}
