//! Quantities that carry their unit: `99%`, `25%` of instances, `0.5pp`, `64KiB`. Durations are [`crate::time::Span`].

use std::fmt;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shunt_filter_core::Weight;
use thiserror::Error;

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// Not a percentage.
    #[error("{0:?} is not a percentage: write a number from 0 to 100 with its unit, for example 99.5%")]
    Percent(String),
    /// Neither a number nor a share of instances.
    #[error("{0:?} is neither a number of instances nor a share of them: write for example 2, or 25%")]
    Amount(String),
    /// Not a difference of percentages.
    #[error("{0:?} is not a difference of percentages: write a number from 0 to 100 with its unit, for example 0.5pp")]
    Points(String),
    /// Not a size.
    #[error("{0:?} is not a size: write a whole number with its unit, one of B, KiB, MiB, for example 64KiB")]
    Size(String),
}

/// 0 to 100 percent, as text with its unit: `99%`, `99.9%`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Percent(f64);

impl Percent {
    /// 0 to 100.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl FromStr for Percent {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let wrong = || QuantityError::Percent(text.to_owned());
        let number = text.strip_suffix('%').ok_or_else(wrong)?;
        if !number.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
            return Err(wrong());
        }
        let value: f64 = number.parse().map_err(|_| wrong())?;
        if (0.0..=100.0).contains(&value) { Ok(Self(value)) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for Percent {
    type Error = QuantityError;
    fn try_from(text: String) -> Result<Self, QuantityError> {
        text.parse()
    }
}

impl From<Percent> for String {
    fn from(percent: Percent) -> Self {
        percent.to_string()
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// A number of bytes, as text with its unit: `500B`, `64KiB`, `1MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size(u64);

const UNITS: [(&str, u64); 3] = [("B", 1), ("KiB", 1024), ("MiB", 1024 * 1024)];

impl Size {
    /// From bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// In bytes.
    pub fn value(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let wrong = || QuantityError::Size(text.to_owned());
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at_checked(end).ok_or_else(wrong)?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        number.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor)).map(Self).ok_or_else(wrong)
    }
}

impl TryFrom<String> for Size {
    type Error = QuantityError;
    fn try_from(text: String) -> Result<Self, QuantityError> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |factor: u64| self.0 > 0 && self.0.checked_rem(factor) == Some(0);
        let (unit, factor) = UNITS.iter().rev().find(|(_, factor)| whole(*factor)).copied().unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0.checked_div(factor).unwrap_or(0))
    }
}

/// So many instances: a number, or a share of all as text with its unit: `2`, `25%`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// So many.
    Count(u32),
    /// 0 or more percent of all.
    Percent(f64),
}

impl Amount {
    /// Of so many, rounded up.
    pub(crate) fn up(self, full: u32) -> u32 {
        match self {
            Amount::Count(count) => count,
            // Below an instance and above rounding: 10 % of 30 is not 3 in binary.
            Amount::Percent(percent) => (f64::from(full) * percent / 100.0 - 1e-9).ceil().max(0.0) as u32,
        }
    }

    /// Of so many, rounded down.
    pub(crate) fn down(self, full: u32) -> u32 {
        match self {
            Amount::Count(count) => count,
            Amount::Percent(percent) => (f64::from(full) * percent / 100.0 + 1e-9).floor() as u32,
        }
    }

    /// Nothing at all.
    pub(crate) fn is_zero(self) -> bool {
        match self {
            Amount::Count(count) => count == 0,
            Amount::Percent(percent) => percent == 0.0,
        }
    }

    /// More than there are.
    pub(crate) fn above_all(self) -> bool {
        matches!(self, Amount::Percent(percent) if percent > 100.0)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Count(count) => write!(f, "{count}"),
            Amount::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Amount::Count(count) => serializer.serialize_u32(*count),
            Amount::Percent(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AmountVisitor)
    }
}

struct AmountVisitor;

impl Visitor<'_> for AmountVisitor {
    type Value = Amount;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of instances, or a share such as 25%")
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Amount, E> {
        u32::try_from(number).map(Amount::Count).map_err(|_| E::custom(QuantityError::Amount(number.to_string())))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Amount, E> {
        let wrong = || E::custom(QuantityError::Amount(text.to_owned()));
        let number = text.strip_suffix('%').filter(|number| number.bytes().all(|b| b.is_ascii_digit() || b == b'.')).ok_or_else(wrong)?;
        number.parse().map(Amount::Percent).map_err(|_| wrong())
    }
}

/// A difference of percentages, as text with its unit: `0.5pp`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Points(Weight);

impl Points {
    /// As a share.
    pub fn weight(self) -> Weight {
        self.0
    }
}

impl FromStr for Points {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let wrong = || QuantityError::Points(text.to_owned());
        let number = text.strip_suffix("pp").filter(|number| number.bytes().all(|b| b.is_ascii_digit() || b == b'.')).ok_or_else(wrong)?;
        let value: f64 = number.parse().map_err(|_| wrong())?;
        Weight::percent(value).map(Self).map_err(|_| wrong())
    }
}

impl TryFrom<String> for Points {
    type Error = QuantityError;
    fn try_from(text: String) -> Result<Self, QuantityError> {
        text.parse()
    }
}

impl From<Points> for String {
    fn from(points: Points) -> Self {
        format!("{}pp", points.0.as_percent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("99%", 99.0)]
    #[test_case("99.95%", 99.95; "fraction")]
    #[test_case("0%", 0.0; "zero")]
    #[test_case("100%", 100.0; "all")]
    fn percent(text: &str, value: f64) {
        let percent: Percent = text.parse().unwrap();
        assert_eq!((percent.value(), percent.to_string().as_str()), (value, text));
    }

    #[test_case("99"; "no unit")]
    #[test_case("101%"; "too much")]
    #[test_case("-1%"; "negative")]
    #[test_case("%"; "no number")]
    #[test_case("1e1%"; "exponent")]
    #[test_case("inf%"; "infinite")]
    fn not_percent(text: &str) {
        assert!(text.parse::<Percent>().is_err());
    }

    #[test_case("500B", 500)]
    #[test_case("64KiB", 65_536)]
    #[test_case("1MiB", 1_048_576)]
    #[test_case("0B", 0)]
    fn size(text: &str, value: u64) {
        let size: Size = text.parse().unwrap();
        assert_eq!((size.value(), size.to_string().as_str()), (value, text));
    }

    #[test_case("64"; "no unit")]
    #[test_case("64kb"; "another unit")]
    #[test_case("99999999999999999999MiB"; "too large")]
    fn not_size(text: &str) {
        assert!(text.parse::<Size>().is_err());
    }

    #[test_case(Amount::Percent(25.0), 4, 1, 1)]
    #[test_case(Amount::Percent(25.0), 5, 2, 1; "up and down")]
    #[test_case(Amount::Percent(10.0), 30, 3, 3; "not a binary number")]
    #[test_case(Amount::Percent(0.0), 30, 0, 0; "nothing")]
    #[test_case(Amount::Count(7), 3, 7, 7; "a number")]
    fn amounts(amount: Amount, full: u32, up: u32, down: u32) {
        assert_eq!((amount.up(full), amount.down(full)), (up, down));
    }

    #[test_case("0.5pp", Some(5_000))]
    #[test_case("100pp", Some(1_000_000); "all")]
    #[test_case("0.5%", None; "another unit")]
    #[test_case("0.5", None; "no unit")]
    #[test_case("101pp", None; "too much")]
    fn points(text: &str, expected: Option<u32>) {
        assert_eq!(text.parse::<Points>().ok().map(|points| points.weight().points()), expected);
    }
}
