//! What one proxy told: its VMs, which of them live, and what those that ended left behind.

use std::collections::{BTreeMap, VecDeque};

use shunt_filter_core::RolloutId;
use shunt_filter_core::report::{EpochReport, Report, ServiceReport};

use super::sums::{add_epoch, add_service, close, misrouted};
use super::{GONE, ProxySeen, SILENT};
use crate::time::{Span, Time};

/// A VM is taken for dead after this long without a post when its proxy has connected anew meanwhile. Above the slowest heartbeat.
const SILENT_AFTER_RECONNECT: Span = Span::seconds(12);

/// A VM is taken for dead after this long without a post while its siblings post. Above the slowest heartbeat.
const SILENT_AMONG_SIBLINGS: Span = Span::seconds(15);

/// Ids of ended VMs that are remembered, so that a post overtaken by the final one does not bring a VM back.
const ENDED_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Node {
    vms: BTreeMap<String, Vm>,
    ended: VecDeque<String>,
    left: BTreeMap<RolloutId, ServiceReport>,
    /// As many living VMs as there ever were at once since this Envoy started.
    peak: usize,
    last: Time,
    closed: Option<Time>,
    opened: Time,
}

#[derive(Debug)]
struct Vm {
    report: Report,
    first: Time,
    last: Time,
    /// When it first reported its present generation.
    since: Time,
}

/// What one post brought.
pub(super) struct Taken {
    /// Something moved.
    pub(super) changed: bool,
    /// Services of which more requests were misrouted or unrouted.
    pub(super) misrouted: Vec<RolloutId>,
}

impl Node {
    /// None: an old post, or one of a VM that has ended.
    pub(super) fn take(&mut self, report: Report, now: Time) -> Option<Taken> {
        let old = self.vms.get(&report.vm);
        if self.ended.contains(&report.vm) || old.is_some_and(|vm| vm.report.sequence >= report.sequence) {
            return None;
        }
        self.last = now;
        let grew =
            |id: &RolloutId, new: &ServiceReport| misrouted(new) > old.and_then(|vm| vm.report.services.get(id)).map_or(0, misrouted);
        let taken = Taken {
            changed: report.last || old.is_none_or(|vm| vm.report.generation != report.generation || vm.report.services != report.services),
            misrouted: report.services.iter().filter(|(id, new)| grew(id, new)).map(|(id, _)| id.clone()).collect(),
        };
        let first = old.map_or(now, |vm| vm.first);
        let since = old.filter(|vm| vm.report.generation == report.generation).map_or(now, |vm| vm.since);
        let (vm, last) = (report.vm.clone(), report.last);
        self.vms.insert(vm.clone(), Vm { report, first, last: now, since });
        if last {
            self.end(&vm);
        }
        self.bury(now);
        self.count(now);
        Some(taken)
    }

    fn end(&mut self, vm: &str) {
        let Some(vm) = self.vms.remove(vm) else { return };
        for (id, service) in vm.report.services {
            add_service(self.left.entry(id).or_default(), &close(service));
        }
        self.ended.push_back(vm.report.vm);
        if self.ended.len() > ENDED_MAX {
            self.ended.pop_front();
        }
        if vm.report.last {
            self.peak = self.peak.saturating_sub(1);
        }
    }

    /// VMs that ended without a last word long ago: their counters stay, their open requests are lost.
    fn bury(&mut self, now: Time) {
        let dead: Vec<String> = self.vms.iter().filter(|(_, vm)| now.since(vm.last) >= GONE).map(|(id, _)| id.clone()).collect();
        for id in dead {
            self.end(&id);
        }
    }

    fn count(&mut self, now: Time) {
        let living = self.vms.values().filter(|vm| self.lives(vm, now)).count();
        let all_new = self.vms.values().filter(|vm| self.lives(vm, now)).all(|vm| vm.first >= self.opened);
        let restarted = self.opened > Time::default() && all_new;
        self.peak =
            if restarted { living.max(self.vms.values().filter(|vm| vm.first >= self.opened).count()) } else { self.peak.max(living) };
    }

    fn lives(&self, vm: &Vm, now: Time) -> bool {
        let patience = if vm.last < self.opened { SILENT_AFTER_RECONNECT } else { SILENT };
        now.since(vm.last) < patience
    }

    fn living(&self, now: Time) -> impl Iterator<Item = &Vm> {
        self.vms.values().filter(move |vm| self.lives(vm, now))
    }

    pub(super) fn silent(&self, now: Time) -> bool {
        self.living(now).next().is_none()
    }

    /// It said its last word, or its connection is closed and it has been silent since.
    pub(super) fn gone(&self, now: Time) -> bool {
        let said_so = self.vms.is_empty() && !self.ended.is_empty();
        said_so || self.closed.is_some_and(|at| now.since(at.max(self.last)) >= GONE)
    }

    /// When the last living VM reported `generation` or a later one; none while one is behind or missing.
    pub(super) fn reached(&self, generation: u64, now: Time) -> Option<Time> {
        let mut since = None;
        let mut living = 0_usize;
        for vm in self.living(now) {
            if vm.report.generation < generation {
                return None;
            }
            living = living.saturating_add(1);
            since = since.max(Some(vm.since));
        }
        since.filter(|_| living >= self.peak)
    }

    /// Fewer VMs post than there were.
    pub(super) fn wounded(&self, now: Time) -> bool {
        let quiet = |vm: &&Vm| self.last.since(vm.last) >= SILENT_AMONG_SIBLINGS;
        let posting = self.living(now).filter(|vm| !quiet(vm)).count();
        posting > 0 && posting < self.peak
    }

    pub(super) fn connection(&mut self, open: bool, now: Time) {
        if open {
            self.closed = None;
            self.opened = now;
        } else {
            self.closed.get_or_insert(now);
        }
    }

    pub(super) fn last(&self) -> Time {
        self.last
    }

    pub(super) fn highest_generation(&self) -> u64 {
        self.vms.values().map(|vm| vm.report.generation).max().unwrap_or(0)
    }

    pub(super) fn seen(&self, name: &str, now: Time) -> ProxySeen {
        ProxySeen {
            node: name.to_owned(),
            generation: self.living(now).map(|vm| vm.report.generation).min().unwrap_or(0),
            vms: u32::try_from(self.living(now).count()).unwrap_or(u32::MAX),
            last: self.last,
            silent: self.silent(now),
        }
    }

    pub(super) fn add_service(&self, id: &RolloutId, now: Time, sum: &mut ServiceReport) {
        if let Some(left) = self.left.get(id) {
            add_service(sum, left);
        }
        for vm in self.vms.values() {
            if let Some(service) = vm.report.services.get(id) {
                if self.lives(vm, now) { add_service(sum, service) } else { add_service(sum, &close(service.clone())) }
            }
        }
    }

    pub(super) fn add_epoch(&self, id: &RolloutId, sum: &mut EpochReport) {
        let of_vms = self.vms.values().filter_map(|vm| vm.report.services.get(id));
        for epoch in of_vms.chain(self.left.get(id)).filter_map(|service| service.epoch.as_ref()) {
            if epoch.epoch == sum.epoch {
                add_epoch(sum, epoch);
            }
        }
    }
}
