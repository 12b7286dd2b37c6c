//! What one proxy counted, as part of the sums of its Rollouts.

use shunt_filter_core::RolloutId;
use shunt_filter_core::report::{EpochReport, ServiceReport};

use super::{Node, patience};
use crate::delivery::left::Left;
use crate::delivery::sums::{Liveness, add_details, add_epoch, add_service, close};
use shunt_spec::time::Time;

impl Node {
    /// Counts VMs as living or silent as they are now. The Rollouts of those that are no longer what they were, and the earliest time at
    /// which another one may go silent.
    pub(in crate::delivery) fn recount(&mut self, now: Time) -> (Vec<RolloutId>, Option<Time>) {
        let (mut changed, mut next) = (Vec::new(), None);
        let opened = self.opened;
        for vm in self.vms.values_mut() {
            let silent_at = vm.last.after(patience(vm.last, opened));
            let counted = if silent_at > now { Liveness::Lives } else { Liveness::Silent };
            if counted == Liveness::Lives {
                next = Some(next.map_or(silent_at, |next: Time| next.min(silent_at)));
            }
            if vm.counted != counted {
                vm.counted = counted;
                changed.extend(vm.report.services.keys().cloned());
            }
        }
        (changed, next)
    }

    /// All Rollouts of which it reported anything, also by VMs that have ended.
    pub(in crate::delivery) fn rollouts(&self) -> impl Iterator<Item = &RolloutId> {
        self.vms.values().flat_map(|vm| vm.report.services.keys()).chain(self.left.keys())
    }

    /// Whether it reported anything of this one.
    pub(in crate::delivery) fn holds(&self, id: &RolloutId) -> bool {
        self.left.get(id).is_some() || self.vms.values().any(|vm| vm.report.services.contains_key(id))
    }

    /// What it counted, for a sum that outlives it. Nothing of a proxy that is gone is in flight.
    pub(in crate::delivery) fn leave(self, sums: &mut Left) {
        sums.add_all(self.left);
        for (id, service) in self.vms.into_values().flat_map(|vm| vm.report.services) {
            sums.add(id, &close(service));
        }
    }

    pub(in crate::delivery) fn add_service(&self, id: &RolloutId, now: Time, sum: &mut ServiceReport) {
        if let Some(left) = self.left.get(id) {
            add_service(sum, left);
        }
        for vm in self.vms.values() {
            if let Some(service) = vm.report.services.get(id) {
                if self.lives(vm, now) { add_service(sum, service) } else { add_service(sum, &close(service.clone())) }
            }
        }
    }

    pub(in crate::delivery) fn add_details(&self, id: &RolloutId, sum: &mut EpochReport) {
        if let Some(left) = self.left.get(id) {
            add_details(sum, left, Liveness::Silent);
        }
        for vm in self.vms.values() {
            if let Some(service) = vm.report.services.get(id) {
                add_details(sum, service, vm.counted);
            }
        }
    }

    pub(in crate::delivery) fn add_epoch(&self, id: &RolloutId, now: Time, sum: &mut EpochReport) {
        if let Some(left) = self.left.get(id) {
            add_epoch(sum, left);
        }
        for vm in self.vms.values() {
            if let Some(service) = vm.report.services.get(id) {
                if self.lives(vm, now) { add_epoch(sum, service) } else { add_epoch(sum, &close(service.clone())) }
            }
        }
    }
}
