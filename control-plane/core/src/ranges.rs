//! Old ranges + new weights -> new ranges, moving the least possible.
//!
//! The hash space is a line of segments, each with an owner; what no range covers has one too: no version, which means stable. A change of
//! weights makes some owners give points and others get them. Points move from a giver to a getter once and nothing else moves, so
//! what moves is the sum of what the getters gain: no assignment with these weights moves less. This is Random Slicing (Miranda et
//! al., ACM Transactions on Storage 10(3), 2014) with a choice of gaps that keeps users monotone and segments few:
//!
//! 1. Where a giver and a getter touch, the border between them shifts. Which border does not depend on the direction (the lowest), so
//!    that lowering a weight again takes the last ones in, and raising it brings the same ones back.
//! 2. Where none touch, a segment of the giver becomes the getter's, whole if it fits, otherwise cut at one end: the end after which
//!    there are fewest segments and most pairs of owners touch (they can shift a border next time), and then most versions touch free space.
//! 3. From one segment per pair of owners on, borders of small segments shift first, so that fragments vanish again.
//!
//! With one version beside stable (a canary) the version's range is always `0..weight`: its users are a function of the weight alone.
//! With two there are at most four segments: a fifth would need a pair that does not touch, and then there are at most three to begin
//! with. With N versions the tests, thousands of changes long, hold it to (N + 1)². All borders fall on borders of slots if all weights
//! are whole slots (multiples of 0.01 %).

use std::collections::{BTreeMap, BTreeSet};

use shunt_filter_core::policy::Range;
use shunt_filter_core::report::POINTS_PER_SLOT;
use shunt_filter_core::weight::POINTS;
use shunt_filter_core::{VersionName, Weight};

/// New ranges for `weights` (of all versions that get a share; what is left over stays uncovered), taking from `old` only what must move.
///
/// Disjoint, ascending, neighbours of one version joined. Total for any input: of weights above 100 % in all, the later ones get what the
/// earlier leave; of overlapping old ranges, the lower one counts.
pub fn reshape(old: &[Range], weights: &[(VersionName, Weight)]) -> Vec<Range> {
    let mut line = Line::of(old);
    let mut needs = Needs::of(&line, weights);
    loop {
        if let Some(border) = line.best_border(&needs) {
            line.shift(&border, &mut needs);
        } else if let Some((giver, getter)) = needs.largest() {
            line.hand_over(giver, getter, &mut needs);
        } else {
            return line.ranges();
        }
    }
}

/// Who has a point; none: no version, which means stable.
type Owner<'a> = Option<&'a VersionName>;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Segment<'a> {
    from: u32,
    to: u32,
    owner: Owner<'a>,
}

impl Segment<'_> {
    fn len(&self) -> u32 {
        self.to.saturating_sub(self.from)
    }
}

/// What each owner still has to give and to get, in points; the sums of both are equal.
#[derive(Debug)]
struct Needs<'a> {
    give: BTreeMap<Owner<'a>, u32>,
    get: BTreeMap<Owner<'a>, u32>,
}

impl<'a> Needs<'a> {
    fn of(line: &Line<'a>, weights: &'a [(VersionName, Weight)]) -> Self {
        let mut wanted: BTreeMap<Owner<'a>, u32> = BTreeMap::new();
        let mut left = POINTS;
        for (version, weight) in weights {
            let points = weight.points().min(left);
            left = left.saturating_sub(points);
            let sum = wanted.entry(Some(version)).or_default();
            *sum = sum.saturating_add(points);
        }
        wanted.insert(None, left);
        let mut owned: BTreeMap<Owner<'a>, u32> = BTreeMap::new();
        for segment in &line.segments {
            let sum = owned.entry(segment.owner).or_default();
            *sum = sum.saturating_add(segment.len());
        }
        let surplus = |of: &BTreeMap<Owner<'a>, u32>, over: &BTreeMap<Owner<'a>, u32>| {
            let rest = |(owner, points): (&Owner<'a>, &u32)| (*owner, points.saturating_sub(over.get(owner).copied().unwrap_or(0)));
            of.iter().map(rest).filter(|(_, points)| *points > 0).collect()
        };
        Self { give: surplus(&owned, &wanted), get: surplus(&wanted, &owned) }
    }

    /// How much `giver` can hand to `getter`.
    fn between(&self, giver: Owner<'a>, getter: Owner<'a>) -> u32 {
        let of = |map: &BTreeMap<Owner<'a>, u32>, owner| map.get(&owner).copied().unwrap_or(0);
        of(&self.give, giver).min(of(&self.get, getter))
    }

    /// The giver and the getter with most to move; none when all is done.
    fn largest(&self) -> Option<(Owner<'a>, Owner<'a>)> {
        let most = |map: &BTreeMap<Owner<'a>, u32>| {
            map.iter().rev().filter(|(_, points)| **points > 0).max_by_key(|(_, points)| **points).map(|(owner, _)| *owner)
        };
        Some((most(&self.give)?, most(&self.get)?))
    }

    fn moved(&mut self, giver: Owner<'a>, getter: Owner<'a>, points: u32) {
        for (map, owner) in [(&mut self.give, giver), (&mut self.get, getter)] {
            if let Some(left) = map.get_mut(&owner) {
                *left = left.saturating_sub(points);
            }
        }
    }
}

/// A place where a giver and a getter touch.
#[derive(Debug)]
struct Border<'a> {
    /// Index of the segment on its left.
    left: usize,
    giver: Owner<'a>,
    getter: Owner<'a>,
    points: u32,
    side: Side,
}

/// On which side of a border the giver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Left,
    Right,
}

/// The hash space from 0 to [`POINTS`] without gaps; neighbours have different owners.
#[derive(Debug, Clone, PartialEq)]
struct Line<'a> {
    segments: Vec<Segment<'a>>,
}

impl<'a> Line<'a> {
    fn of(ranges: &'a [Range]) -> Self {
        let mut sorted: Vec<&Range> = ranges.iter().collect();
        sorted.sort_by_key(|range| (range.from, range.to));
        let mut segments = Vec::new();
        let mut at = 0;
        for range in sorted {
            let from = range.from.clamp(at, POINTS);
            let to = range.to.clamp(from, POINTS);
            segments.push(Segment { from: at, to: from, owner: None });
            segments.push(Segment { from, to, owner: Some(&range.version) });
            at = to;
        }
        segments.push(Segment { from: at, to: POINTS, owner: None });
        let mut line = Self { segments };
        line.join();
        line
    }

    /// Drops empty segments and joins neighbours of one owner.
    fn join(&mut self) {
        self.segments.retain(|segment| segment.len() > 0);
        self.segments.dedup_by(|next, kept| {
            let same = next.owner == kept.owner;
            if same {
                kept.to = next.to;
            }
            same
        });
    }

    fn ranges(&self) -> Vec<Range> {
        let range = |segment: &Segment<'_>| Some(Range { from: segment.from, to: segment.to, version: segment.owner?.clone() });
        self.segments.iter().filter_map(range).collect()
    }

    /// All pairs of owners that touch.
    fn touching(&self) -> BTreeSet<(Owner<'a>, Owner<'a>)> {
        let pair = |(a, b): (&Segment<'a>, &Segment<'a>)| (a.owner.min(b.owner), a.owner.max(b.owner));
        self.segments.iter().zip(self.segments.iter().skip(1)).map(pair).collect()
    }

    /// Whether there are more segments than one per pair of owners: time to be rid of small ones.
    fn is_fragmented(&self) -> bool {
        let owners = self.segments.iter().map(|segment| segment.owner).collect::<BTreeSet<_>>().len();
        self.segments.len() > owners.saturating_mul(owners.saturating_sub(1)).saturating_div(2).saturating_add(1)
    }

    /// Where to shift, if a giver and a getter touch. Each tie is broken the same way in both directions.
    fn best_border(&self, needs: &Needs<'a>) -> Option<Border<'a>> {
        let fragmented = self.is_fragmented();
        let borders = self.segments.iter().zip(self.segments.iter().skip(1)).enumerate();
        let open = borders.filter_map(|(left, (a, b))| {
            let rightwards = needs.between(a.owner, b.owner);
            let leftwards = needs.between(b.owner, a.owner);
            let (side, giver, getter, wanted) =
                if rightwards > 0 { (Side::Left, a, b, rightwards) } else { (Side::Right, b, a, leftwards) };
            let points = wanted.min(giver.len());
            // In a line of many fragments those that vanish go first, then those that come nearest to it.
            let remains = if fragmented { giver.len().saturating_sub(points) } else { 0 };
            let rank = (remains, left);
            (points > 0).then_some((rank, Border { left, giver: giver.owner, getter: getter.owner, points, side }))
        });
        open.min_by_key(|(rank, _)| *rank).map(|(_, border)| border)
    }

    fn shift(&mut self, border: &Border<'a>, needs: &mut Needs<'a>) {
        let mut pair = self.segments.iter_mut().skip(border.left);
        if let (Some(a), Some(b)) = (pair.next(), pair.next()) {
            let at = match border.side {
                Side::Left => a.to.saturating_sub(border.points),
                Side::Right => a.to.saturating_add(border.points),
            };
            a.to = at;
            b.from = at;
        }
        needs.moved(border.giver, border.getter, border.points);
        self.join();
    }

    /// Gives a segment of `giver`, or an end of one, to `getter`, which touches none of them.
    fn hand_over(&mut self, giver: Owner<'a>, getter: Owner<'a>, needs: &mut Needs<'a>) {
        let points = needs.between(giver, getter);
        let longest = self.segments.iter().filter(|segment| segment.owner == giver).map(Segment::len).max().unwrap_or(0);
        let cut = points.min(longest);
        let fits = |segment: &&Segment<'a>| segment.owner == giver && segment.len() >= cut;
        let ends = |segment: &Segment<'a>| {
            let low = Segment { from: segment.from, to: segment.from.saturating_add(cut), owner: getter };
            let high = Segment { from: segment.to.saturating_sub(cut), to: segment.to, owner: getter };
            // A canary takes from the start of what no version has, and a version that gives gives the last ones in.
            if giver.is_none() { [low, high] } else { [high, low] }
        };
        let lines = self.segments.iter().filter(fits).flat_map(ends).map(|piece| self.with(piece));
        if let Some(best) = lines.min_by_key(Line::cost) {
            *self = best;
        }
        needs.moved(giver, getter, cut);
    }

    /// This line with `piece`, which lies in one segment, laid over it.
    fn with(&self, piece: Segment<'a>) -> Self {
        let around = |segment: &Segment<'a>| {
            if segment.from <= piece.from && piece.to <= segment.to {
                vec![Segment { to: piece.from, ..*segment }, piece, Segment { from: piece.to, ..*segment }]
            } else {
                vec![*segment]
            }
        };
        let mut line = Self { segments: self.segments.iter().flat_map(around).collect() };
        line.join();
        line
    }

    /// The less the better: segments, less pairs that touch; then versions enclosed by others, which cannot grow into free space; then cut slots.
    fn cost(&self) -> (usize, usize, usize, usize) {
        let touching = self.touching();
        let segments = self.segments.len();
        let apart = segments.saturating_sub(touching.len());
        let versions = self.segments.iter().filter_map(|segment| segment.owner).collect::<BTreeSet<_>>();
        let enclosed = versions.into_iter().filter(|version| !touching.contains(&(None, Some(*version)))).count();
        let cut = self.segments.iter().filter(|segment| segment.from.checked_rem(POINTS_PER_SLOT) != Some(0)).count();
        (apart, segments, enclosed, cut)
    }
}
