//! `by`: how much worse than stable a candidate may be.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;
use thiserror::Error;

use crate::plan::metric::Tolerance;
use crate::problems::Problems;

/// `0.5pp` or `1.5x`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Allowance(Tolerance);

/// Why a text is no [`Allowance`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is neither a difference nor a ratio: write percentage points such as 0.5pp, or times the failures of stable such as 1.5x")]
pub struct AllowanceError(String);

/// A candidate that may be this much worse is not compared at all.
const POINTS_MAX: Weight = Weight::ppm(500_000);
const RATIO_MAX: f64 = 100.0;

impl Allowance {
    /// What it means; every problem noted.
    pub(super) fn check(self, path: &str, problems: &mut Problems) -> Option<Tolerance> {
        let wrong = match self.0 {
            Tolerance::Points(share) if share == Weight::ZERO => "allows nothing: leave it out, or write for example 0.5pp",
            Tolerance::Points(share) if share > POINTS_MAX => "allows more than half of all requests to fail: write 50pp or less",
            Tolerance::Ratio(ratio) if ratio <= 1.0 => "allows nothing: leave it out, or write more than 1x, for example 1.5x",
            Tolerance::Ratio(ratio) if ratio > RATIO_MAX => "allows nearly everything: write 100x or less",
            Tolerance::Points(_) | Tolerance::Ratio(_) => return Some(self.0),
        };
        problems.add(path, format!("{} {wrong}", self.0));
        None
    }
}

impl FromStr for Allowance {
    type Err = AllowanceError;
    fn from_str(text: &str) -> Result<Self, AllowanceError> {
        let wrong = || AllowanceError(text.to_owned());
        let number = |text: &str| {
            let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            text.parse::<f64>().ok().filter(|_| plain)
        };
        let tolerance = match (text.strip_suffix("pp"), text.strip_suffix('x')) {
            (Some(points), _) => Tolerance::Points(Weight::percent(number(points).ok_or_else(wrong)?).map_err(|_| wrong())?),
            (None, Some(ratio)) => Tolerance::Ratio(number(ratio).ok_or_else(wrong)?),
            (None, None) => return Err(wrong()),
        };
        Ok(Self(tolerance))
    }
}

impl TryFrom<String> for Allowance {
    type Error = AllowanceError;
    fn try_from(text: String) -> Result<Self, AllowanceError> {
        text.parse()
    }
}

impl From<Allowance> for String {
    fn from(allowance: Allowance) -> Self {
        allowance.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("0.5pp", Some(Tolerance::Points(Weight::ppm(5_000))))]
    #[test_case("1.5x", Some(Tolerance::Ratio(1.5)))]
    #[test_case("0.5", None; "no unit")]
    #[test_case("0.5%", None; "percent of what")]
    #[test_case("-1pp", None; "negative")]
    #[test_case("x", None; "no number")]
    #[test_case("101pp", None; "more than all")]
    fn texts(text: &str, expected: Option<Tolerance>) {
        let found = text.parse::<Allowance>();
        assert_eq!(found.as_ref().map(|allowance| allowance.0).ok(), expected);
        if let Ok(allowance) = found {
            assert_eq!(String::from(allowance), text);
        }
    }
}
