//! The name of an experiment's baseline: reserved, so that it never means a version of a manifest.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{NAME_MAX, NameError, VersionName};

/// What every baseline's name ends with, and no other version's.
const SUFFIX: &str = "-baseline";

/// The longest name that the suffix fits behind.
const WHOLE: usize = NAME_MAX - SUFFIX.len();

/// How much of a long name is kept: with `-`, 8 digits of its hash and the suffix it is a DNS label again.
const KEPT: usize = NAME_MAX - SUFFIX.len() - 9;

/// The name of a fresh copy of stable while an experiment compares the candidate with it: stable's with `-baseline`. Of a name that is
/// too long for that, the first 45 characters and a hash of the whole are kept.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BaselineName(VersionName);

impl BaselineName {
    /// Of the copy of this stable.
    pub fn of(stable: &VersionName) -> Self {
        let name = stable.as_str();
        // Both are labels: what comes before the suffix starts with a letter or digit, and nothing is longer than a label.
        Self(VersionName(match name.get(..KEPT) {
            Some(kept) if name.len() > WHOLE => format!("{kept}-{:08x}{SUFFIX}", xxh3_64(name.as_bytes()) >> 32),
            Some(_) | None => format!("{name}{SUFFIX}"),
        }))
    }

    /// As a version: in policies, routes and clusters it is one like any other.
    pub fn version(&self) -> &VersionName {
        &self.0
    }

    /// Whether this name is a baseline's, so that no manifest may give it to a version.
    pub fn is_reserved(name: &VersionName) -> bool {
        name.as_str().ends_with(SUFFIX)
    }
}

impl TryFrom<String> for BaselineName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        let name = VersionName::try_from(text)?;
        if Self::is_reserved(&name) { Ok(Self(name)) } else { Err(NameError::Baseline(name.0)) }
    }
}

impl From<BaselineName> for String {
    fn from(name: BaselineName) -> Self {
        name.0.0
    }
}

impl fmt::Display for BaselineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn baseline(stable: &str) -> String {
        BaselineName::of(&stable.parse().unwrap()).to_string()
    }

    #[test]
    fn of_every_length_it_is_a_name_that_comes_back() {
        for length in 1..=NAME_MAX {
            let name = baseline(&"a".repeat(length));
            assert_eq!(BaselineName::try_from(name.clone()).map(String::from), Ok(name.clone()), "{length}");
            assert_eq!(name.len(), length.saturating_add(SUFFIX.len()).min(NAME_MAX), "{length}");
        }
    }

    #[test]
    fn long_names_that_begin_alike_have_different_baselines() {
        let (one, other) = (format!("{}1", "a".repeat(62)), format!("{}2", "a".repeat(62)));
        assert_ne!(baseline(&one), baseline(&other));
    }

    #[test]
    fn a_name_cut_at_a_dash_is_still_a_name() {
        let name = baseline(&format!("{}-{}", "a".repeat(KEPT.saturating_sub(1)), "b".repeat(17)));
        assert!(name.parse::<VersionName>().is_ok(), "{name}");
    }

    #[test_case("v1-baseline", true)]
    #[test_case("v1", false)]
    #[test_case("baseline", false)]
    #[test_case("v1-baseline-2", false)]
    fn reserved(name: &str, expected: bool) {
        assert_eq!(BaselineName::is_reserved(&name.parse().unwrap()), expected);
        assert_eq!(BaselineName::try_from(name.to_owned()).is_ok(), expected);
    }
}
