//! What all proxies counted of a Rollout: read from sums that are kept up to date, or from the reports where those are not.

use shunt_filter_core::RolloutId;
use shunt_filter_core::report::{EpochReport, LatencySlots, Report, ServiceReport};

use super::aggregates::{Aggregate, Freshness};
use super::sums::{Liveness, add_details};
use super::{NODES_MAX, Reports};
use shunt_spec::time::Time;

impl Reports {
    /// Counters of one service, summed over all VMs ever seen. Those that ended without a final report have nothing in flight:
    /// their open requests are lost, not running.
    pub fn service(&self, id: &RolloutId) -> ServiceReport {
        let Some(aggregate) = self.aggregates.get(id) else { return ServiceReport::default() };
        if aggregate.freshness == Freshness::Fresh && self.knows_firsts(id, aggregate.sum.epoch.as_ref()) {
            let mut sum = aggregate.sum.clone();
            self.put_firsts(id, sum.epoch.as_mut());
            return sum;
        }
        self.walk_service(id, &aggregate.holders)
    }

    /// The union of all VMs' reports of one epoch.
    pub fn epoch(&self, id: &RolloutId, epoch: u64) -> EpochReport {
        let nothing = EpochReport { epoch, ..EpochReport::default() };
        let Some(aggregate) = self.aggregates.get(id) else { return nothing };
        let fresh = aggregate.freshness == Freshness::Fresh && self.knows_firsts(id, aggregate.sum.epoch.as_ref());
        match &aggregate.sum.epoch {
            Some(sum) if fresh && sum.epoch == epoch => {
                let mut sum = sum.clone();
                self.put_firsts(id, Some(&mut sum));
                sum
            }
            Some(sum) if fresh && sum.epoch < epoch => nothing,
            None if fresh => nothing,
            _ => self.walk_epoch(id, epoch, &aggregate.holders),
        }
    }

    /// The same as [`Reports::service`], from the reports themselves.
    pub(super) fn walk_service<'n>(&self, id: &RolloutId, nodes: impl IntoIterator<Item = &'n String>) -> ServiceReport {
        let mut sum = self.left.get(id).cloned().unwrap_or_default();
        for node in nodes.into_iter().filter_map(|name| self.nodes.get(name)) {
            node.add_service(id, self.now, &mut sum);
        }
        self.put_firsts(id, sum.epoch.as_mut());
        sum
    }

    /// The same as [`Reports::epoch`], from the reports themselves.
    pub(super) fn walk_epoch<'n>(&self, id: &RolloutId, epoch: u64, nodes: impl IntoIterator<Item = &'n String>) -> EpochReport {
        let mut sum = EpochReport { epoch, ..EpochReport::default() };
        if let Some(left) = self.left.get(id).and_then(|left| left.epoch.as_ref()).filter(|left| left.epoch == epoch) {
            sum.add(left);
        }
        for node in nodes.into_iter().filter_map(|name| self.nodes.get(name)) {
            node.add_epoch(id, self.now, &mut sum);
        }
        self.put_firsts(id, Some(&mut sum));
        sum
    }

    fn put_firsts(&self, id: &RolloutId, sum: Option<&mut EpochReport>) {
        let Some(EpochReport { epoch, latency: Some(latency), .. }) = sum else { return };
        if let Some((_, firsts)) = self.firsts.get(id).filter(|(known, _)| *known == *epoch) {
            latency.first_slow = firsts.first_slow.clone();
        }
    }

    /// Whether the first slow slots of this epoch do not depend on the order in which reports are added up.
    fn knows_firsts(&self, id: &RolloutId, sum: Option<&EpochReport>) -> bool {
        let Some(sum) = sum.filter(|sum| sum.latency.is_some()) else { return true };
        self.firsts.get(id).is_some_and(|(known, _)| *known == sum.epoch)
    }

    /// Counts anew what did not only grow since the last time.
    pub(super) fn refresh(&mut self) {
        for (id, mut aggregate) in self.aggregates.take_marked() {
            match aggregate.freshness {
                Freshness::Fresh => {}
                Freshness::WithoutDetails => self.refresh_details(&id, &mut aggregate),
                Freshness::Stale => {
                    aggregate.holders.retain(|name| self.nodes.get(name).is_some_and(|node| node.holds(&id)));
                    aggregate.sum = self.walk_service(&id, &aggregate.holders);
                }
            }
            aggregate.freshness = Freshness::Fresh;
            self.aggregates.put(id, aggregate);
        }
    }

    fn refresh_details(&self, id: &RolloutId, aggregate: &mut Aggregate) {
        let Some(sum) = &mut aggregate.sum.epoch else { return };
        sum.exemplars.clear();
        if let Some(hanging) = &mut sum.hanging {
            hanging.versions.clear();
        }
        if let Some(left) = self.left.get(id) {
            add_details(sum, left, Liveness::Silent);
        }
        for node in aggregate.holders.iter().filter_map(|name| self.nodes.get(name)) {
            node.add_details(id, sum);
        }
    }

    /// Brings the sums in step with what this VM has reported just now.
    pub(super) fn aggregate(&mut self, name: &str, vm: &str, before: Option<&Report>, expired: Vec<RolloutId>) {
        let report = self.nodes.get(name).and_then(|node| node.report(vm));
        let before = |id: &RolloutId| before.and_then(|before| before.services.get(id));
        if report.is_none()
            && let Some(node) = self.nodes.get(name)
        {
            // Its last word is among what the proxy's ended VMs left.
            node.rollouts().for_each(|id| self.aggregates.hold(id, name));
        }
        self.aggregates.expire(expired);
        for (id, service) in report.into_iter().flat_map(|report| &report.services) {
            self.aggregates.take(id, name, before(id), service);
        }
        self.recount(name);
    }

    /// Counts the VMs of this proxy as living or silent as they are now.
    pub(super) fn recount(&mut self, name: &str) {
        let Some((expired, next)) = self.nodes.get_mut(name).map(|node| node.recount(self.now)) else { return };
        self.aggregates.expire(expired);
        self.next_silence = earliest(self.next_silence, next);
    }

    pub(super) fn note_firsts(&mut self, report: &Report) {
        let epochs = report.services.iter().filter_map(|(id, service)| Some((id, service.epoch.as_ref()?)));
        for (id, epoch, slots) in epochs.filter_map(|(id, epoch)| Some((id, epoch.epoch, epoch.latency.as_ref()?))) {
            self.note_first(id, epoch, slots);
        }
    }

    /// The first report of a slot wins: what is noted here never changes within an epoch, whichever proxy reports later or again.
    fn note_first(&mut self, id: &RolloutId, epoch: u64, slots: &LatencySlots) {
        if !self.firsts.contains_key(id) {
            if self.firsts.len() >= NODES_MAX {
                return;
            }
            self.firsts.insert(id.clone(), Default::default());
        }
        let Some((known, firsts)) = self.firsts.get_mut(id) else { return };
        if *known < epoch {
            (*known, *firsts) = (epoch, LatencySlots::default());
        }
        if *known == epoch && !firsts.seen.contains_all(&slots.seen) {
            firsts.add(slots);
        }
    }
}

/// Of two times, either of which may be missing.
pub(super) fn earliest(one: Option<Time>, other: Option<Time>) -> Option<Time> {
    one.into_iter().chain(other).min()
}
