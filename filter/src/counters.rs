//! VM-wide cumulative counters: those of the policy's services, and of some that left it.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;

use shunt_filter_core::report::ServiceReport;
use shunt_filter_core::{CompiledFlag, RolloutId, Router, Service};

use crate::host::Host;
use crate::lane::Lane;
use crate::stats::Stats;
use crate::tally::{ServiceTally, by_name};

/// How many services that left the policy are remembered, so that one which comes back goes on counting where it was.
const KEPT_SERVICES: usize = 256;

/// Lanes by service and by flag in order of the policy, each by version.
#[derive(Debug)]
pub(crate) struct Lanes {
    pub(crate) services: Vec<Vec<Rc<Lane>>>,
    pub(crate) flags: Vec<Vec<Rc<Lane>>>,
}

/// All counters of this VM.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    services: RefCell<BTreeMap<RolloutId, Rc<ServiceTally>>>,
    /// Pushes installed so far.
    push: Cell<u64>,
    /// True when something was counted since [`Counters::take_changed`].
    changed: Cell<bool>,
    stats: RefCell<Stats>,
}

impl Counters {
    /// Lanes for the services and flags of a new policy.
    #[inline(never)]
    pub(crate) fn install(&self, router: &Router) -> Lanes {
        let push = self.push.get().saturating_add(1);
        self.push.set(push);
        let mut tallies = self.services.borrow_mut();
        let service = |service: &Service| Lane::of_service(service, tallies.entry(service.name().clone()).or_default(), push);
        let services = router.services().iter().map(service).collect();
        let flag = |flag: &CompiledFlag| Lane::of_flag(flag, tallies.entry(flag.rollout().clone()).or_default(), push);
        let flags = router.flags().iter().map(flag).collect();
        let lanes = Lanes { services, flags };
        forget(&mut tallies, push);
        for tally in tallies.values() {
            tally.prune(push);
        }
        lanes
    }

    /// Something was counted: the next tick reports it.
    pub(crate) fn touch(&self) {
        self.changed.set(true);
    }

    /// True when something was counted since the last call.
    pub(crate) fn take_changed(&self) -> bool {
        self.changed.replace(false)
    }

    /// What a report says of services: those with something counted that are in the policy, still have open requests, or left so
    /// lately that the control plane may not know their last counts yet.
    pub(crate) fn report(&self) -> BTreeMap<RolloutId, ServiceReport> {
        let push = self.push.get();
        let tallies = self.services.borrow();
        let told = tallies.iter().filter(|(_, tally)| tally.named() == push || tally.is_open() || tally.says_farewell());
        by_name(told.filter_map(|(name, tally)| Some((name.clone(), tally.read()?))))
    }

    /// Adds what was counted since the last call to Envoy's own stats.
    pub(crate) fn flush(&self, host: &dyn Host) {
        let mut stats = self.stats.borrow_mut();
        for (name, tally) in self.services.borrow().iter().filter(|(_, tally)| tally.take_changed()) {
            stats.flush(host, name, tally);
        }
    }
}

/// Drops the services that left first, down to [`KEPT_SERVICES`] beside those of the policy.
#[inline(never)]
fn forget(tallies: &mut BTreeMap<RolloutId, Rc<ServiceTally>>, push: u64) {
    let left = tallies.iter().filter(|(_, tally)| tally.named() < push && !tally.is_open());
    let mut left: BinaryHeap<_> = left.map(|(name, tally)| Reverse((tally.named(), name.clone()))).collect();
    while left.len() > KEPT_SERVICES {
        let Some(Reverse((_, name))) = left.pop() else { break };
        tallies.remove(&name);
    }
}
