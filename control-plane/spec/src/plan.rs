//! What a Rollout will do: its specification with defaults filled in and everything checked.

mod analysis;
mod backend;
pub mod call;
mod event_kind;
pub mod external_metrics;
mod goal;
pub mod metric;
mod notification;
mod rule;
mod step;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::matching::regex_work;
use shunt_filter_core::policy::{KeySource, Keyless};
use shunt_filter_core::{RolloutId, VersionName, Weight};

use self::call::CallSpec;
use crate::time::Span;
pub use analysis::AnalysisPlan;
pub use backend::{Backend, CommandBackend, Probe, RegisteredBackend};
pub use event_kind::EventKind;
pub use goal::{ExternalGoal, FiguresAsked, TestGoal};
pub use notification::{Format, Notification};
pub use rule::{PlannedRule, Role};
pub use step::{AbTestStep, Arm, ExperimentStep, MirrorStep, OnWinner, Scale, Step, StepKind};

/// How long users may be without an answer while requests are held, when nothing else is said.
pub const HELD_DEADLINE: Span = Span::seconds(30);

/// A compiled Rollout: cannot contradict itself, defaults are filled in. Made by [`crate::manifest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    /// Which strategy the steps came from.
    #[serde(default)]
    pub strategy: Strategy,
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
    /// How long requests may be held before stable comes back (recreate); none: they are never held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_deadline: Option<Span>,
    /// How long requests in flight may take to end before a version goes away.
    pub drain_deadline: Span,
    /// How long the proxies may answer the candidate's requests from stable (no healthy endpoint) before the release aborts.
    pub fallback_deadline: Span,
    /// How long an abort may keep requests on the candidate that stable cannot carry yet.
    #[serde(default)]
    pub abort_over: Span,
    /// Going back to a version that was stable at most this long ago needs no steps.
    #[serde(default)]
    pub rollback_window: Span,
    /// When a release may go forward; empty: always. Aborts and rollbacks always may.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// Asked all the while a run goes on; its yes ends the run.
    #[serde(default)]
    pub rollback_call: Option<CallSpec>,
    /// What is done after something happened; a release does not wait for it.
    #[serde(default)]
    pub hooks: Vec<Hook>,
    /// Who is told what happens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<Notification>,
    /// Active health checks of endpoints, when wanted.
    pub health: Option<HealthCheck>,
    /// Longest time a request may take; none: Envoy's default of 15 s.
    pub timeout: Option<Span>,
    /// What ends streams.
    #[serde(default, skip_serializing_if = "Timeouts::are_default")]
    pub timeouts: Timeouts,
    /// What upstreams speak.
    #[serde(default)]
    pub protocol: Protocol,
    /// True when the manifest is gone: the Rollout is on its way out. Set by the platform, not by compiling.
    pub gone: bool,
    /// Where values came from that the Rollout does not set itself, for `explain`: field path -> source.
    pub sources: BTreeMap<String, String>,
}

impl Plan {
    /// The version of that name.
    pub fn version(&self, name: &VersionName) -> Option<&Version> {
        self.versions.iter().find(|v| v.name == *name)
    }

    /// The A/B test of a step; none: it is something else.
    pub fn test(&self, step: usize) -> Option<&AbTestStep> {
        match self.steps.get(step)? {
            Step::AbTest(test) => Some(test.as_ref()),
            _ => None,
        }
    }

    /// The most that its regular expressions can cost one request, in the unit of [`shunt_filter_core::limits::REGEX_WORK`].
    pub fn regex_work(&self) -> usize {
        let of_step = |step: &Step| match step {
            Step::Rule(rule) => regex_work(&rule.matches),
            Step::Mirror(mirror) => regex_work(&mirror.matches),
            Step::AbTest(test) => {
                let goals = test.goals.iter().map(|goal| regex_work(&goal.policy().matches));
                goals.fold(regex_work(&test.matches), usize::saturating_add)
            }
            _ => 0,
        };
        let rules = self.rules.iter().map(|rule| regex_work(&rule.matches));
        rules.chain(self.steps.iter().map(of_step)).fold(0, usize::saturating_add)
    }

    /// What lets it show the candidate to more users.
    pub fn progress(&self) -> Progress {
        let flag = matches!(self.routing, Routing::Flag { .. });
        match self.strategy {
            Strategy::Recreate | Strategy::RollingUpdate | Strategy::BlueGreen if !flag => Progress::Readiness,
            // A value is always ready, which says nothing about it.
            _ => Progress::Pass,
        }
    }

    /// Steps in which both arms have weight, at least 1: the error of a comparison with stable is divided over them.
    pub fn compared_steps(&self) -> u32 {
        let both = |step: &&Step| match step {
            Step::SetWeight(weight) => *weight > Weight::ZERO && *weight < Weight::ALL,
            Step::AbTest(_) | Step::Experiment(_) => true,
            _ => false,
        };
        u32::try_from(self.steps.iter().filter(both).count()).unwrap_or(u32::MAX).max(1)
    }
}

/// What ends streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeouts {
    /// Nothing sent in either direction for so long; none: the listener's default; zero: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle: Option<Span>,
    /// So long after it began; none: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Span>,
}

impl Timeouts {
    /// Whether the Rollout says nothing.
    pub fn are_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A strategy by its name; all of them are lists of steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    /// Old down, new up; requests are held meanwhile.
    Recreate,
    /// Batches of instances.
    RollingUpdate,
    /// All at once, the old one kept warm.
    BlueGreen,
    /// Steps as written, or the default ones.
    #[default]
    Canary,
    /// Arms compared by goals.
    AbTest,
    /// Copies, whose answers no user sees.
    Shadow,
}

/// What lets a release show the candidate to more users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// A pass of the analysis: above `maxExposed`, and for the promotion.
    Pass,
    /// Instances that are ready; a failure of the analysis ends it all the same.
    Readiness,
}

/// The first share of keys that steps give to one version: what `maxExposed` is when no manifest says it. Everybody where no step gives
/// any: before the promotion there is nothing to judge.
pub fn first_weight(steps: &[Step]) -> Weight {
    steps.iter().filter_map(Step::largest_weight).find(|weight| *weight > Weight::ZERO).unwrap_or(Weight::ALL)
}

/// A time of the week in which a release may go forward.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Days, Monday = 1 to Sunday = 7; never empty.
    pub days: Vec<u8>,
    /// First minute of the day, 0 to 1439.
    pub from_minute: u16,
    /// One past the last minute, at most 1440; after `from_minute`.
    pub to_minute: u16,
    /// IANA time zone, for example `Europe/Vienna`.
    pub time_zone: String,
}

/// Something that is done after something happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    /// When.
    pub on: HookPoint,
    /// What.
    pub call: CallSpec,
}

/// After what a hook is called. (`beforeDeploy` and `beforeTraffic` are steps of their own: the release waits for them.)
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HookPoint {
    /// The candidate is stable.
    AfterPromote,
    /// A run ended without promotion: aborted, failed, or rolled back.
    OnRollback,
    /// A release replaced a refused one, or one that could no longer go back.
    OnRollForward,
    /// A step was entered: for load tests.
    OnStep,
}

/// What upstreams speak. Callers may use HTTP/1.1 or HTTP/2 either way; gRPC needs HTTP/2.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Routing {
    /// The control plane owns them.
    Managed,
    /// The user's own Envoy configuration; its default route names this version, always.
    External {
        /// `service.defaultRoute`.
        default_route: VersionName,
    },
    /// The versions are values of this feature flag, handed on in a header: there is nothing to route.
    Flag {
        /// Its key in `x-shunt-flags`.
        name: String,
        /// The version whose value an absent flag means, as those who read it have it built in: it never changes by a release.
        default: VersionName,
    },
}

/// One version and where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    /// Its name.
    pub name: VersionName,
    /// Where its instances are.
    pub backend: Backend,
}

/// Active health checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
