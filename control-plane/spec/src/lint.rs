//! Warnings: what is allowed and probably not meant, each with its field and what to write instead.

mod analysis;
mod external_metrics;
mod steps;

use std::collections::{BTreeMap, BTreeSet};

use shunt_filter_core::Weight;
use shunt_filter_core::policy::{KeySource, Keyless};

use crate::manifest::{Document, ManifestError};
use crate::mesh_policy::BUILT_IN;
use crate::plan::{Plan, Role, Routing, Scale, Step, Strategy};
use crate::problems::{FieldError, Problems};
use crate::rollout::Rollout;
use crate::rollout::strategy::paths;
use crate::time::Span;

/// A Rollout being looked at.
struct Lint<'a> {
    rollout: &'a Rollout,
    plan: &'a Plan,
    /// The field of each step.
    steps: Vec<String>,
    found: Problems,
}

/// All warnings about a Rollout that compiled to this plan.
pub fn lint(rollout: &Rollout, plan: &Plan) -> Vec<FieldError> {
    let steps = paths(rollout.spec.strategy.as_ref(), plan);
    let mut lint = Lint { rollout, plan, steps, found: Problems::new() };
    lint.key();
    lint.versions();
    lint.steps();
    lint.strategy();
    lint.analysis();
    lint.external_metrics();
    lint.external_goals();
    lint.found.into_found()
}

/// Feature flags on hosts that nothing routes: of a managed Envoy they answer 404. One warning for each flag with a host that no Rollout
/// among these routes. Of an Envoy with routes of its own, nothing is missing.
pub fn flags_alone(all: &[(&Document, &Plan)]) -> Vec<ManifestError> {
    let routed = |plan: &&Plan| !matches!(plan.routing, Routing::Flag { .. });
    let hosts: BTreeSet<&String> = all.iter().map(|(_, plan)| *plan).filter(routed).flat_map(|plan| &plan.hosts).collect();
    let flags = all.iter().filter(|(_, plan)| matches!(plan.routing, Routing::Flag { .. }));
    let warning = |(document, plan): &(&Document, &Plan)| {
        let alone = plan.hosts.iter().find(|host| !hosts.contains(host))?;
        let message = format!(
            "no Rollout here routes {alone}, and a flag brings no routes: an Envoy that gets its routes from the control plane answers 404 there. \
             Add a Rollout with service: {{hosts: [{alone}]}} and versions with endpoints; an Envoy with routes of its own needs nothing"
        );
        Some(document.origin.error("spec.service.hosts", message))
    };
    flags.filter_map(warning).collect()
}

impl Lint<'_> {
    /// The field of a step.
    fn step_path(&self, index: usize) -> String {
        self.steps.get(index).cloned().unwrap_or_else(|| "spec.strategy".to_owned())
    }

    fn warn(&mut self, path: impl Into<String>, message: impl std::fmt::Display) {
        self.found.add(path, message);
    }

    /// Keys: whether users keep their version.
    fn key(&mut self) {
        let chain = &self.plan.key;
        let Some(first) = chain.first() else {
            let message = "no key is configured, so every request is split anew and users change version all the time: write for example [{cookie: shunt-id, generate: {maxAge: 30d}}]";
            return self.warn("spec.key", message);
        };
        if chain.len() > 1 && first.generate.is_none() {
            let message = format!(
                "users who come without {} and have it later (at login) change version then: put first what a user has from the beginning, for example a generated cookie",
                key_name(first)
            );
            self.warn("spec.key[0]", message);
        }
        if self.plan.keyless == Keyless::Split {
            self.warn(
                "spec.keyless",
                "users without a key change version with every request: write stable, or add an entry with generate to key",
            );
        }
    }

    /// Versions and deadlines.
    fn versions(&mut self) {
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for (index, version) in self.plan.versions.iter().enumerate() {
            let (field, places) = match (version.backend.endpoints(), version.backend.cluster()) {
                (Some(endpoints), _) => ("endpoints", endpoints),
                (None, Some(cluster)) => ("cluster", std::slice::from_ref(cluster)),
                (None, None) => continue,
            };
            for place in places {
                if let Some(owner) = owners.get(place.as_str()) {
                    let message = format!(
                        "{place:?} is where {owner} runs too: a difference between the two versions cannot be seen; give each its own"
                    );
                    self.warn(format!("spec.versions[{index}].{field}"), message);
                }
                owners.entry(place).or_insert(version.name.as_str());
            }
        }
        if self.plan.keep_old == Span::millis(0) && self.plan.sources.get("spec.keepOld").is_none_or(|source| source != BUILT_IN) {
            self.warn(
                "spec.keepOld",
                "0s keeps no way back: returning to the old version takes all the steps again; write for example 30m",
            );
        }
        if self.plan.drain_deadline == Span::millis(0) {
            self.warn("spec.drainDeadline", "0s cuts the requests in flight of a version that goes away: write for example 30s");
        }
        if self.plan.routing != Routing::Managed && self.rollout.says("spec.fallbackDeadline") {
            self.warn(
                "spec.fallbackDeadline",
                "does nothing with your own routes, where a candidate without instances is not answered by stable: remove it",
            );
        }
    }

    /// Fields that do nothing with the strategy, and instances that are ready too early.
    fn strategy(&mut self) {
        let shrinks = |step: &Step| matches!(step, Step::Scale(Scale { role: Role::Stable, share }) if *share < Weight::ALL);
        // Recreate holds everybody until the one or the other is there again.
        let gives_up = self.plan.strategy != Strategy::Recreate && self.plan.steps.iter().any(shrinks);
        if self.rollout.says("spec.onAbort") && !gives_up {
            let message = "does nothing: stable keeps all its instances with this strategy, so an abort moves everybody at once; remove it";
            self.warn("spec.onAbort", message);
        }
        if self.rollout.says("spec.rollbackWindow") && self.plan.strategy == Strategy::Recreate {
            self.warn("spec.rollbackWindow", "does nothing: with recreate the way back is a recreate too; remove it");
        }
        if self.plan.strategy == Strategy::RollingUpdate {
            self.probes();
        }
    }

    /// A rolling update goes on with whatever counts as ready.
    fn probes(&mut self) {
        for (index, version) in self.plan.versions.iter().enumerate() {
            if version.backend.command().is_some_and(|command| command.probe.is_none()) {
                let message = "has no probe, so an instance is ready as soon as it accepts connections, and the update goes on with instances that may not answer yet: write probe: {path: /readyz}";
                self.warn(format!("spec.versions[{index}].command"), message);
            }
        }
    }
}

fn key_name(source: &KeySource) -> String {
    let named = [("cookie", &source.cookie), ("header", &source.header), ("query parameter", &source.query)];
    let found = named.into_iter().find_map(|(kind, name)| name.as_ref().map(|name| format!("{kind} {name}")));
    found.unwrap_or_else(|| "the first entry".to_owned())
}
