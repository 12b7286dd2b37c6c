//! What one proxy told: its VMs, which of them live, and what those that ended left behind.

mod contribution;

use std::collections::{BTreeMap, VecDeque};

use shunt_filter_core::footprint::Footprint;
use shunt_filter_core::report::{Report, ServiceReport};
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::time::{Span, Time};

use super::answers::{Growths, Seen, grown};
use super::left::Left;
use super::sums::{Liveness, close, misrouted};
use super::{GONE, ProxySeen, SILENT};

/// A VM is taken for dead after this long without a post when its proxy has connected anew meanwhile. Above the slowest heartbeat.
const SILENT_AFTER_RECONNECT: Span = Span::seconds(12);

/// A VM is taken for dead after this long without a post while its siblings post. Above the slowest heartbeat.
const SILENT_AMONG_SIBLINGS: Span = Span::seconds(15);

/// After a restart of the control plane a proxy proves nothing for so long since its first report: a push makes each VM report within
/// milliseconds, but a busy worker later than main, and who is missing is not known yet.
const ALL_HEARD: Span = Span::seconds(1);

/// Generations of a VM whose first report is remembered, so that pushes for others do not make old proofs young.
const REACHED_MAX: usize = 64;

/// Most VMs of one proxy that are kept apart. Envoy has one per worker and one for main; bounds memory against made-up ids.
const VMS_MAX: usize = 1_024;

/// Ids of ended VMs that are remembered, so that a post overtaken by the final one does not bring a VM back.
const ENDED_MAX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Node {
    /// It was ever connected, on record or certified; otherwise nothing but its reports says that it is there.
    known: bool,
    vms: BTreeMap<String, Vm>,
    ended: VecDeque<String>,
    left: Left,
    /// As many VMs as there ever were at once since this Envoy started.
    peak: usize,
    /// VMs that reported before this belong to an Envoy process that has ended.
    era: Time,
    /// When the connection was lost last: an Envoy that started anew has no VM from before.
    lost: Time,
    last: Time,
    /// It was recorded before this process began, at this time.
    recorded: Option<Time>,
    /// When it reported first.
    heard: Option<Time>,
    closed: Option<Time>,
    opened: Time,
    /// When more requests were misrouted or unrouted last.
    last_misrouted: Option<Time>,
}

#[derive(Debug)]
struct Vm {
    report: Report,
    /// Bytes of memory that the report takes.
    footprint: usize,
    first: Time,
    last: Time,
    /// Generations, ascending, each with the time of the first report of it.
    reached: VecDeque<(u64, Time)>,
    growths: Growths,
    /// As which it is part of the sums of its Rollouts.
    counted: Liveness,
}

impl Vm {
    /// When it first reported `generation` or a later one.
    fn reached(&self, generation: u64) -> Option<Time> {
        self.reached.iter().find(|(reached, _)| *reached >= generation).map(|(_, at)| *at)
    }
}

/// How long a VM may be silent that posted last at this time.
fn patience(last: Time, opened: Time) -> Span {
    if last < opened { SILENT_AFTER_RECONNECT } else { SILENT }
}

/// With one more report.
fn record_generation(mut reached: VecDeque<(u64, Time)>, generation: u64, now: Time) -> VecDeque<(u64, Time)> {
    reached.retain(|(known, _)| *known <= generation);
    if reached.back().is_none_or(|(known, _)| *known < generation) {
        reached.push_back((generation, now));
    }
    if reached.len() > REACHED_MAX {
        reached.pop_front();
    }
    reached
}

/// What one post brought.
pub(super) struct Taken {
    /// Something moved.
    pub(super) changed: bool,
    /// Services of which more requests were misrouted or unrouted.
    pub(super) misrouted: Vec<RolloutId>,
    /// What this VM reported before.
    pub(super) before: Option<Report>,
    /// Services whose sums are to be counted anew, because a VM ended or came back.
    pub(super) expired: Vec<RolloutId>,
}

impl Node {
    /// None: an old post, or one of a VM that has ended.
    pub(super) fn take(&mut self, report: Report, now: Time) -> Option<Taken> {
        if !self.accepts(&report) {
            return None;
        }
        let old = self.vms.get(&report.vm);
        self.last = now;
        self.heard.get_or_insert(now);
        let grew =
            |id: &RolloutId, new: &ServiceReport| misrouted(new) > old.and_then(|vm| vm.report.services.get(id)).map_or(0, misrouted);
        let mut taken = Taken {
            changed: report.last || old.is_none_or(|vm| vm.report.generation != report.generation || vm.report.services != report.services),
            misrouted: report.services.iter().filter(|(id, new)| grew(id, new)).map(|(id, _)| id.clone()).collect(),
            before: None,
            expired: Vec::new(),
        };
        if !taken.misrouted.is_empty() {
            self.last_misrouted = Some(now);
        }
        let old = self.vms.remove(&report.vm);
        let counted = old.as_ref().is_some_and(|vm| vm.first >= self.era);
        let (vm, last) = (report.vm.clone(), report.last);
        let new = match old {
            Some(Vm { report: before, footprint: _, first, last: _, reached, growths, counted }) => {
                let growths = grown(growths, Some(&before), &report, now);
                let reached = record_generation(reached, report.generation, now);
                if counted == Liveness::Silent {
                    taken.expired.extend(before.services.keys().chain(report.services.keys()).cloned());
                }
                taken.expired.extend(before.services.keys().filter(|id| !report.services.contains_key(id)).cloned());
                taken.before = Some(before);
                Vm { footprint: report.footprint(), report, first, last: now, reached, growths, counted: Liveness::Lives }
            }
            None => {
                let growths = grown(Growths::new(), None, &report, now);
                let reached = record_generation(VecDeque::new(), report.generation, now);
                Vm { footprint: report.footprint(), report, first: now, last: now, reached, growths, counted: Liveness::Lives }
            }
        };
        self.vms.insert(vm.clone(), new);
        if last {
            taken.expired.extend(self.end(&vm));
            // It is not missing from now on.
            self.peak = self.peak.saturating_sub(usize::from(counted));
        }
        taken.expired.extend(self.end_dead_vms(now));
        self.count(now);
        Some(taken)
    }

    /// Whether this is no old post, nor one of a VM that has ended or has no place.
    pub(super) fn accepts(&self, report: &Report) -> bool {
        match self.vms.get(&report.vm) {
            _ if self.ended.contains(&report.vm) => false,
            Some(vm) => vm.report.sequence < report.sequence,
            None => self.vms.len() < VMS_MAX,
        }
    }

    /// What this VM reported last; none: it has ended.
    pub(super) fn report(&self, vm: &str) -> Option<&Report> {
        self.vms.get(vm).map(|vm| &vm.report)
    }

    /// The Rollouts that it reported.
    fn end(&mut self, vm: &str) -> Vec<RolloutId> {
        let Some(vm) = self.vms.remove(vm) else { return Vec::new() };
        let ids = vm.report.services.keys().cloned().collect();
        for (id, service) in vm.report.services {
            self.left.add(id, &close(service));
        }
        self.ended.push_back(vm.report.vm);
        if self.ended.len() > ENDED_MAX {
            self.ended.pop_front();
        }
        ids
    }

    /// VMs that ended without a last word long ago: their counters stay, their open requests are lost. Only those that cannot come
    /// back, of an Envoy that has ended, and when there are far more than there ever lived: after an outage of the network all come back.
    /// The Rollouts that they reported.
    fn end_dead_vms(&mut self, now: Time) -> Vec<RolloutId> {
        let crowd = self.peak.saturating_mul(2).saturating_add(16);
        let crowded = self.vms.len() > crowd;
        let ended = |vm: &Vm| now.since(vm.last) >= GONE && (crowded || vm.first < self.era);
        let dead: Vec<String> = self.vms.iter().filter(|(_, vm)| ended(vm)).map(|(id, _)| id.clone()).collect();
        dead.iter().flat_map(|id| self.end(id)).collect()
    }

    fn count(&mut self, now: Time) {
        let all_new = self.living(now).all(|vm| vm.first >= self.lost) && !self.silent(now);
        if self.lost > self.era && all_new {
            self.era = self.lost;
            self.peak = 0;
        }
        self.peak = self.peak.max(self.at_once());
    }

    /// VMs that reported after the youngest one began, so that all of them lived at one moment: one that took the place of a dead one
    /// never met it.
    fn at_once(&self) -> usize {
        let youngest = self.vms.values().map(|vm| vm.first).max().unwrap_or_default();
        self.vms.values().filter(|vm| vm.first >= self.era && vm.last >= youngest).count()
    }

    fn lives(&self, vm: &Vm, now: Time) -> bool {
        now.since(vm.last) < patience(vm.last, self.opened)
    }

    fn living(&self, now: Time) -> impl Iterator<Item = &Vm> {
        self.vms.values().filter(move |vm| self.lives(vm, now))
    }

    pub(super) fn silent(&self, now: Time) -> bool {
        self.living(now).next().is_none()
    }

    /// It is known from before this process began.
    pub(super) fn remember(&mut self, now: Time) {
        self.recorded = Some(now);
        self.connection(false, now);
    }

    /// What it runs is not known: it is connected, or was when it was recorded, has not reported to this process, and had little time
    /// for that. Its listener may serve users already.
    pub(super) fn unheard(&self, now: Time) -> bool {
        let connected = self.closed.is_none().then_some(self.opened).filter(|at| *at > Time::default());
        self.heard.is_none() && self.recorded.into_iter().chain(connected).any(|at| now.since(at) < SILENT)
    }

    /// Some of its VMs may not have reported to this process yet, and it is not known how many there are.
    fn partly_heard(&self, now: Time) -> bool {
        self.recorded.is_some() && self.heard.is_some_and(|at| now.since(at) < ALL_HEARD)
    }

    /// It said its last word, or its connection is closed and it has been silent since, or nothing but reports ever spoke for it.
    pub(super) fn gone(&self, now: Time) -> bool {
        let said_so = self.vms.is_empty() && !self.ended.is_empty();
        let stranger = !self.known && now.since(self.last) >= GONE;
        said_so || stranger || self.closed.is_some_and(|at| now.since(at.max(self.last)) >= GONE)
    }

    /// When the last living VM reported `generation` or a later one; none while one is behind or missing.
    pub(super) fn reached(&self, generation: u64, now: Time) -> Option<Time> {
        if self.partly_heard(now) {
            return None;
        }
        let mut since = None;
        let mut living = 0_usize;
        for vm in self.living(now) {
            since = since.max(Some(vm.reached(generation)?));
            living = living.saturating_add(1);
        }
        since.filter(|_| living >= self.peak)
    }

    /// The highest generation that all of its VMs run; none: none of them is known to run any.
    pub(super) fn generation(&self, now: Time) -> Option<u64> {
        if self.partly_heard(now) {
            return None;
        }
        let (mut lowest, mut living) = (None, 0_usize);
        for vm in self.living(now) {
            let generation = vm.reached.back().map(|(generation, _)| *generation)?;
            lowest = Some(lowest.map_or(generation, |lowest: u64| lowest.min(generation)));
            living = living.saturating_add(1);
        }
        lowest.filter(|_| living >= self.peak)
    }

    /// Of each living VM: generations, ascending, each with the time of the first report of it.
    pub(super) fn all_reached(&self, now: Time) -> impl Iterator<Item = &VecDeque<(u64, Time)>> {
        self.living(now).map(|vm| &vm.reached)
    }

    /// What its living VMs saw of a version's answers since each of them reported the generation.
    pub(super) fn answers(&self, id: &RolloutId, version: &VersionName, generation: u64, now: Time) -> Seen {
        let of_vm = |vm: &Vm| Some(vm.growths.get(id)?.get(version)?.since(vm.reached(generation)?));
        self.living(now).filter_map(of_vm).fold(Seen::default(), Seen::or)
    }

    /// Fewer VMs post than there were.
    pub(super) fn has_dead_vm(&self, now: Time) -> bool {
        self.lost(now) > 0
    }

    /// So many fewer; none while no VM posts.
    fn lost(&self, now: Time) -> usize {
        let posting = self.living(now).filter(|vm| !self.quiet(vm)).count();
        if posting == 0 { 0 } else { self.peak.saturating_sub(posting) }
    }

    fn quiet(&self, vm: &Vm) -> bool {
        self.last.since(vm.last) >= SILENT_AMONG_SIBLINGS
    }

    /// Of the Envoy that runs now, VMs that said no last word and do not post any more.
    fn dead(&self) -> usize {
        self.vms.values().filter(|vm| vm.first >= self.era && self.quiet(vm)).count()
    }

    /// A certificate proves that it is there.
    pub(super) fn vouch(&mut self) {
        self.known = true;
    }

    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    pub(super) fn connection(&mut self, open: bool, now: Time) {
        self.known = true;
        if open {
            // Opened twice: what was in between was not seen.
            if self.closed.is_none() && self.opened > Time::default() {
                self.lost = now;
            }
            self.closed = None;
            self.opened = now;
        } else {
            self.closed.get_or_insert(now);
            self.lost = now;
        }
    }

    pub(super) fn last(&self) -> Time {
        self.last
    }

    pub(super) fn seen(&self, name: &str, now: Time) -> ProxySeen {
        ProxySeen {
            node: name.to_owned(),
            generation: self.living(now).map(|vm| vm.report.generation).min().unwrap_or(0),
            vms: u32::try_from(self.living(now).count()).unwrap_or(u32::MAX),
            lost: u32::try_from(self.lost(now)).unwrap_or(u32::MAX),
            dead: u32::try_from(self.dead()).unwrap_or(u32::MAX),
            modules: self.living(now).map(|vm| vm.report.module.clone()).filter(|module| !module.is_empty()).collect(),
            misrouted: self.sum(|service| service.misrouted),
            unrouted: self.sum(|service| service.unrouted),
            last_misrouted: self.last_misrouted,
            last: self.last,
            silent: self.silent(now),
        }
    }

    /// Over all services, also of VMs that have ended.
    fn sum(&self, count: impl Fn(&ServiceReport) -> u64) -> u64 {
        let of_vms = self.vms.values().flat_map(|vm| vm.report.services.values());
        of_vms.chain(self.left.values()).map(count).fold(0, u64::saturating_add)
    }

    /// Bytes of memory that what it reported takes.
    pub(super) fn footprint(&self) -> usize {
        self.vms.values().fold(self.left.footprint(), |sum, vm| sum.saturating_add(vm.footprint))
    }
}
