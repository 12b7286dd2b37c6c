//! What users write: a Rollout, raw, as it stands in the manifest. [`crate::compile()`] checks it and makes the plan.
//!
//! Everything is optional here, so that all that is missing or wrong can be told at once. Matches, keys, weights and cookie
//! attributes are the types of `shunt-filter-core`, unchanged.

pub mod analysis;
pub mod calls;
pub mod flag;
pub mod health;
pub mod hooks;
pub mod notifications;
mod programs;
pub mod quantity;
pub mod rule;
pub mod service;
pub mod strategy;
pub mod unsupported;
pub mod version;
pub mod window;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::policy::{KeySource, Keyless};
use shunt_filter_core::{RolloutId, VersionName, Weight};

use crate::plan::Version;
use crate::schema::filter;
use crate::time::Span;
pub use analysis::AnalysisSpec;
pub use calls::{GateSpec, HookSpec, WebhookSpec};
pub use flag::FlagSpec;
pub use health::HealthSpec;
pub use hooks::{GatesSpec, HooksSpec};
pub use notifications::NotificationSpec;
pub use rule::RuleSpec;
pub use service::ServiceSpec;
pub use strategy::StrategySpec;
pub use version::VersionSpec;
pub use window::WindowSpec;

/// `kind: Rollout`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Namespace (`default` when the manifest names none) and name.
    pub id: RolloutId,
    /// What it says.
    pub spec: RolloutSpec,
    /// The path of each field that it says, for example `spec.keepOld`: what is written there may be what it would be anyway.
    pub fields: BTreeSet<String>,
}

impl Rollout {
    /// Whether it says something at this path.
    pub fn says(&self, path: &str) -> bool {
        self.fields.contains(path)
    }
}

/// `spec` of a Rollout.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutSpec {
    /// What callers ask for. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub service: Option<ServiceSpec>,
    /// All versions. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    #[schemars(length(min = 1, max = 64))]
    pub versions: Option<Vec<VersionSpec>>,
    /// The feature flag whose values the versions are. With `value` versions only, and required there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flag: Option<FlagSpec>,
    /// The version that should be stable. Required. Changing it runs the strategy; changing it back rolls back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "filter::VersionName")]
    pub release: Option<VersionName>,
    /// Key chain. Default: the mesh policy's; without one, the request id (not sticky).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<filter::KeySource>>")]
    pub key: Option<Vec<KeySource>>,
    /// What happens when nothing of the key chain is present. Default: stable answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::Keyless>")]
    pub keyless: Option<Keyless>,
    /// Long-lived rules, independent of a release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Vec<RuleSpec>>,
    /// How a new release is rolled out. Default: [`strategy::default_steps`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<StrategySpec>,
    /// What guards a release. Default: errors no worse than stable's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<AnalysisSpec>,
    /// Percent of keys that may go to the candidate before the analysis has passed once. Default: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::Weight>")]
    pub max_exposed: Option<Weight>,
    /// How long the old version stays warm after a promotion. Default: 30m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_old: Option<Span>,
    /// How an abort gives keys back where stable has given up instances. Default: as its instances come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_abort: Option<OnAbortSpec>,
    /// Going back to a version that was stable at most this long ago needs no steps. Default: 0s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_window: Option<Span>,
    /// When a release may go forward. Default: always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub windows: Option<Vec<WindowSpec>>,
    /// How long a proof, a pass or readiness may take before the run is paused. Default: 10m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress_deadline: Option<Span>,
    /// How long requests in flight may take to end before their version goes away. Default: 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_deadline: Option<Span>,
    /// How long proxies may answer the candidate's requests from stable before the release aborts. Default: 1m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback_deadline: Option<Span>,
    /// Who is asked before a release goes on. Default: no gate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gates: Option<GatesSpec>,
    /// What is done around a release. Default: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hooks: Option<HooksSpec>,
    /// Who is told what happens. Default: no receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notifications: Option<Vec<NotificationSpec>>,
    /// Active health checks of endpoints. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthSpec>,
    /// Longest time a request may take. Default: Envoy's 15s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// `onAbort`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnAbortSpec {
    /// How long the candidate may keep those whom stable cannot carry yet. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub over: Option<Span>,
}

/// Who routes to the versions, as far as they say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Clusters and routes are Shunt's.
    Shunt,
    /// Versions are clusters of the user's own Envoy.
    User,
    /// No proxy: versions are values of a flag.
    Flag,
}

impl Owner {
    /// The one that any version names, beside Shunt; that all agree is checked elsewhere.
    pub(crate) fn of(versions: &[Version]) -> Self {
        let of = |version: &Version| match &version.backend {
            backend if backend.owns_routes() => Owner::User,
            backend if backend.has_endpoints() => Owner::Shunt,
            _ => Owner::Flag,
        };
        versions.iter().map(of).find(|owner| *owner != Owner::Shunt).unwrap_or(Owner::Shunt)
    }

    /// Why a field that is about clusters or routes makes no sense, and what to do; none: it does.
    pub(crate) fn refuses(self, what: &str, yours: &str) -> Option<String> {
        match self {
            Owner::Shunt => None,
            Owner::User => Some(format!("needs {what} that Shunt owns: set {yours}, and remove it here")),
            Owner::Flag => Some("has no meaning for a feature flag, which routes nothing: remove it".to_owned()),
        }
    }
}
