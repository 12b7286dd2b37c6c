//! From key and salt to a point of the hash space, and from a point to the owner of its range.
//!
//! `hash = XXH3-64(key, seed = XXH3-64(salt))`, `point = floor(hash * 10^6 / 2^64)`, `slot = floor(point / 100)`,
//! `cell = floor(point / 10)`. Mirrors hash with
//! `seed = XXH3-64("mirror" 0x00 salt)`, so that equal salts do not tie copies to versions; a salt cannot contain the zero byte.
//! Test vectors: `testdata/vectors.json`.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::policy::Range;
use crate::report::{POINTS_PER_CELL, POINTS_PER_SLOT};
use crate::weight::POINTS;

/// The seed that a salt stands for.
pub fn seed(salt: &str) -> u64 {
    xxh3_64(salt.as_bytes())
}

/// The seed that a mirror's salt stands for.
pub fn mirror_seed(salt: &str) -> u64 {
    let mut separated = Vec::with_capacity(salt.len().saturating_add(7));
    separated.extend_from_slice(b"mirror\0");
    separated.extend_from_slice(salt.as_bytes());
    xxh3_64(&separated)
}

/// XXH3-64 of a key.
pub fn hash(key: &[u8], seed: u64) -> u64 {
    xxh3_64_with_seed(key, seed)
}

/// The point of a hash: 0 to 999,999.
pub fn point(hash: u64) -> u32 {
    // The high half of a 128-bit product, from two 64-bit ones: wasm has no wider multiplication. None of it can overflow.
    let points = u64::from(POINTS);
    let high = (hash >> 32).wrapping_mul(points);
    let low = (hash & 0xffff_ffff).wrapping_mul(points);
    let point = high.wrapping_add(low >> 32) >> 32;
    u32::try_from(point).unwrap_or_default()
}

/// The slot of a point: 0 to 9,999.
pub fn slot(point: u32) -> u16 {
    u16::try_from(point.checked_div(POINTS_PER_SLOT).unwrap_or_default()).unwrap_or(u16::MAX)
}

/// The cell of a point: 0 to 99,999.
pub fn cell(point: u32) -> u32 {
    point.checked_div(POINTS_PER_CELL).unwrap_or_default()
}

/// A compiled [`crate::policy::Split`]: disjoint ranges in ascending order, each with whom it belongs to.
#[derive(Debug, Clone)]
pub struct Ranges<T> {
    seed: u64,
    everybody: bool,
    owners: Vec<(Range, T)>,
}

impl<T> Ranges<T> {
    /// Ranges must be disjoint and ascending; `compile` has checked it.
    pub(crate) fn new(seed: u64, owners: Vec<(Range, T)>) -> Self {
        let everybody = matches!(owners.as_slice(), [(range, _)] if range.from == 0 && range.to == POINTS);
        Self { seed, everybody, owners }
    }

    /// True when it assigns no key.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// The only range, if it covers the whole hash space: then no key is needed.
    pub fn everybody(&self) -> Option<&(Range, T)> {
        if self.everybody { self.owners.first() } else { None }
    }

    /// The point of a key under this split's salt.
    pub fn point(&self, key: &[u8]) -> u32 {
        point(hash(key, self.seed))
    }

    /// Who owns a point; none: it is left over.
    pub fn owner(&self, point: u32) -> Option<&(Range, T)> {
        let after = self.owners.partition_point(|(range, _)| range.from <= point);
        self.owners.get(after.checked_sub(1)?).filter(|(range, _)| point < range.to)
    }

    /// All ranges, ascending.
    pub fn iter(&self) -> impl Iterator<Item = &(Range, T)> {
        self.owners.iter()
    }
}
