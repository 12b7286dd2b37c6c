//! A set of slots or cells of the hash space, as reports carry it.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

const WORD: u32 = 64;

/// A set of numbers below `COUNT`. On the wire: lower-case hex of either a bitmap (first character `b`: bytes from number 0, lowest
/// bit first, without zero bytes at the end) or a list of ascending numbers, `DIGITS` digits each (`l`), whichever is shorter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bits<N, const COUNT: u32, const DIGITS: usize> {
    /// Without zero words at the end, so that equal sets are equal.
    words: Vec<u64>,
    number: PhantomData<N>,
}

/// Why a text is no [`Bits`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no set here: use 'b' and a bitmap, or 'l' and numbers of {digits} digits below {count:x}, in lower-case hex")]
pub struct BitsError {
    text: String,
    digits: usize,
    count: u32,
}

impl<N: Copy + Into<u32> + TryFrom<u32>, const COUNT: u32, const DIGITS: usize> Bits<N, COUNT, DIGITS> {
    /// Nothing.
    pub fn new() -> Self {
        Self { words: Vec::new(), number: PhantomData }
    }

    /// Adds a number; true when it is new. One that is too large is ignored.
    pub fn insert(&mut self, number: N) -> bool {
        if number.into() >= COUNT {
            return false;
        }
        let (index, bit) = place(number.into());
        if self.words.len() <= index {
            self.words.resize(index.saturating_add(1), 0);
        }
        let Some(word) = self.words.get_mut(index) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Whether the number is in it.
    pub fn contains(&self, number: N) -> bool {
        let (index, bit) = place(number.into());
        self.words.get(index).is_some_and(|word| word & bit != 0)
    }

    /// All numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = N> {
        numbers(&self.words).filter_map(|number| N::try_from(number).ok())
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

    /// Whether all of another set are in it.
    pub fn contains_all(&self, other: &Self) -> bool {
        let mine = self.words.iter().copied().chain(std::iter::repeat(0));
        other.words.iter().zip(mine).all(|(theirs, mine)| theirs & !mine == 0)
    }

    /// Those that are not in another set.
    pub fn minus(&self, other: &Self) -> Self {
        let others = other.words.iter().copied().chain(std::iter::repeat(0));
        Self::trimmed(self.words.iter().zip(others).map(|(mine, theirs)| mine & !theirs).collect())
    }

    /// Those that are in both.
    pub fn common(&self, other: &Self) -> Self {
        Self::trimmed(self.words.iter().zip(&other.words).map(|(mine, theirs)| mine & theirs).collect())
    }

    fn trimmed(mut words: Vec<u64>) -> Self {
        while words.last() == Some(&0) {
            words.pop();
        }
        words.shrink_to_fit();
        Self { words, number: PhantomData }
    }

    fn text(&self) -> String {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        while bytes.last() == Some(&0) {
            bytes.pop();
        }
        if bytes.len().saturating_mul(2) < self.len().saturating_mul(DIGITS) { bitmap_text(&bytes) } else { list_text(&self.words, DIGITS) }
    }
}

impl<N, const COUNT: u32, const DIGITS: usize> Bits<N, COUNT, DIGITS> {
    /// Bytes of memory that it takes beside its own.
    pub(crate) fn memory(&self) -> usize {
        self.words.capacity().saturating_mul(8)
    }
}

fn place(number: u32) -> (usize, u64) {
    let index = number.checked_div(WORD).unwrap_or_default();
    let bit = 1u64.checked_shl(number.checked_rem(WORD).unwrap_or_default()).unwrap_or_default();
    (usize::try_from(index).unwrap_or(usize::MAX), bit)
}

fn numbers(words: &[u64]) -> impl Iterator<Item = u32> {
    let busy = (0u32..).step_by(64).zip(words).filter(|(_, word)| **word != 0);
    busy.flat_map(|(first, word)| (0..WORD).filter(move |bit| word >> bit & 1 == 1).map(move |bit| first.saturating_add(bit)))
}

/// By hand: proxies write large sets many times a second, and formatting a byte takes ten times as long.
fn push_hex(text: &mut String, number: u32, digits: usize) {
    for place in (0..digits).rev() {
        let shift = u32::try_from(place).unwrap_or_default().saturating_mul(4);
        let nibble = number.checked_shr(shift).unwrap_or_default() & 0xf;
        text.push(char::from_digit(nibble, 16).unwrap_or('0'));
    }
}

fn bitmap_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2).saturating_add(1));
    text.push('b');
    bytes.iter().for_each(|byte| push_hex(&mut text, u32::from(*byte), 2));
    text
}

fn list_text(words: &[u64], digits: usize) -> String {
    let mut text = String::from("l");
    numbers(words).for_each(|number| push_hex(&mut text, number, digits));
    text
}

impl<N: Copy + Into<u32> + TryFrom<u32>, const COUNT: u32, const DIGITS: usize> FromIterator<N> for Bits<N, COUNT, DIGITS> {
    fn from_iter<I: IntoIterator<Item = N>>(numbers: I) -> Self {
        let mut set = Self::new();
        for number in numbers {
            set.insert(number);
        }
        set
    }
}

impl<N: Copy + Into<u32> + TryFrom<u32>, const COUNT: u32, const DIGITS: usize> fmt::Display for Bits<N, COUNT, DIGITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl<N: Copy + Into<u32> + TryFrom<u32>, const COUNT: u32, const DIGITS: usize> FromStr for Bits<N, COUNT, DIGITS> {
    type Err = BitsError;
    fn from_str(text: &str) -> Result<Self, BitsError> {
        // A bitmap of all numbers has a quarter as many digits, a list is used only while it is shorter.
        let digits = text.get(1..).filter(|digits| digits.len() <= usize::try_from(COUNT).unwrap_or_default());
        let words = match (text.as_bytes().first(), digits) {
            (Some(b'b'), Some(digits)) => bitmap(digits, COUNT),
            (Some(b'l'), Some(digits)) => list(digits, DIGITS, COUNT),
            _ => None,
        };
        let wrong = || BitsError { text: text.chars().take(40).collect(), digits: DIGITS, count: COUNT };
        words.map(Self::trimmed).ok_or_else(wrong)
    }
}

fn bitmap(digits: &str, count: u32) -> Option<Vec<u64>> {
    let bytes = parse(digits, 2)?;
    let words: Vec<u64> = bytes.chunks(8).map(|bytes| bytes.iter().rev().fold(0u64, |word, byte| word << 8 | u64::from(*byte))).collect();
    let fits = numbers(&words).all(|number| number < count);
    fits.then_some(words)
}

fn list(digits: &str, width: usize, count: u32) -> Option<Vec<u64>> {
    let numbers = parse(digits, width)?;
    let (last, _) = place(numbers.iter().copied().max().unwrap_or_default());
    let fits = numbers.iter().all(|number| *number < count);
    let mut words = vec![0; if fits { last.saturating_add(1) } else { 0 }];
    for number in numbers {
        let (index, bit) = place(number);
        *words.get_mut(index)? |= bit;
    }
    Some(words)
}

/// Numbers of `width` lower-case hex digits each.
fn parse(digits: &str, width: usize) -> Option<Vec<u32>> {
    let lower = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    let number = |digits: &[u8]| {
        let whole = digits.len() == width && digits.iter().all(lower);
        u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| whole)?, 16).ok()
    };
    digits.as_bytes().chunks(width).map(number).collect()
}

impl<N: Copy + Into<u32> + TryFrom<u32>, const COUNT: u32, const DIGITS: usize> Serialize for Bits<N, COUNT, DIGITS> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de, N: Copy + Into<u32> + TryFrom<u32>, const COUNT: u32, const DIGITS: usize> Deserialize<'de> for Bits<N, COUNT, DIGITS> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use crate::report::{CELLS, Cells, SLOTS, Slots};
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

    #[test]
    fn cells_have_five_digits() {
        let set: Cells = [7, 99_999].into_iter().collect();
        assert_eq!(set.to_string(), "l000071869f");
        assert_eq!(serde_json::to_string(&set).unwrap(), "\"l000071869f\"");
        assert_eq!(serde_json::from_str::<Cells>("\"l000071869f\"").unwrap(), set);
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
            prop_assert_eq!(left.common(&right).iter().collect::<BTreeSet<_>>(), a.intersection(&b).copied().collect());
            let mut both = left.clone();
            both.union_with(&right);
            prop_assert_eq!(both.iter().collect::<BTreeSet<_>>(), a.union(&b).copied().collect());
            prop_assert!(left.minus(&left).is_empty());
            let text = left.to_string();
            prop_assert!(text.len() <= 1 + 2_500);
            prop_assert_eq!(text.parse::<Slots>().unwrap(), left);
        }

        #[test]
        fn cells_survive_the_wire(cells in proptest::collection::btree_set(0u32..CELLS, 0..3_000)) {
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
