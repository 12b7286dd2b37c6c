//! A set of cells of the hash space, finer than slots, as reports carry it while goals are counted.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::report::CELLS;
use crate::slots::SlotsError;

const BITS: u32 = 64;

/// A set of cells. On the wire as [`crate::report::Slots`], numbers of five digits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cells {
    /// Without zero words at the end, so that equal sets are equal.
    words: Vec<u64>,
}

impl Cells {
    /// Adds a cell; true when it is new. A number that is no cell is ignored.
    pub fn insert(&mut self, cell: u32) -> bool {
        if cell >= CELLS {
            return false;
        }
        let (index, bit) = place(cell);
        if self.words.len() <= index {
            self.words.resize(index.saturating_add(1), 0);
        }
        let Some(word) = self.words.get_mut(index) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Whether the cell is in it.
    pub fn contains(&self, cell: u32) -> bool {
        let (index, bit) = place(cell);
        self.words.get(index).is_some_and(|word| word & bit != 0)
    }

    /// All cells, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        (0u32..).step_by(BITS as usize).zip(&self.words).flat_map(|(first, word)| {
            let word = *word;
            (0..BITS).filter(move |bit| word >> bit & 1 == 1).map(move |bit| first.saturating_add(bit))
        })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.words.iter().fold(0usize, |sum, word| sum.saturating_add(word.count_ones() as usize))
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Adds all of another set.
    pub fn union_with(&mut self, other: &Self) {
        if self.words.len() < other.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine |= theirs;
        }
    }
}

fn place(cell: u32) -> (usize, u64) {
    let index = cell.checked_div(BITS).unwrap_or_default();
    (index as usize, 1u64.checked_shl(cell.checked_rem(BITS).unwrap_or_default()).unwrap_or_default())
}

impl FromIterator<u32> for Cells {
    fn from_iter<I: IntoIterator<Item = u32>>(cells: I) -> Self {
        let mut set = Self::default();
        for cell in cells {
            set.insert(cell);
        }
        set
    }
}

impl fmt::Display for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
        if end.saturating_mul(2) < self.len().saturating_mul(5) {
            f.write_str("b")?;
            bytes.iter().take(end).try_for_each(|byte| write!(f, "{byte:02x}"))
        } else {
            f.write_str("l")?;
            self.iter().try_for_each(|cell| write!(f, "{cell:05x}"))
        }
    }
}

impl FromStr for Cells {
    type Err = SlotsError;
    fn from_str(text: &str) -> Result<Self, SlotsError> {
        let digits = text.get(1..).filter(|digits| digits.len() <= CELLS as usize);
        let parsed = match (text.as_bytes().first(), digits) {
            (Some(b'b'), Some(digits)) => numbers(digits, 2).and_then(bitmap),
            (Some(b'l'), Some(digits)) => numbers(digits, 5).filter(|cells| cells.iter().all(|cell| *cell < CELLS)).map(|c| c.into_iter().collect()),
            _ => None,
        };
        parsed.ok_or_else(|| SlotsError::of(text))
    }
}

fn bitmap(bytes: Vec<u32>) -> Option<Cells> {
    let mut cells = Cells::default();
    for (first, byte) in (0u32..).step_by(8).zip(bytes) {
        for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
            cells.insert(first.checked_add(bit).filter(|cell| *cell < CELLS)?);
        }
    }
    Some(cells)
}

/// Numbers of `width` lower-case hex digits each.
fn numbers(digits: &str, width: usize) -> Option<Vec<u32>> {
    let lower = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let parse = |number: &[u8]| {
        let whole = number.len() == width && number.iter().all(lower);
        u32::from_str_radix(std::str::from_utf8(number).ok().filter(|_| whole)?, 16).ok()
    };
    digits.as_bytes().chunks(width).map(parse).collect()
}

impl TryFrom<String> for Cells {
    type Error = SlotsError;
    fn try_from(text: String) -> Result<Self, SlotsError> {
        text.parse()
    }
}

impl From<Cells> for String {
    fn from(cells: Cells) -> Self {
        cells.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn round_trip(cells in proptest::collection::btree_set(0u32..CELLS, 0..300)) {
            let set: Cells = cells.iter().copied().collect();
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), cells);
            prop_assert_eq!(set.to_string().parse::<Cells>().unwrap(), set);
        }

        #[test]
        fn any_text(text in "[bl]?[0-9a-g]{0,40}") {
            if let Ok(set) = text.parse::<Cells>() {
                prop_assert!(set.iter().all(|cell| cell < CELLS));
            }
        }
    }
}
