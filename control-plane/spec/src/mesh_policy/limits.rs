//! Limits and prohibitions of the mesh policy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;

use super::MeshPolicySpec;
use super::settle::AsWritten;
use crate::problems::Problems;
use crate::schema::filter;
use crate::time::Span;

/// How loose a Rollout may be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Largest `maxExposed`, percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::Weight>")]
    pub max_exposed: Option<Weight>,
    /// Smallest `minSamples` of any metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_samples: Option<u64>,
    /// Shortest `keepOld`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_keep_old: Option<Span>,
    /// Longest `keepOld`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_keep_old: Option<Span>,
    /// Longest `progressDeadline`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_progress_deadline: Option<Span>,
    /// Shortest `drainDeadline`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_drain_deadline: Option<Span>,
    /// Longest `fallbackDeadline`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_fallback_deadline: Option<Span>,
}

/// Something no Rollout may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Prohibition {
    /// Any `mirror` step.
    Mirror,
    /// `unsafeMethods: true` in a `mirror` step.
    UnsafeMethods,
    /// No key chain: users would change version with every request.
    NoKey,
    /// `keyless: split`: users without a key would.
    KeylessSplit,
    /// `setWeight: 100` after less than 50.
    JumpToAll,
    /// Programs that the control plane starts: versions, gates, hooks and notifications by `command`.
    Command,
}

impl Prohibition {
    /// As written.
    pub fn as_str(self) -> &'static str {
        match self {
            Prohibition::Mirror => "mirror",
            Prohibition::UnsafeMethods => "unsafeMethods",
            Prohibition::NoKey => "noKey",
            Prohibition::KeylessSplit => "keylessSplit",
            Prohibition::JumpToAll => "jumpToAll",
            Prohibition::Command => "command",
        }
    }
}

impl Limits {
    pub(super) fn check(&self, problems: &mut Problems) {
        if self.max_exposed == Some(Weight::ZERO) {
            problems.add("spec.limits.maxExposed", "0 lets no user see a candidate, so no analysis could pass: write more than 0");
        }
        if self.min_samples == Some(0) {
            problems.add("spec.limits.minSamples", "0 limits nothing: write 1 or more, or remove it");
        }
        if let (Some(min), Some(max)) = (self.min_keep_old, self.max_keep_old)
            && min > max
        {
            problems.add("spec.limits.minKeepOld", format!("{min} is longer than maxKeepOld ({max}): write {max} or less"));
        }
    }
}

impl MeshPolicySpec {
    /// Defaults must keep the limits that they come with.
    pub(super) fn check_defaults(&self, problems: &mut Problems) {
        let (defaults, limits) = (&self.defaults, &self.limits);
        at_most("maxExposed", defaults.max_exposed, "maxExposed", limits.max_exposed, problems);
        at_least("minSamples", defaults.min_samples, "minSamples", limits.min_samples, problems);
        at_least("keepOld", defaults.keep_old, "minKeepOld", limits.min_keep_old, problems);
        at_most("keepOld", defaults.keep_old, "maxKeepOld", limits.max_keep_old, problems);
        at_most("progressDeadline", defaults.progress_deadline, "maxProgressDeadline", limits.max_progress_deadline, problems);
        at_least("drainDeadline", defaults.drain_deadline, "minDrainDeadline", limits.min_drain_deadline, problems);
        at_most("fallbackDeadline", defaults.fallback_deadline, "maxFallbackDeadline", limits.max_fallback_deadline, problems);
        if defaults.min_samples == Some(0) {
            problems.add("spec.defaults.minSamples", "0 would pass without a request: write 1 or more");
        }
        if defaults.key.as_ref().is_some_and(Vec::is_empty) && self.prohibit.contains(&Prohibition::NoKey) {
            problems.add("spec.defaults.key", "is empty while spec.prohibit has noKey: write at least one key, or remove one of the two");
        }
        if let Some(health) = &defaults.health {
            let _ = health.check("spec.defaults.health", problems);
        }
    }
}

fn at_most<T: PartialOrd + AsWritten>(name: &str, value: Option<T>, limit_name: &str, limit: Option<T>, problems: &mut Problems) {
    if let (Some(value), Some(limit)) = (value, limit)
        && value > limit
    {
        let (value, limit) = (value.as_written(), limit.as_written());
        problems.add(
            format!("spec.defaults.{name}"),
            format!("{value} is more than spec.limits.{limit_name} ({limit}): write {limit} or less"),
        );
    }
}

fn at_least<T: PartialOrd + AsWritten>(name: &str, value: Option<T>, limit_name: &str, limit: Option<T>, problems: &mut Problems) {
    if let (Some(value), Some(limit)) = (value, limit)
        && value < limit
    {
        let (value, limit) = (value.as_written(), limit.as_written());
        problems.add(
            format!("spec.defaults.{name}"),
            format!("{value} is less than spec.limits.{limit_name} ({limit}): write {limit} or more"),
        );
    }
}
