//! Points in time and spans, in milliseconds; always passed in, never read from a clock here.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Time(pub u64);

impl Time {
    /// How long ago `earlier` was; zero when it lies in the future (clocks step back).
    pub fn since(self, earlier: Time) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }

    /// The time `span` later.
    pub fn after(self, span: Span) -> Time {
        Time(self.0.saturating_add(span.0))
    }
}

/// A length of time in milliseconds; text is a number with its unit: `300ms`, `10s`, `5m`, `2h`, `30d`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub u64);

/// Not a span, or none that anything could wait for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpanError {
    /// Not a number with a unit.
    #[error("{0:?} is not a duration: write a whole number with its unit, one of ms, s, m, h, d, for example 10m")]
    Text(String),
    /// Longer than [`Span::LONGEST`].
    #[error("{0:?} is too long: write {longest} (100 years) or less", longest = Span::LONGEST)]
    TooLong(String),
}

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

impl Span {
    /// No duration that is written is longer: a hundred years. Envoy counts some in nanoseconds, in 64 bits with a sign.
    pub const LONGEST: Self = Self(36_500 * 86_400_000);

    /// From milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(millis)
    }

    /// For sentences, in at most two units: to the second below ten minutes, to the minute below a day, else to the hour:
    /// `400ms`, `53s`, `3m12s`, `2h5m`, `3d4h`.
    pub fn text(self) -> String {
        let (unit, big) = match self.0 {
            0..1_000 => return self.to_string(),
            1_000..599_500 => (1_000, ("m", 60, "s")),
            599_500..86_370_000 => (60_000, ("h", 60, "m")),
            _ => (3_600_000_u64, ("d", 24, "h")),
        };
        let units = self.0.saturating_add(unit >> 1).checked_div(unit).unwrap_or(0);
        let (name, of, small) = big;
        match (units.checked_div(of).unwrap_or(0), units.checked_rem(of).unwrap_or(0)) {
            (0, rest) => format!("{rest}{small}"),
            (whole, 0) => format!("{whole}{name}"),
            (whole, rest) => format!("{whole}{name}{rest}{small}"),
        }
    }

    /// From seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }
}

impl FromStr for Span {
    type Err = SpanError;
    fn from_str(text: &str) -> Result<Self, SpanError> {
        let wrong = || SpanError::Text(text.to_owned());
        let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = text.split_at_checked(end).ok_or_else(wrong)?;
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        if number.is_empty() {
            return Err(wrong());
        }
        // What has no room in 64 bits is too long as well.
        let span = number.parse::<u64>().ok().and_then(|n| n.checked_mul(*factor)).map(Self).filter(|span| *span <= Self::LONGEST);
        span.ok_or_else(|| SpanError::TooLong(text.to_owned()))
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;
    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |factor: u64| self.0.checked_rem(factor) == Some(0);
        match UNITS.iter().rev().find(|(_, factor)| self.0 > 0 && whole(*factor)) {
            Some((unit, factor)) => write!(f, "{}{unit}", self.0.checked_div(*factor).unwrap_or(0)),
            None => write!(f, "0s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("300ms", 300)]
    #[test_case("10s", 10_000)]
    #[test_case("5m", 300_000)]
    #[test_case("30d", 2_592_000_000)]
    #[test_case("36500d", 3_153_600_000_000; "the longest")]
    fn round_trip(text: &str, millis: u64) {
        assert_eq!(text.parse::<Span>().unwrap(), Span(millis));
        assert_eq!(Span(millis).to_string(), text);
    }

    #[test_case(0, "0s")]
    #[test_case(400, "400ms")]
    #[test_case(53_400, "53s")]
    #[test_case(60_000, "1m")]
    #[test_case(192_000, "3m12s")]
    #[test_case(599_499, "9m59s"; "the last one with seconds")]
    #[test_case(599_600, "10m"; "ten minutes")]
    #[test_case(3_600_000, "1h")]
    #[test_case(7_500_000, "2h5m")]
    #[test_case(86_369_999, "23h59m"; "the last one with minutes")]
    #[test_case(86_370_000, "1d"; "nearly a day")]
    #[test_case(273_600_000, "3d4h")]
    fn for_sentences(millis: u64, expected: &str) {
        assert_eq!(Span(millis).text(), expected);
    }

    #[test_case("10"; "no unit")]
    #[test_case("m"; "no number")]
    #[test_case("-1s"; "negative")]
    #[test_case("1.5h"; "fraction")]
    #[test_case("99999999999999999999d"; "too large")]
    #[test_case("36501d"; "longer than a hundred years")]
    #[test_case("3652501d"; "more than a protobuf holds")]
    #[test_case(""; "empty")]
    fn refused(text: &str) {
        assert!(text.parse::<Span>().is_err());
    }
}
