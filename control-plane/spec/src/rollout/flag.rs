//! `flag`: the Rollout decides a feature flag, whose values are its versions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::VersionName;

use super::rule::unknown_version;
use crate::plan::Version;
use crate::problems::Problems;
use crate::schema::filter;

/// A feature flag.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FlagSpec {
    /// Its key in the header `x-shunt-flags` (RFC 9651). Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// The version whose value an absent flag means, as the applications have it built in. Default: the first of `versions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::VersionName>")]
    pub default: Option<VersionName>,
}

/// Longest name that a filter takes, bytes.
const NAME_MAX: usize = shunt_filter_core::limits::NAME;

impl FlagSpec {
    /// Name and default, every problem noted.
    pub(crate) fn check(&self, versions: &[Version], problems: &mut Problems) -> Option<(String, VersionName)> {
        let path = "spec.flag";
        match &self.name {
            None => problems.add(format!("{path}.name"), "is missing: write the flag's key, for example new-checkout"),
            Some(name) if !is_key(name) || name.len() > NAME_MAX => {
                let message = format!(
                    "{name:?} is not the key of a structured field: use at most {NAME_MAX} lower-case letters, digits, '_', '-' and '.', a letter first"
                );
                problems.add(format!("{path}.name"), message);
            }
            Some(_) => {}
        }
        if let Some(default) = self.default.as_ref().filter(|default| versions.iter().all(|known| known.name != **default)) {
            problems.add(format!("{path}.default"), unknown_version(default, versions));
        }
        let default = self.default.as_ref().or(versions.first().map(|version| &version.name))?;
        Some((self.name.clone()?, default.clone()))
    }
}

/// A `key` of RFC 9651 §3.1.2.
fn is_key(text: &str) -> bool {
    let first = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '*');
    first && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.*".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("new-checkout", true)]
    #[test_case("*a.b_2", true)]
    #[test_case("New", false; "upper case")]
    #[test_case("2fast", false; "digit first")]
    #[test_case("a b", false; "space")]
    #[test_case("", false; "empty")]
    fn keys(name: &str, expected: bool) {
        assert_eq!(is_key(name), expected);
    }
}
