//! Which addresses of instances are in discovery.

use std::collections::{BTreeMap, BTreeSet};

use shunt_core::desired::Desired;
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::plan::Backend;

use super::Instances;
use crate::rollouts::Rollouts;

impl Instances {
    /// What is in discovery now.
    pub(super) fn discover(&mut self) {
        let mut now: BTreeMap<RolloutId, BTreeMap<VersionName, Vec<String>>> = BTreeMap::new();
        for ((rollout, version), pool) in &self.pools {
            now.entry(rollout.clone()).or_default().insert(version.clone(), pool.discovered());
        }
        self.discovery.retain(|rollout, _| now.contains_key(rollout));
        for (rollout, addresses) in now {
            let (revision, known) = self.discovery.entry(rollout).or_default();
            if *known != addresses {
                (*revision, *known) = (revision.saturating_add(1), addresses);
            }
        }
    }

    /// Changes whenever [`Instances::fill`] would fill in something else.
    pub(crate) fn revision(&self, id: &RolloutId) -> u64 {
        self.discovery.get(id).map_or(0, |(revision, _)| *revision)
    }

    /// Versions that answer users and whose instances are ours to know, of which none is there.
    pub(crate) fn lacking(&self, rollouts: &Rollouts) -> Vec<String> {
        let mut lacking = Vec::new();
        for stored in rollouts.all() {
            let state = &stored.state;
            let keys = state.run.iter().flat_map(|run| &run.ranges).map(|range| &range.version);
            let answer: BTreeSet<&VersionName> = keys.chain([&state.stable, state.default_route.target()]).collect();
            for name in answer {
                let backend = state.installed.get(name).map(|installed| &installed.backend);
                let known = self.discovery.get(&stored.plan.id).and_then(|(_, known)| known.get(name));
                let ours = backend.is_some_and(Backend::has_instances);
                if ours && known.is_none_or(Vec::is_empty) {
                    lacking.push(format!("{} {name}", stored.plan.id));
                }
            }
        }
        lacking
    }

    /// Addresses of instances, where a version's are ours to know.
    pub(crate) fn fill(&self, id: &RolloutId, desired: &mut Desired) {
        let known = self.discovery.get(id).map(|(_, known)| known);
        for version in desired.routes.iter_mut().flat_map(|routes| &mut routes.versions) {
            if version.backend.has_instances() {
                let addresses = known.and_then(|known| known.get(&version.name)).cloned().unwrap_or_default();
                version.backend = Backend::at(addresses);
            }
        }
    }
}
