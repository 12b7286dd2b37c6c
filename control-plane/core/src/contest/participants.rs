//! Who takes part in an A/B test: cells of the hash space, by version.
//!
//! Cells stand for users: they are fine (100,000) and keys fall into them at random. When users are many, several share a cell; their
//! number follows from the cells that stay empty: with λ users per cell a share of exp(−λ) is empty.

use std::collections::BTreeMap;

use shunt_filter_core::VersionName;
use shunt_filter_core::policy::Range;
use shunt_filter_core::report::{CELLS, Cells, EpochReport};
use shunt_filter_core::weight::POINTS;
use shunt_spec::plan::TestGoal;

use super::external::{ExternalFigures, Figures};
use super::sequential_multinomial::Draws;

/// Points in one cell.
pub(super) const POINTS_PER_CELL: u32 = POINTS / CELLS;

/// What one version has met.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Participants<'a> {
    /// The version.
    pub(super) version: &'a VersionName,
    /// Its whole cells, and those with at least one request.
    pub(super) met: Draws,
    /// By goal.
    pub(super) reached: Vec<Reached>,
}

/// How a version stands in one goal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Reached {
    /// Its whole cells, and those that reached it.
    Cells(Draws),
    /// What a source says of it; none: nothing yet.
    External(Option<Figures>),
}

impl Participants<'_> {
    /// About how many users it met.
    pub(super) fn users(&self) -> f64 {
        users(self.met)
    }

    /// About how many of them reached the goal, as a number of users.
    pub(super) fn converted(&self, goal: usize) -> f64 {
        match self.reached.get(goal) {
            Some(Reached::Cells(cells)) => users(*cells).min(self.users()),
            Some(Reached::External(_)) | None => 0.0,
        }
    }

    /// What a source says of it in the goal.
    pub(super) fn external(&self, goal: usize) -> Option<Figures> {
        match self.reached.get(goal)? {
            Reached::External(figures) => *figures,
            Reached::Cells(_) => None,
        }
    }
}

/// About how many users fill so many cells.
fn users(cells: Draws) -> f64 {
    let of = cells.of as f64;
    if cells.of <= 1 {
        return cells.drawn as f64;
    }
    // All of them: at least that many; half an empty cell keeps the estimate finite.
    let drawn = (cells.drawn as f64).min(of - 0.5);
    (-drawn / of).ln_1p() / (-1.0 / of).ln_1p()
}

/// The versions, in this order. Stable also owns what no range claims.
pub(super) fn participants<'a>(
    versions: &[&'a VersionName],
    ranges: &[Range],
    stable: &VersionName,
    goals: &[TestGoal],
    evidence: &EpochReport,
    external: &BTreeMap<String, ExternalFigures>,
) -> Vec<Participants<'a>> {
    let segments = segments(ranges, stable);
    let none = Cells::default();
    let met = by_segment(&segments, evidence.cells.as_ref().unwrap_or(&none));
    let counted = |goal: &TestGoal| match goal {
        TestGoal::Counted(goal) => Some(by_segment(&segments, evidence.goals.get(&goal.name).unwrap_or(&none))),
        TestGoal::External(_) => None,
    };
    let counts: Vec<Option<Vec<u64>>> = goals.iter().map(counted).collect();
    let of = |version: &'a VersionName| {
        let of = whole(&segments, version);
        let draws = |counts: &Vec<u64>| {
            let own = segments.iter().zip(counts).filter(|(segment, _)| segment.version == version).map(|(_, count)| *count);
            Draws { of, drawn: own.fold(0, u64::saturating_add) }
        };
        let reached = goals.iter().zip(&counts).map(|(goal, counts)| match counts {
            Some(counts) => Reached::Cells(draws(counts)),
            None => Reached::External(external.get(goal.name()).and_then(|external| external.figures.get(version)).copied()),
        });
        Participants { version, met: draws(&met), reached: reached.collect() }
    };
    versions.iter().map(|version| of(version)).collect()
}

/// Whole cells of a version.
pub(super) fn cells(ranges: &[Range], stable: &VersionName, version: &VersionName) -> u64 {
    whole(&segments(ranges, stable), version)
}

fn whole(segments: &[Segment<'_>], version: &VersionName) -> u64 {
    let own = segments.iter().filter(|segment| segment.version == version).map(Segment::cells);
    u64::from(own.fold(0, u32::saturating_add))
}

/// How many of the cells each segment has wholly.
fn by_segment(segments: &[Segment<'_>], cells: &Cells) -> Vec<u64> {
    let mut counts = vec![0_u64; segments.len()];
    for cell in cells.iter() {
        if let Some(count) = owner(segments, cell).and_then(|owner| counts.get_mut(owner)) {
            *count = count.saturating_add(1);
        }
    }
    counts
}

/// A part of the hash space with its owner.
#[derive(Debug)]
struct Segment<'a> {
    from: u32,
    to: u32,
    version: &'a VersionName,
}

impl Segment<'_> {
    /// Whole cells.
    fn cells(&self) -> u32 {
        let last = self.to.checked_div(POINTS_PER_CELL).unwrap_or(0);
        last.saturating_sub(self.from.div_ceil(POINTS_PER_CELL))
    }
}

/// The whole hash space, ascending, neighbours of one version joined.
fn segments<'a>(ranges: &'a [Range], stable: &'a VersionName) -> Vec<Segment<'a>> {
    let mut sorted: Vec<&Range> = ranges.iter().filter(|range| range.from < range.to).collect();
    sorted.sort_by_key(|range| range.from);
    let mut segments: Vec<Segment<'a>> = Vec::new();
    let mut add = |from: u32, to: u32, version: &'a VersionName| match segments.last_mut() {
        _ if from >= to => {}
        Some(last) if last.version == version => last.to = to,
        _ => segments.push(Segment { from, to, version }),
    };
    let mut at = 0;
    for range in sorted {
        add(at, range.from, stable);
        add(at.max(range.from), range.to, &range.version);
        at = at.max(range.to);
    }
    add(at, POINTS, stable);
    segments
}

/// Which segment has all of the cell.
fn owner(segments: &[Segment<'_>], cell: u32) -> Option<usize> {
    let from = cell.saturating_mul(POINTS_PER_CELL);
    let next = segments.partition_point(|segment| segment.from <= from);
    let index = next.checked_sub(1)?;
    (from.saturating_add(POINTS_PER_CELL) <= segments.get(index)?.to).then_some(index)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;
    use test_case::test_case;

    fn version(name: &str) -> VersionName {
        name.parse().unwrap()
    }

    #[test_case(&[], 0, 100_000, 0; "only stable")]
    #[test_case(&[(0, 500_000, "v2")], 50_000, 50_000, 0; "half each")]
    #[test_case(&[(0, 25, "v2")], 2, 99_997, 0; "a cut cell is in neither")]
    #[test_case(&[(0, 25, "v2"), (25, 40, "v2")], 4, 99_996, 0; "neighbours are joined")]
    #[test_case(&[(0, 300_000, "v2"), (600_000, 900_000, "v3")], 30_000, 40_000, 30_000; "three, stable in two places")]
    #[test_case(&[(500_000, 1_000_000, "v2"), (0, 500_000, "v1")], 50_000, 50_000, 0; "not sorted, stable named")]
    fn cells(ranges: &[(u32, u32, &str)], v2: u64, v1: u64, v3: u64) {
        let ranges: Vec<Range> = ranges.iter().map(|(from, to, name)| Range { from: *from, to: *to, version: version(name) }).collect();
        let names = [version("v1"), version("v2"), version("v3")];
        let evidence = EpochReport { cells: Some((0..CELLS).collect()), ..EpochReport::default() };
        let participants = participants(&names.each_ref(), &ranges, &names[0], &[], &evidence, &BTreeMap::new());
        assert_eq!(participants.iter().map(|participants| participants.met.of).collect::<Vec<_>>(), [v1, v2, v3]);
        assert!(
            participants.iter().all(|participants| participants.met.drawn == participants.met.of),
            "every whole cell is its own: {participants:?}"
        );
    }

    #[test_case(0, 50_000, 0.0)]
    #[test_case(1, 50_000, 1.0)]
    #[test_case(4_758, 50_000, 5_000.0; "5,000 users")]
    #[test_case(43_233, 50_000, 100_000.0; "two users in each cell")]
    fn estimated_users(drawn: u64, of: u64, expected: f64) {
        let users = users(Draws { of, drawn });
        assert!((users - expected).abs() < 5.0, "{users}");
    }
}
