//! Names of headers, Rollouts and versions, with their print-parse round trip.

mod baseline;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use baseline::BaselineName;

/// The one header that the filter writes and routes read: `<namespace>/<rollout>/<version>[;mirror=<version>]`.
pub const ROUTE_HEADER: &str = "x-shunt-route";
/// Marks a mirrored copy (`1`): never counted, never mirrored again.
pub const SHADOW_HEADER: &str = "x-shunt-shadow";
/// The decided feature flags, a structured-field dictionary (RFC 9651).
pub const FLAGS_HEADER: &str = "x-shunt-flags";
/// Marks a reply of ours while traffic is held (recreate); never counted.
pub const HELD_HEADER: &str = "x-shunt-held";
/// Every header of ours starts with this; an untrusted edge removes them all.
pub const HEADER_PREFIX: &str = "x-shunt-";
/// Where a filter posts its reports.
pub const REPORT_PATH: &str = "/v1/reports";
/// The Envoy cluster that leads there, and the `:authority` of the posts.
pub const REPORT_CLUSTER: &str = "shunt-api";

/// Longest name of a namespace, Rollout or version, in bytes (a DNS label, RFC 1123).
pub const NAME_MAX: usize = 63;

/// Why a text is not a name or a route header.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Not a DNS label.
    #[error("{0:?} is not a name: use 1 to 63 lower-case letters, digits and '-', starting and ending with a letter or digit")]
    Label(String),
    /// Not the name of an experiment's baseline.
    #[error("{0:?} is not the name of a baseline, which ends with -baseline")]
    Baseline(String),
    /// Not `<namespace>/<name>`.
    #[error("{0:?} is not <namespace>/<name>")]
    Rollout(String),
    /// Not `<namespace>/<rollout>/<version>[;mirror=<version>]`.
    #[error("{0:?} is not <namespace>/<rollout>/<version>[;mirror=<version>]")]
    Route(String),
}

fn label(text: &str) -> Result<(), NameError> {
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    let edge = |b: Option<&u8>| b.is_some_and(|b| *b != b'-');
    let bytes = text.as_bytes();
    if text.len() <= NAME_MAX && bytes.iter().all(inner) && edge(bytes.first()) && edge(bytes.last()) {
        Ok(())
    } else {
        Err(NameError::Label(text.to_owned()))
    }
}

/// The name of a version: a DNS label, immutable, never a role like "candidate".
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionName(String);

impl VersionName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// No name: stands where one is about to be read.
    pub(crate) const fn blank() -> Self {
        Self(String::new())
    }
}

impl TryFrom<String> for VersionName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        label(&text)?;
        Ok(Self(text))
    }
}

impl FromStr for VersionName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::try_from(text.to_owned())
    }
}

impl From<VersionName> for String {
    fn from(name: VersionName) -> Self {
        name.0
    }
}

impl fmt::Display for VersionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which Rollout: namespace and name, printed `<namespace>/<name>`. Also the name of its service in the policy.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RolloutId {
    namespace: String,
    name: String,
}

impl RolloutId {
    /// Checks both names; errors when one is not a DNS label.
    pub fn new(namespace: &str, name: &str) -> Result<Self, NameError> {
        label(namespace)?;
        label(name)?;
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// No name: stands where one is about to be read.
    pub(crate) const fn blank() -> Self {
        Self { namespace: String::new(), name: String::new() }
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The Rollout's name within its namespace.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for RolloutId {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (namespace, name) = text.split_once('/').ok_or_else(|| NameError::Rollout(text.to_owned()))?;
        Self::new(namespace, name)
    }
}

impl TryFrom<String> for RolloutId {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<RolloutId> for String {
    fn from(id: RolloutId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The value of [`ROUTE_HEADER`]; routes match it exactly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteHeader {
    /// The Rollout that decides.
    pub rollout: RolloutId,
    /// The version that is asked to answer.
    pub version: VersionName,
    /// The version that is asked to get a copy.
    pub mirror: Option<VersionName>,
}

impl fmt::Display for RouteHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.rollout, self.version)?;
        match &self.mirror {
            Some(mirror) => write!(f, ";mirror={mirror}"),
            None => Ok(()),
        }
    }
}

impl FromStr for RouteHeader {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let wrong = || NameError::Route(text.to_owned());
        let (target, mirror) = match text.split_once(";mirror=") {
            Some((target, mirror)) => (target, Some(mirror.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let (rollout, version) = target.rsplit_once('/').ok_or_else(wrong)?;
        Ok(Self { rollout: rollout.parse().map_err(|_| wrong())?, version: version.parse().map_err(|_| wrong())?, mirror })
    }
}

/// The Envoy cluster of one version.
pub fn version_cluster(rollout: &RolloutId, version: &VersionName) -> String {
    format!("shunt/{rollout}/{version}")
}

/// The aggregate cluster of one version and the one that the default route names.
pub fn fallback_cluster(rollout: &RolloutId, version: &VersionName) -> String {
    format!("shunt/{rollout}/{version}/fallback")
}

/// The bounded cluster that gets copies.
pub fn shadow_cluster(rollout: &RolloutId, version: &VersionName) -> String {
    format!("shunt/{rollout}/{version}/shadow")
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("shop/checkout/v2"; "plain")]
    #[test_case("shop/checkout/v2;mirror=v3"; "with a mirror")]
    fn route_header_round_trip(text: &str) {
        assert_eq!(text.parse::<RouteHeader>().unwrap().to_string(), text);
    }

    #[test_case("checkout/v2"; "no namespace")]
    #[test_case("shop/checkout/V2"; "upper case")]
    #[test_case("shop/checkout/v2;mirror="; "empty mirror")]
    #[test_case("shop/checkout/"; "empty version")]
    #[test_case(""; "empty")]
    fn not_a_route_header(text: &str) {
        assert!(text.parse::<RouteHeader>().is_err());
    }
}
