//! Versions and deadlines.

use std::collections::BTreeMap;

use super::Lint;
use crate::mesh_policy::BUILT_IN;
use crate::plan::{Backend, Routing};
use crate::time::Span;

impl Lint<'_> {
    pub(super) fn versions(&mut self) {
        let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
        for (index, version) in self.plan.versions.iter().enumerate() {
            let (field, places) = match &version.backend {
                Backend::Endpoints(endpoints) => ("endpoints", endpoints.as_slice()),
                Backend::Cluster(cluster) => ("cluster", std::slice::from_ref(cluster)),
                Backend::Command(_) | Backend::Registered(_) | Backend::Value(_) => continue,
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
        if self.plan.routing != Routing::Managed && self.origin.has("spec.fallbackDeadline") {
            self.warn(
                "spec.fallbackDeadline",
                "does nothing with your own routes, where a candidate without instances is not answered by stable: remove it",
            );
        }
    }
}
