//! Feature flags and their values.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Goal, KeySource, Keyless, LatencyPolicy, ResponsePolicy, Rule, ShortHost, Split, Tolerance};
use crate::names::{RolloutId, VersionName};

/// A feature flag: a value per key, handed on in `x-shunt-flags`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Flag {
    /// Its key in the dictionary (RFC 9651 `key`).
    pub name: String,
    /// The Rollout it belongs to, under which its values are counted as versions.
    pub rollout: RolloutId,
    /// As [`ServicePolicy::hosts`](super::ServicePolicy::hosts).
    pub hosts: Vec<String>,
    /// As [`ServicePolicy::short_hosts`](super::ServicePolicy::short_hosts).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short_hosts: Vec<ShortHost>,
    /// As [`ServicePolicy::port`](super::ServicePolicy::port).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Raised when its step changes; slot bitmaps belong to it.
    #[serde(default)]
    pub epoch: u64,
    /// True while an analysis runs: its Rollout's report carries the epoch's bitmaps and counters, by value.
    #[serde(default)]
    pub analysis: bool,
    /// Its key chain. Empty: the request id, not sticky.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<KeySource>,
    /// What happens when a chain is configured and nothing of it is present.
    #[serde(default)]
    pub keyless: Keyless,
    /// The value of each version.
    pub values: BTreeMap<VersionName, FlagValue>,
    /// Gets all that nothing else claims.
    pub stable: VersionName,
    /// The version whose value an absent flag means: it is left out of the header. Readers know it, so it never changes.
    pub default: VersionName,
    /// Targeting rules, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// What no rule claims.
    #[serde(default, skip_serializing_if = "Split::is_empty")]
    pub split: Split,
    /// As [`ServicePolicy::counted_rule`](super::ServicePolicy::counted_rule).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_rule: Option<String>,
    /// As [`ServicePolicy::latency`](super::ServicePolicy::latency).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencyPolicy>,
    /// As [`ServicePolicy::responses`](super::ServicePolicy::responses).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responses: Option<ResponsePolicy>,
    /// As [`ServicePolicy::hang_after_ms`](super::ServicePolicy::hang_after_ms).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hang_after_ms: Option<u32>,
    /// As [`ServicePolicy::tolerance`](super::ServicePolicy::tolerance).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Tolerance>,
    /// As [`ServicePolicy::goals`](super::ServicePolicy::goals).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<Goal>,
}

/// A bare item of a structured field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FlagValue {
    /// `?1` or `?0`.
    Boolean(bool),
    /// At most 15 digits.
    Integer(i64),
    /// Printable ASCII.
    String(String),
}

/// By hand: what serde derives for untagged enums first copies any value whatever, in ten times the code, and loses its place in the
/// message.
impl<'de> Deserialize<'de> for FlagValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagVisitor)
    }
}

struct FlagVisitor;

impl Visitor<'_> for FlagVisitor {
    type Value = FlagValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean, an integer or a string")
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<FlagValue, E> {
        Ok(FlagValue::Boolean(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<FlagValue, E> {
        Ok(FlagValue::Integer(value))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<FlagValue, E> {
        i64::try_from(value).map(FlagValue::Integer).map_err(|_| E::custom("an integer has at most 15 digits"))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<FlagValue, E> {
        Ok(FlagValue::String(value.to_owned()))
    }
}
