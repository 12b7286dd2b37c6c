//! Which addresses of instances are in discovery.

use std::collections::BTreeMap;

use shunt_core::desired::Desired;
use shunt_core::plan::Backend;
use shunt_filter_core::{RolloutId, VersionName};

use super::Instances;

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

    /// Addresses of instances, where a version's are ours to know.
    pub(crate) fn fill(&self, id: &RolloutId, desired: &mut Desired) {
        let known = self.discovery.get(id).map(|(_, known)| known);
        for version in desired.routes.iter_mut().flat_map(|routes| &mut routes.versions) {
            match version.backend {
                Backend::Command(_) | Backend::Registered(_) => {
                    let addresses = known.and_then(|known| known.get(&version.name)).cloned().unwrap_or_default();
                    version.backend = Backend::Endpoints(addresses);
                }
                Backend::Endpoints(_) | Backend::Cluster(_) | Backend::Value(_) => {}
            }
        }
    }
}
