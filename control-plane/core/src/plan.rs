//! What a Rollout will do: its specification with defaults filled in and everything checked.

use serde::{Deserialize, Serialize};
use shunt_filter_core::matching::Match;
use shunt_filter_core::policy::{KeySource, Keyless};
use shunt_filter_core::{RolloutId, VersionName, Weight};

use crate::analysis::Metric;
use crate::time::Span;

/// A compiled Rollout: cannot contradict itself, defaults are filled in. Made by [`crate::manifest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Which Rollout.
    pub id: RolloutId,
    /// SHA-256 of the specification and the mesh policy it was compiled with, hex, first 16 characters.
    pub digest: String,
    /// Hosts, lower case, wildcards as `*.suffix`.
    pub hosts: Vec<String>,
    /// Port in the authority; none: any.
    pub port: Option<u16>,
    /// Whether the routes are ours.
    pub routing: Routing,
    /// All versions; never empty.
    pub versions: Vec<Version>,
    /// The version that should be stable; one of `versions`.
    pub release: VersionName,
    /// Key chain.
    pub key: Vec<KeySource>,
    /// What happens without a key.
    pub keyless: Keyless,
    /// Long-lived rules: the mesh policy's overrides first, then the Rollout's own.
    pub rules: Vec<PlannedRule>,
    /// What a release goes through before it is promoted.
    pub steps: Vec<Step>,
    /// What guards a release.
    pub analysis: AnalysisPlan,
    /// Largest share of keys on the candidate before the analysis has passed once.
    pub max_exposed: Weight,
    /// How long the old version stays warm after a promotion.
    pub keep_old: Span,
    /// How long a wait (proof, pass, readiness) may take before the run is paused with the reason.
    pub progress_deadline: Span,
    /// How long requests in flight may take to end before a version goes away.
    pub drain_deadline: Span,
    /// How long the proxies may answer the candidate's requests from stable (no healthy endpoint) before the release aborts.
    pub fallback_deadline: Span,
    /// Active health checks of endpoints, when wanted.
    pub health: Option<HealthCheck>,
    /// Longest time a request may take; none: Envoy's default of 15 s.
    pub timeout: Option<Span>,
    /// What upstreams speak.
    #[serde(default)]
    pub protocol: Protocol,
    /// True when the manifest is gone: the Rollout is on its way out. Set by the platform, not by compiling.
    pub gone: bool,
    /// Where values came from that the Rollout does not set itself, for `explain`: field path -> source.
    pub sources: std::collections::BTreeMap<String, String>,
}

impl Plan {
    /// The version of that name.
    pub fn version(&self, name: &VersionName) -> Option<&Version> {
        self.versions.iter().find(|v| v.name == *name)
    }
}

/// What upstreams speak. Callers may use HTTP/1.1 or HTTP/2 either way; gRPC needs HTTP/2.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 with prior knowledge, in clear text.
    Http2,
}

/// Whether routes, clusters and endpoints are ours to change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Routing {
    /// The control plane owns them.
    Managed,
    /// The user's own Envoy configuration; its default route names this version, always.
    External {
        /// `service.defaultRoute`.
        default_route: VersionName,
    },
}

/// One version and where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its name.
    pub name: VersionName,
    /// Where its instances are.
    pub backend: Backend,
}

/// Where a version's instances are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Backend {
    /// `host:port` each; an IP address, or a DNS name.
    Endpoints(Vec<String>),
    /// A cluster of the user's own Envoy (external routing).
    Cluster(String),
}

/// A rule with its version resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedRule {
    /// Its name.
    pub name: String,
    /// Any of these; empty: every request.
    pub matches: Vec<Match>,
    /// Who answers; none: whoever has `role` (rules of steps, overrides of the mesh policy).
    pub version: Option<VersionName>,
    /// Who answers when `version` is none.
    #[serde(default)]
    pub role: Role,
    /// Share of the matching keys.
    pub weight: Weight,
}

/// A version by what it is at the moment, for rules that do not name one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// The version being released; without a run the rule falls through.
    #[default]
    Candidate,
    /// Stable, whatever the split says.
    Stable,
}

/// One step of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// The candidate's share of keys.
    SetWeight(Weight),
    /// Wait; none: until somebody promotes.
    Pause(Option<Span>),
    /// A cohort gets the candidate until the run ends.
    Rule(PlannedRule),
    /// Copies go to the candidate until another mirror step or the end of the run; zero ends it.
    Mirror(MirrorStep),
    /// Wait this long and for a pass of the analysis.
    Analysis(Span),
}

/// What a mirror step asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MirrorStep {
    /// Share of requests copied.
    pub weight: Weight,
    /// Any of these; empty: every request.
    pub matches: Vec<Match>,
    /// Also methods other than GET, HEAD, OPTIONS.
    pub unsafe_methods: bool,
    /// Longest body copied, bytes.
    pub max_body_bytes: u64,
}

/// What guards a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnalysisPlan {
    /// Never empty: without `analysis:` errors are compared with stable.
    pub metrics: Vec<Metric>,
}

/// Active health checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// HTTP path that answers 200 when healthy.
    pub path: String,
    /// Time between checks.
    pub interval: Span,
    /// Time-out of one check.
    pub timeout: Span,
    /// Failures until unhealthy.
    pub unhealthy_threshold: u32,
    /// Successes until healthy.
    pub healthy_threshold: u32,
}

/// As written in the manifest, on one line.
impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::SetWeight(weight) => write!(f, "setWeight {}", weight.as_percent()),
            Step::Pause(Some(span)) => write!(f, "pause {span}"),
            Step::Pause(None) => f.write_str("pause"),
            Step::Rule(rule) if rule.weight == Weight::ALL => write!(f, "rule {}", rule.name),
            Step::Rule(rule) => write!(f, "rule {} {}", rule.name, rule.weight.as_percent()),
            Step::Mirror(mirror) => write!(f, "mirror {}", mirror.weight.as_percent()),
            Step::Analysis(span) => write!(f, "analysis {span}"),
        }
    }
}
