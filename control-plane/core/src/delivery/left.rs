//! What VMs and proxies that have ended counted: added up, within a bound. What does not fit any more is left out; nothing that stands
//! there is lost.

use std::collections::BTreeMap;

use shunt_filter_core::RolloutId;
use shunt_filter_core::footprint::Footprint;
use shunt_filter_core::report::ServiceReport;

use super::sums::add_service;

/// Bytes of memory that it takes at most: some 10,000 services with counters.
pub(super) const LEFT_MAX: usize = 32 * 1024 * 1024;

/// Sums by service.
#[derive(Debug, Default)]
pub(super) struct Left {
    services: BTreeMap<RolloutId, ServiceReport>,
    footprint: usize,
}

impl Left {
    /// Adds one service's counters.
    pub(super) fn add(&mut self, id: RolloutId, service: &ServiceReport) {
        let (before, more) = (self.services.get(&id).map_or(0, Footprint::footprint), service.footprint());
        if self.footprint.saturating_add(more) > LEFT_MAX {
            return;
        }
        let sum = self.services.entry(id).or_default();
        add_service(sum, service);
        self.footprint = self.footprint.saturating_sub(before).saturating_add(sum.footprint());
    }

    /// Adds all of another one.
    pub(super) fn add_all(&mut self, other: Self) {
        other.services.into_iter().for_each(|(id, service)| self.add(id, &service));
    }

    pub(super) fn get(&self, id: &RolloutId) -> Option<&ServiceReport> {
        self.services.get(id)
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &RolloutId> {
        self.services.keys()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &ServiceReport> {
        self.services.values()
    }

    /// Bytes of memory that it takes.
    pub(super) fn footprint(&self) -> usize {
        self.footprint
    }
}
