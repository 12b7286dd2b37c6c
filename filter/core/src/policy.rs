//! The wire schema of what is pushed to the filter: everything it needs for all services, with a generation number.
//!
//! Raw on purpose: any JSON of this shape parses; [`crate::compile()`] refuses what could not be served. Unknown fields are ignored
//! here (an older filter must live with a newer control plane); whatever can change a decision raises [`FORMAT`].

mod flag;
mod latency;
mod responses;
mod tolerance;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::flag::{Flag, FlagValue};
pub use self::latency::{LatencyPolicy, LatencyThresholds};
pub use self::responses::ResponsePolicy;
pub use self::tolerance::Tolerance;
use crate::cookie::CookieAttributes;
use crate::matching::Match;
use crate::names::{RolloutId, VersionName};
use crate::signing::Signing;
use crate::weight::Weight;

/// The format this code reads and writes. A filter that meets another one keeps its old policy.
pub const FORMAT: u32 = 1;

/// Everything the filter needs for all services.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutingPolicy {
    /// See [`FORMAT`].
    pub format: u32,
    /// Only grows; no two pushes have the same one. 0 for a static policy.
    #[serde(default)]
    pub generation: u64,
    /// Where and how often to report; none for a static policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportPolicy>,
    /// What signs generated keys; none: `signed` ones are made without a tag, and none is good. A secret of the control plane's and its
    /// proxies': [`RoutingPolicy::redacted`] leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<Signing>,
    /// One entry per service with something to decide.
    #[serde(default)]
    pub services: Vec<ServicePolicy>,
    /// Feature flags. Which of them a request gets is looked up by its host like the service, for each name by itself: at
    /// `a.shop.test` the flag `x` of that host wins over the flag `x` of `*.shop.test`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
}

impl RoutingPolicy {
    /// Whether any key of it is signed.
    pub fn has_signed_keys(&self) -> bool {
        let keys = self.services.iter().flat_map(|service| &service.key).chain(self.flags.iter().flat_map(|flag| &flag.key));
        keys.filter_map(|source| source.generate.as_ref()).any(|attributes| attributes.signed)
    }

    /// Without what signs keys: for readers of the API and for files.
    #[must_use]
    pub fn redacted(self) -> Self {
        Self { signing: None, ..self }
    }
}

/// Where and how often a filter instance reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportPolicy {
    /// The Envoy cluster of the control plane's API.
    pub cluster: String,
    /// The `:authority` of the post.
    pub authority: String,
    /// How often a changed report is posted, in milliseconds.
    pub interval_ms: u32,
    /// How often an unchanged one is posted all the same, in milliseconds.
    pub heartbeat_ms: u32,
}

/// One service: its hosts, versions, rules, split and mirror.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePolicy {
    /// The Rollout; first two parts of the route header.
    pub name: RolloutId,
    /// Exact hosts (`shop.test`) or wildcard suffixes (`*.shop.test`); lower case.
    pub hosts: Vec<String>,
    /// Names that mean this service only for callers of one namespace (Istio's short names).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short_hosts: Vec<ShortHost>,
    /// The port in the authority; none: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Raised when the service's step changes; slot bitmaps belong to it.
    #[serde(default)]
    pub epoch: u64,
    /// Gets all that nothing else claims.
    pub stable: VersionName,
    /// The version that the default route names: the route header may be left out for it. None while the default route changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_route: Option<VersionName>,
    /// All versions that rules, split, mirror or stable name.
    pub versions: Vec<VersionPolicy>,
    /// The key chain: first non-empty wins. Empty: the request id, not sticky.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<KeySource>,
    /// What happens when a chain is configured and nothing of it is present.
    #[serde(default)]
    pub keyless: Keyless,
    /// Evaluated in order, before the split.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// What no rule claims.
    #[serde(default, skip_serializing_if = "Split::is_empty")]
    pub split: Split,
    /// Copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
    /// True while an analysis runs: the report carries the epoch's bitmaps and counters.
    #[serde(default)]
    pub analysis: bool,
    /// Set while requests that match this rule count in the epoch, instead of those that reach the split (an A/B test within a
    /// cohort): those that its split assigns, and those that it leaves over and nothing else claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counted_rule: Option<String>,
    /// What counts as slow in this epoch; none: the report has no slots by latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencyPolicy>,
    /// Which answers that are no failures are counted by class while an analysis runs; none: no class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responses: Option<ResponsePolicy>,
    /// After so many milliseconds without response headers a request in flight counts as hanging, while an analysis runs; none:
    /// what is usual is not known yet, nothing does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hang_after_ms: Option<u32>,
    /// How much worse than a version the others may be; none: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Tolerance>,
    /// What users may reach, counted per key while an A/B test runs. Only requests with a key of the chain count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<Goal>,
}

/// Something users may reach: a request that counts in the epoch, matches, and is answered well enough. It counts for
/// its key, in the version that the key had when that request was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Goal {
    /// Its name in reports.
    pub name: String,
    /// Any of these (OR); empty: every request.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Match>,
    /// Statuses of the response that count, inclusive. Default: 200 to 299.
    #[serde(default = "success")]
    pub status: (u16, u16),
    /// A response header that must be there with this value; the value `*` means any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_header: Option<(String, String)>,
}

fn success() -> (u16, u16) {
    (200, 299)
}

/// A host name valid only for callers in one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShortHost {
    /// For example `checkout`.
    pub host: String,
    /// The callers' namespace.
    pub namespace: String,
}

/// One version as the filter sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionPolicy {
    /// Its name, last part of the route header.
    pub name: VersionName,
    /// False: decisions that name it say stable instead, with that reason.
    #[serde(default = "yes")]
    pub serving: bool,
    /// Envoy clusters whose answer counts as this version's. Empty: not checked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// True: its cluster is an aggregate, so what answered is read from the endpoint's metadata `shunt.version`.
    #[serde(default)]
    pub aggregate: bool,
}

fn yes() -> bool {
    true
}

/// One entry of the key chain. Exactly one of `cookie`, `header`, `query` is set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySource {
    /// A cookie's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// A request header's name, lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// A query parameter's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// With `cookie`: when nothing of the chain is present, make an id and set this cookie with these attributes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate: Option<CookieAttributes>,
}

/// What happens when a key chain is configured and nothing of it is present.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Keyless {
    /// Stable answers.
    #[default]
    Stable,
    /// Split by the request id, not sticky.
    Split,
}

/// match -> split, evaluated before the service's split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name in decisions, counters and `explain`.
    pub name: String,
    /// Any of these (OR); empty: every request.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Match>,
    /// What matching requests get; what it leaves over falls through to the next rule.
    pub split: Split,
}

/// Ranges of the hash space, each with a version. What no range covers is left over.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// Fixed within one attempt of a release, different between attempts.
    #[serde(default)]
    pub salt: String,
    /// Disjoint, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Range>,
    /// For policies written by hand, instead of ranges: laid out in order of name, from point 0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<VersionName, Weight>,
}

impl Split {
    /// True when it assigns no key.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.weights.is_empty()
    }

    /// Everybody to one version.
    pub fn all(version: VersionName) -> Self {
        Self { salt: String::new(), ranges: vec![Range { from: 0, to: crate::weight::POINTS, version }], weights: BTreeMap::new() }
    }
}

/// Points `from <= point < to` of the hash space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// First point, 0 to 999,999.
    pub from: u32,
    /// One past the last point, at most 1,000,000.
    pub to: u32,
    /// Who answers.
    pub version: VersionName,
}

/// Copies of requests, decided over the request id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mirror {
    /// Which version gets a copy; what it leaves over is not mirrored.
    pub split: Split,
    /// Any of these (OR); empty: every request.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Match>,
    /// True: also methods other than GET, HEAD and OPTIONS.
    #[serde(default)]
    pub unsafe_methods: bool,
    /// Requests with a longer body, or one of unknown length, are not mirrored. Bytes.
    #[serde(default = "mirror_body_max")]
    pub max_body_bytes: u64,
}

/// Bytes; well below Envoy's buffers, because a stalled copy of a larger body can hang the original.
pub const MIRROR_BODY_MAX: u64 = 64 * 1024;

fn mirror_body_max() -> u64 {
    MIRROR_BODY_MAX
}
