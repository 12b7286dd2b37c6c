//! Quantities that carry their unit: `99%`, `64KiB`. Durations are [`crate::time::Span`].

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not a quantity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuantityError {
    /// Not a percentage.
    #[error("{0:?} is not a percentage: write a number from 0 to 100 with its unit, for example 99.5%")]
    Percent(String),
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
}
