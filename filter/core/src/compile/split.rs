//! Splits: ranges as they are, weights laid out.

use crate::at::At;
use crate::compile::{PolicyError, Problem};
use crate::limits;
use crate::names::VersionName;
use crate::policy::{Range, Split};
use crate::split::Ranges;
use crate::weight::POINTS;

/// The position of a version that is named here.
pub(super) type Find<'a> = &'a dyn Fn(&VersionName, &At<'_>) -> Result<usize, PolicyError>;

/// Checks ranges, or lays out weights, and looks up every version.
#[inline(never)]
pub(super) fn compile(raw: &Split, seed: fn(&str) -> u64, find: Find<'_>, at: &At<'_>) -> Result<Ranges<usize>, PolicyError> {
    let salt = at.field("salt");
    salt.length(&raw.salt, limits::SALT)?;
    if !raw.salt.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Err(salt.wrong(Problem::Salt));
    }
    let owners = match (raw.ranges.is_empty(), raw.weights.is_empty()) {
        (_, true) => ranges(&raw.ranges, find, &at.field("ranges"))?,
        (true, false) => weights(raw, find, &at.field("weights"))?,
        (false, false) => return Err(at.wrong(Problem::RangesAndWeights)),
    };
    Ok(Ranges::new(seed(&raw.salt), owners))
}

fn ranges(raw: &[Range], find: Find<'_>, at: &At<'_>) -> Result<Vec<(Range, usize)>, PolicyError> {
    at.bound(raw.len(), limits::RANGES)?;
    let mut owners = Vec::with_capacity(raw.len());
    let mut end = 0;
    for (index, range) in raw.iter().enumerate() {
        let at = at.index(index);
        if range.from >= range.to || range.to > POINTS {
            return Err(at.wrong(Problem::Range { from: range.from, to: range.to }));
        }
        if range.from < end {
            return Err(at.wrong(Problem::Overlap { from: range.from, end }));
        }
        end = range.to;
        owners.push((range.clone(), find(&range.version, &at.field("version"))?));
    }
    Ok(owners)
}

/// In order of name, from point 0; a version without weight gets no range.
fn weights(raw: &Split, find: Find<'_>, at: &At<'_>) -> Result<Vec<(Range, usize)>, PolicyError> {
    at.bound(raw.weights.len(), limits::VERSIONS)?;
    let mut owners = Vec::with_capacity(raw.weights.len());
    let mut from = 0u32;
    for (version, weight) in &raw.weights {
        let owner = find(version, &at.key(version.as_str()))?;
        let to = from.saturating_add(weight.points());
        if to > POINTS {
            return Err(at.wrong(Problem::Weights));
        }
        if to > from {
            owners.push((Range { from, to, version: version.clone() }, owner));
        }
        from = to;
    }
    Ok(owners)
}
