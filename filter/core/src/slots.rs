//! A set of slots of the hash space, as reports carry it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::report::SLOTS;

const BITS: u16 = 64;

/// A set of slots of the hash space. On the wire: lower-case hex of either a bitmap (first character `b`: bytes from slot 0, lowest
/// bit first, without zero bytes at the end) or a list of ascending slot numbers, four digits each (`l`), whichever is shorter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Slots {
    /// Without zero words at the end, so that equal sets are equal.
    words: Vec<u64>,
}

/// Why a text is no [`Slots`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a set of slots: use 'b' and a bitmap, or 'l' and numbers of four digits below 2710, in lower-case hex")]
pub struct SlotsError(String);

impl SlotsError {
    /// About this text, shortened.
    pub(crate) fn of(text: &str) -> Self {
        Self(text.chars().take(40).collect())
    }
}

impl Slots {
    /// No slot.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a slot; true when it is new. A number that is no slot is ignored.
    pub fn insert(&mut self, slot: u16) -> bool {
        if slot >= SLOTS {
            return false;
        }
        let (index, bit) = place(slot);
        if self.words.len() <= index {
            self.words.resize(index.saturating_add(1), 0);
        }
        let Some(word) = self.words.get_mut(index) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Whether the slot is in it.
    pub fn contains(&self, slot: u16) -> bool {
        let (index, bit) = place(slot);
        self.words.get(index).is_some_and(|word| word & bit != 0)
    }

    /// All slots, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        (0u16..).step_by(usize::from(BITS)).zip(&self.words).flat_map(|(first, word)| {
            let word = *word;
            (0..BITS).filter(move |bit| word >> bit & 1 == 1).map(move |bit| first.saturating_add(bit))
        })
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.words.iter().fold(0usize, |sum, word| sum.saturating_add(usize::try_from(word.count_ones()).unwrap_or_default()))
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

    /// Those that are not in another set.
    pub fn minus(&self, other: &Self) -> Self {
        let others = other.words.iter().copied().chain(std::iter::repeat(0));
        Self::trimmed(self.words.iter().zip(others).map(|(mine, theirs)| mine & !theirs).collect())
    }

    fn trimmed(mut words: Vec<u64>) -> Self {
        while words.last() == Some(&0) {
            words.pop();
        }
        Self { words }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        bytes
    }
}

fn place(slot: u16) -> (usize, u64) {
    let shift = u32::from(slot.checked_rem(BITS).unwrap_or_default());
    (usize::from(slot.checked_div(BITS).unwrap_or_default()), 1u64.checked_shl(shift).unwrap_or_default())
}

impl FromIterator<u16> for Slots {
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> Self {
        let mut set = Self::new();
        for slot in slots {
            set.insert(slot);
        }
        set
    }
}

impl fmt::Display for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes();
        if bytes.len() < self.len().saturating_mul(2) {
            f.write_str("b")?;
            bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
        } else {
            f.write_str("l")?;
            self.iter().try_for_each(|slot| write!(f, "{slot:04x}"))
        }
    }
}

impl FromStr for Slots {
    type Err = SlotsError;
    fn from_str(text: &str) -> Result<Self, SlotsError> {
        // A bitmap of all slots has 2,500 digits, a list is used only while it is shorter.
        let digits = text.get(1..).filter(|digits| digits.len() <= usize::from(SLOTS));
        let parsed = match (text.as_bytes().first(), digits) {
            (Some(b'b'), Some(digits)) => bitmap(digits),
            (Some(b'l'), Some(digits)) => list(digits),
            _ => None,
        };
        parsed.ok_or_else(|| SlotsError::of(text))
    }
}

fn bitmap(digits: &str) -> Option<Slots> {
    let bytes = numbers(digits, 2)?;
    let mut slots = Slots::new();
    for (index, byte) in bytes.into_iter().enumerate() {
        let first = u16::try_from(index.checked_mul(8)?).ok()?;
        for bit in (0..8).filter(|bit| byte >> bit & 1 == 1) {
            let slot = first.checked_add(bit).filter(|slot| *slot < SLOTS)?;
            slots.insert(slot);
        }
    }
    Some(slots)
}

fn list(digits: &str) -> Option<Slots> {
    let slots = numbers(digits, 4)?;
    if slots.iter().any(|slot| *slot >= SLOTS) { None } else { Some(slots.into_iter().collect()) }
}

/// Numbers of `width` lower-case hex digits each.
fn numbers(digits: &str, width: usize) -> Option<Vec<u16>> {
    let parse = |number: &[u8]| {
        let lower = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        if number.len() != width || !number.iter().all(lower) {
            return None;
        }
        u16::from_str_radix(std::str::from_utf8(number).ok()?, 16).ok()
    };
    digits.as_bytes().chunks(width).map(parse).collect()
}

impl TryFrom<String> for Slots {
    type Error = SlotsError;
    fn try_from(text: String) -> Result<Self, SlotsError> {
        text.parse()
    }
}

impl From<Slots> for String {
    fn from(slots: Slots) -> Self {
        slots.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use test_case::test_case;

    #[test_case(&[], "l"; "empty")]
    #[test_case(&[0], "b01"; "first")]
    #[test_case(&[9_999], "l270f"; "last")]
    #[test_case(&[0, 1, 2, 15], "b0780"; "dense")]
    #[test_case(&[3, 4_660], "l00031234"; "sparse")]
    fn wire_form(slots: &[u16], text: &str) {
        let set: Slots = slots.iter().copied().collect();
        assert_eq!(set.to_string(), text);
        assert_eq!(text.parse::<Slots>().unwrap(), set);
    }

    #[test_case(""; "nothing")]
    #[test_case("x01"; "unknown form")]
    #[test_case("b0"; "half a byte")]
    #[test_case("l270"; "three digits")]
    #[test_case("l2710"; "no such slot")]
    #[test_case("bFF"; "upper case")]
    #[test_case("l+001"; "sign")]
    #[test_case("lé000"; "not ASCII")]
    fn not_slots(text: &str) {
        assert!(text.parse::<Slots>().is_err());
    }

    #[test]
    fn a_bitmap_cannot_reach_beyond_the_last_slot() {
        let zeros = "00".repeat(1_250);
        assert!(format!("b{zeros}00").parse::<Slots>().unwrap().is_empty());
        assert!(format!("b{zeros}01").parse::<Slots>().is_err());
    }

    #[test]
    fn slots_beyond_the_space_are_ignored() {
        let mut set = Slots::new();
        assert!(!set.insert(SLOTS));
        assert!(set.is_empty() && !set.contains(SLOTS));
        assert!(set.insert(7) && !set.insert(7));
    }

    proptest! {
        #[test]
        fn behaves_like_a_set(a in proptest::collection::btree_set(0..SLOTS, 0..800), b in proptest::collection::btree_set(0..SLOTS, 0..800)) {
            let (left, right): (Slots, Slots) = (a.iter().copied().collect(), b.iter().copied().collect());
            prop_assert_eq!(left.len(), a.len());
            prop_assert_eq!(left.iter().collect::<BTreeSet<_>>(), a.clone());
            prop_assert_eq!(left.minus(&right).iter().collect::<BTreeSet<_>>(), a.difference(&b).copied().collect());
            let mut both = left.clone();
            both.union_with(&right);
            prop_assert_eq!(both.iter().collect::<BTreeSet<_>>(), a.union(&b).copied().collect());
            prop_assert!(left.minus(&left).is_empty());
            let text = left.to_string();
            prop_assert!(text.len() <= 1 + 2_500);
            prop_assert_eq!(text.parse::<Slots>().unwrap(), left);
        }
    }
}
