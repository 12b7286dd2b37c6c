//! Cumulative counters of one service or flag in this VM. They outlive pushes: a policy refers to them, it does not own them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use shunt_filter_core::exemplar::{Exemplar, Exemplars};
use shunt_filter_core::outcome::{Class, ResponseClass};
use shunt_filter_core::policy::LatencyThresholds;
use shunt_filter_core::report::{Cells, Counters, EpochReport, Hanging, LatencySlots, Responses, ServiceReport, Slots};
use shunt_filter_core::{VersionName, Watch};

/// How many versions that left a policy a service remembers, so that one which comes back goes on counting where it was.
const KEPT_VERSIONS: usize = 16;
/// Same for names of rules and mirrors, per map.
const KEPT_NAMES: usize = 64;
/// How many more reports name a service that left the policy and has no open requests, because each may get lost.
const FAREWELLS: u8 = 20;

/// Requests of one version, all or those of one epoch.
#[derive(Debug, Default)]
pub(crate) struct VersionTally {
    counters: RefCell<Counters>,
    /// Requests that hang now.
    hanging: Cell<u64>,
    /// The push that last named the version.
    named: Cell<u64>,
}

impl VersionTally {
    /// One more request was decided.
    pub(crate) fn start(&self) {
        add_one(&mut self.counters.borrow_mut().started);
    }

    /// One of them ended; `latency` when response headers came.
    pub(crate) fn end(&self, class: Class, latency: Option<Duration>) {
        let mut counters = self.counters.borrow_mut();
        add_one(match class {
            Class::Succeeded => &mut counters.succeeded,
            Class::Failed => &mut counters.failed,
            Class::Abandoned => &mut counters.abandoned,
            Class::Cancelled => &mut counters.cancelled,
            Class::Uncounted => &mut counters.uncounted,
        });
        if let Some(latency) = latency.filter(|_| class != Class::Uncounted) {
            counters.observe(latency);
        }
    }

    /// One more request hangs.
    pub(crate) fn hang(&self) {
        self.hanging.set(self.hanging.get().saturating_add(1));
    }

    /// One that hung got its response headers, or has ended.
    pub(crate) fn unhang(&self) {
        self.hanging.set(self.hanging.get().saturating_sub(1));
    }

    /// Another version answered one that was decided for it, or none.
    pub(crate) fn astray(&self) {
        add_one(&mut self.counters.borrow_mut().astray);
    }

    /// The counters now.
    pub(crate) fn read(&self) -> Counters {
        self.counters.borrow().clone()
    }

    fn is_open(&self) -> bool {
        let counters = self.counters.borrow();
        counters.started > counters.ended()
    }
}

/// Requests that the split assigned (or the counted rule), decided under one epoch.
#[derive(Debug, Default)]
pub(crate) struct EpochTally {
    number: u64,
    versions: RefCell<BTreeMap<VersionName, Rc<VersionTally>>>,
    seen: RefCell<Slots>,
    failed: RefCell<Slots>,
    abandoned: RefCell<Slots>,
    /// Where one hung; none: no policy of this epoch says after how long one does.
    hung: RefCell<Option<Slots>>,
    responses: RefCell<BTreeMap<ResponseClass, Responses>>,
    exemplars: RefCell<BTreeMap<VersionName, Exemplars>>,
    /// None: no policy of this epoch says what is slow.
    latency: RefCell<Option<LatencySlots>>,
    /// None: no policy of this epoch has goals.
    cells: RefCell<Option<Cells>>,
    goals: RefCell<BTreeMap<String, Cells>>,
}

impl EpochTally {
    /// The counters of one version, made when it has none.
    pub(crate) fn version(&self, name: &VersionName) -> Rc<VersionTally> {
        Rc::clone(self.versions.borrow_mut().entry(name.clone()).or_default())
    }

    /// From now on times are looked at.
    pub(crate) fn time(&self) {
        self.latency.borrow_mut().get_or_insert_default();
    }

    /// From now on goals are counted.
    pub(crate) fn count_cells(&self) {
        self.cells.borrow_mut().get_or_insert_default();
    }

    /// From now on requests may hang.
    pub(crate) fn count_hanging(&self) {
        self.hung.borrow_mut().get_or_insert_default();
    }

    /// A request of this slot ended.
    pub(crate) fn mark(&self, slot: u16, class: Class) {
        self.seen.borrow_mut().insert(slot);
        match class {
            Class::Failed => drop(self.failed.borrow_mut().insert(slot)),
            Class::Abandoned => drop(self.abandoned.borrow_mut().insert(slot)),
            Class::Succeeded | Class::Cancelled | Class::Uncounted => {}
        }
    }

    /// A request of this slot hangs.
    pub(crate) fn mark_hanging(&self, slot: u16) {
        self.seen.borrow_mut().insert(slot);
        if let Some(slots) = self.hung.borrow_mut().as_mut() {
            slots.insert(slot);
        }
    }

    /// A request of this slot got an answer that is no failure and yet may be wrong.
    #[inline(never)]
    pub(crate) fn mark_response(&self, class: ResponseClass, version: &VersionName, slot: u16) {
        let mut responses = self.responses.borrow_mut();
        let of_class = responses.entry(class).or_default();
        of_class.slots.insert(slot);
        match of_class.versions.get_mut(version) {
            Some(count) => add_one(count),
            None => drop(of_class.versions.insert(version.clone(), 1)),
        }
    }

    /// Something for people to see.
    #[inline(never)]
    pub(crate) fn note(&self, version: &VersionName, exemplar: Exemplar) {
        let mut exemplars = self.exemplars.borrow_mut();
        match exemplars.get_mut(version) {
            Some(of_version) => of_version.note(exemplar),
            None => exemplars.entry(version.clone()).or_default().note(exemplar),
        }
    }

    /// It took this long to its response headers.
    #[inline(never)]
    pub(crate) fn mark_time(&self, slot: u16, took: Duration, thresholds: &LatencyThresholds) {
        let longer = |than: u32| took > Duration::from_micros(u64::from(than));
        let mut latency = self.latency.borrow_mut();
        let Some(slots) = latency.as_mut() else { return };
        if slots.seen.insert(slot) && longer(thresholds.p50_us) {
            slots.first_slow.insert(slot);
        }
        if longer(thresholds.p90_us) {
            slots.above_p90.insert(slot);
        }
        if longer(thresholds.p99_us) {
            slots.above_p99.insert(slot);
        }
    }

    /// A user of this cell was here.
    pub(crate) fn mark_cell(&self, cell: u32) {
        if let Some(cells) = self.cells.borrow_mut().as_mut() {
            cells.insert(cell);
        }
    }

    /// A user of this cell reached a goal.
    pub(crate) fn mark_goal(&self, name: &str, cell: u32) {
        let mut goals = self.goals.borrow_mut();
        match goals.get_mut(name) {
            Some(cells) => drop(cells.insert(cell)),
            None => drop(goals.insert(name.to_owned(), [cell].into_iter().collect())),
        }
    }

    #[inline(never)]
    fn read(&self) -> EpochReport {
        EpochReport {
            epoch: self.number,
            versions: read_all(&self.versions.borrow()),
            seen: self.seen.borrow().clone(),
            failed: self.failed.borrow().clone(),
            abandoned: self.abandoned.borrow().clone(),
            hanging: self.hung.borrow().as_ref().map(|slots| Hanging { versions: self.hanging(), slots: slots.clone() }),
            responses: self.responses.borrow().clone(),
            exemplars: self.exemplars.borrow().clone(),
            latency: self.latency.borrow().clone(),
            goals: self.goals.borrow().clone(),
            cells: self.cells.borrow().clone(),
        }
    }

    /// Requests that hang now.
    fn hanging(&self) -> BTreeMap<VersionName, u64> {
        let versions = self.versions.borrow();
        let now = versions.iter().map(|(name, tally)| (name.clone(), tally.hanging.get()));
        by_name(now.filter(|(_, count)| *count > 0))
    }
}

/// All counters of one service or flag.
#[derive(Debug, Default)]
pub(crate) struct ServiceTally {
    /// Everything but `versions` and `epoch`, which others hold too.
    plain: RefCell<ServiceReport>,
    versions: RefCell<BTreeMap<VersionName, Rc<VersionTally>>>,
    epoch: RefCell<Option<Rc<EpochTally>>>,
    /// True while the policy asks for the epoch's part.
    analysis: Cell<bool>,
    /// The push that last named the service.
    named: Cell<u64>,
    farewells: Cell<u8>,
    /// True when something was counted that Envoy's stats do not know.
    changed: Cell<bool>,
    /// True when something was ever counted: of thousands of services a proxy calls a few.
    used: Cell<bool>,
}

impl ServiceTally {
    /// The service is in the policy of push number `push`.
    pub(crate) fn name(&self, push: u64, watch: &Watch) {
        self.named.set(push);
        self.farewells.set(FAREWELLS);
        self.analysis.set(watch.epoch().is_some());
    }

    /// True for some more calls after the service left the policy.
    pub(crate) fn says_farewell(&self) -> bool {
        let left = self.farewells.get();
        self.farewells.set(left.saturating_sub(1));
        left > 0
    }

    /// True when something was counted since the last call.
    pub(crate) fn take_changed(&self) -> bool {
        self.changed.replace(false)
    }

    /// Something was counted.
    pub(crate) fn touch(&self) {
        self.used.set(true);
        self.changed.set(true);
    }

    /// The push that last named the service.
    pub(crate) fn named(&self) -> u64 {
        self.named.get()
    }

    /// The counters of one version, made when it has none.
    pub(crate) fn version(&self, name: &VersionName, push: u64) -> Rc<VersionTally> {
        let mut versions = self.versions.borrow_mut();
        let tally = versions.entry(name.clone()).or_default();
        tally.named.set(push);
        Rc::clone(tally)
    }

    /// The counters of an epoch: those there are when its number is the same, new ones otherwise.
    #[inline(never)]
    pub(crate) fn epoch(&self, number: u64) -> Rc<EpochTally> {
        let mut epoch = self.epoch.borrow_mut();
        match epoch.as_ref() {
            Some(tally) if tally.number == number => Rc::clone(tally),
            _ => Rc::clone(epoch.insert(Rc::new(EpochTally { number, ..EpochTally::default() }))),
        }
    }

    /// Changes the counters that have no version.
    pub(crate) fn plain(&self, change: impl FnOnce(&mut ServiceReport)) {
        change(&mut self.plain.borrow_mut());
    }

    /// Forgets what left the policy before push number `push`, as far as there is too much of it.
    #[inline(never)]
    pub(crate) fn prune(&self, push: u64) {
        let mut versions = self.versions.borrow_mut();
        while versions.len() > KEPT_VERSIONS {
            let idle = versions.iter().filter(|(_, tally)| tally.named.get() < push && !tally.is_open());
            let Some(oldest) = idle.min_by_key(|(_, tally)| tally.named.get()).map(|(name, _)| name.clone()) else { break };
            versions.remove(&oldest);
        }
        let mut plain = self.plain.borrow_mut();
        shorten(&mut plain.rules);
        shorten(&mut plain.mirrored);
    }

    /// True when a request of it has not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.versions.borrow().values().any(|tally| tally.is_open())
    }

    /// Each version with its counters now.
    pub(crate) fn versions(&self) -> BTreeMap<VersionName, Counters> {
        read_all(&self.versions.borrow())
    }

    /// The service's part of a report; none when nothing was ever counted.
    pub(crate) fn read(&self) -> Option<ServiceReport> {
        if !self.used.get() {
            return None;
        }
        let mut report = self.plain.borrow().clone();
        report.versions = self.versions();
        report.epoch = self.epoch.borrow().as_ref().filter(|_| self.analysis.get()).map(|epoch| epoch.read());
        Some(report)
    }
}

fn read_all(tallies: &BTreeMap<VersionName, Rc<VersionTally>>) -> BTreeMap<VersionName, Counters> {
    let started = tallies.iter().map(|(name, tally)| (name.clone(), tally.read()));
    by_name(started.filter(|(_, counters)| counters.started > 0))
}

/// One by one: to collect a map sorts its entries first, which is some kilobytes of code for each type.
pub(crate) fn by_name<K: Ord, V>(entries: impl Iterator<Item = (K, V)>) -> BTreeMap<K, V> {
    let mut map = BTreeMap::new();
    entries.for_each(|(name, value)| drop(map.insert(name, value)));
    map
}

/// Counters whose names a policy no longer uses cannot be told from others, so a map that grew too long starts again.
fn shorten<K: Ord, V>(map: &mut BTreeMap<K, V>) {
    if map.len() > KEPT_NAMES {
        map.clear();
    }
}

/// One more; a counter that is full stays full.
pub(crate) fn add_one(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
