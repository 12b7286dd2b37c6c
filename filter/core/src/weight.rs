//! A share of keys: percent in YAML and JSON, parts per million inside.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// Number of points of the hash space; a weight is a number of points.
pub const POINTS: u32 = 1_000_000;

/// A share of keys between 0 and 100 percent, in whole parts per million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Weight(u32);

/// Why a number is not a weight.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum WeightError {
    /// Outside 0 to 100.
    #[error("{0} is not a weight: use percent from 0 to 100")]
    Range(f64),
    /// Finer than parts per million.
    #[error("{0} is finer than a weight can be: use at most four decimals (0.0001 percent is one in a million)")]
    Precision(f64),
}

impl WeightError {
    /// What is expected, without the number itself: to print any number takes a lot of code in the filter's module.
    pub(crate) fn remedy(self) -> &'static str {
        match self {
            Self::Range(_) => "a weight is a percentage from 0 to 100",
            Self::Precision(_) => "a weight has at most four decimals (0.0001 percent is one in a million)",
        }
    }
}

impl Weight {
    /// No key.
    pub const ZERO: Weight = Weight(0);
    /// All keys.
    pub const ALL: Weight = Weight(POINTS);

    /// From parts per million; more than a million becomes all.
    pub const fn ppm(points: u32) -> Self {
        if points > POINTS { Self(POINTS) } else { Self(points) }
    }

    /// From percent; errors outside 0 to 100 or finer than parts per million.
    pub fn percent(percent: f64) -> Result<Self, WeightError> {
        if !(0.0..=100.0).contains(&percent) {
            return Err(WeightError::Range(percent));
        }
        let points = percent * 10_000.0;
        if (points - points.round()).abs() > 1e-6 {
            return Err(WeightError::Precision(percent));
        }
        Ok(Self(points.round() as u32))
    }

    /// Parts per million.
    pub const fn points(self) -> u32 {
        self.0
    }

    /// Percent, for people and for YAML.
    pub fn as_percent(self) -> f64 {
        f64::from(self.0) / 10_000.0
    }

    /// Percent for sentences: two decimals from 1 % on, all below. What is not all is never rounded to all.
    pub fn rounded_percent(self) -> f64 {
        let (percent, rounded) = (self.as_percent(), (self.as_percent() * 100.0).round() / 100.0);
        if percent >= 1.0 && rounded < 100.0 { rounded } else { percent }
    }
}

/// For people; [`Weight::as_percent`] is exact.
impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.rounded_percent())
    }
}

impl Serialize for Weight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let percent = self.as_percent();
        if percent.fract() == 0.0 { serializer.serialize_u32(percent as u32) } else { serializer.serialize_f64(percent) }
    }
}

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Weight::percent(f64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
