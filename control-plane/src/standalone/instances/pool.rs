//! The instances of one version, and what it should have.

use std::collections::BTreeSet;

use shunt_core::capacity::Capacity;
use shunt_core::instance::{self, Event, Instance, Known, Stage, Wanted, steer};
use shunt_spec::plan::{Backend, Probe};
use shunt_spec::{Span, Time};

use super::LOOK;

/// The instances of one version.
#[derive(Debug)]
pub(super) struct Pool {
    /// In order of id.
    pub(super) instances: Vec<Instance>,
    /// As installed; none: no Rollout wants this version any more.
    pub(super) backend: Option<Backend>,
    wanted: Wanted,
}

/// What is known beside the pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'c> {
    /// Every proxy has a discovery without those that leave.
    pub(super) proved: bool,
    /// Local ports with open connections; none: it is not known.
    pub(super) busy: Option<&'c BTreeSet<u16>>,
    /// Requests of the version in flight; none: no filter counts them.
    pub(super) open: Option<u64>,
    /// The number of the next instance.
    pub(super) next: u64,
}

/// How long requests may take to end where no plan says it any more.
const DRAIN: Span = Span::seconds(30);

impl Default for Pool {
    fn default() -> Self {
        Self { instances: Vec::new(), backend: None, wanted: Wanted::nothing(DRAIN) }
    }
}

impl Pool {
    /// What the version should have. False: its instances are not ours to know.
    pub(super) fn want(&mut self, backend: &Backend, instances: u32, drain_deadline: Span) -> bool {
        if self.backend.as_ref() != Some(backend) {
            let Some(wanted) = Wanted::of(backend, instances, drain_deadline) else { return false };
            (self.backend, self.wanted) = (Some(backend.clone()), wanted);
        }
        (self.wanted.instances, self.wanted.drain_deadline) = (instances, drain_deadline);
        true
    }

    /// Whatever is there goes.
    pub(super) fn want_nothing(&mut self) {
        let Wanted { termination_grace, drain_deadline, .. } = self.wanted;
        self.backend = None;
        self.wanted = Wanted { termination_grace, ..Wanted::nothing(drain_deadline) };
    }

    pub(super) fn get(&self, id: u64) -> Option<&Instance> {
        self.instances.iter().find(|one| one.id == id)
    }

    pub(super) fn awaits_proof(&self) -> bool {
        self.instances.iter().any(|one| one.stage == Stage::Leaving)
    }

    pub(super) fn drains(&self) -> bool {
        self.instances.iter().any(|one| one.stage == Stage::Draining)
    }

    /// One step; the ids of those that changed, came or went.
    pub(super) fn steer(&mut self, known: &Circumstances<'_>, now: Time) -> Vec<u64> {
        let empty = known.open == Some(0) && self.instances.iter().all(Instance::is_leaving);
        let quiet = self.instances.iter().filter(|one| empty || is_quiet(one, known)).map(|one| one.id).collect();
        let next = steer(&self.instances, &self.wanted, &Known { proved: known.proved, quiet, next: known.next }, now);
        let same = |one: &&Instance| self.get(one.id) == Some(*one);
        let changed = next.iter().filter(|one| !same(one)).map(|one| one.id);
        let gone = self.instances.iter().filter(|old| next.iter().all(|one| one.id != old.id)).map(|one| one.id);
        let ids = changed.chain(gone).collect();
        self.instances = next;
        ids
    }

    /// Something happened to one. True when that changed it.
    pub(super) fn happen(&mut self, id: u64, event: Event, now: Time) -> bool {
        let Some(at) = self.instances.iter().position(|one| one.id == id) else { return false };
        match self.instances[at].after(event, now) {
            Some(next) if next == self.instances[at] => false,
            Some(next) => {
                self.instances[at] = next;
                true
            }
            None => {
                self.instances.remove(at);
                true
            }
        }
    }

    /// Those whose process is due.
    pub(super) fn to_launch(&self, now: Time) -> impl Iterator<Item = u64> {
        let due = move |one: &&Instance| matches!(one.stage, Stage::Starting { not_before } if not_before <= now);
        self.instances.iter().filter(due).map(|one| one.id)
    }

    /// When time alone changes something.
    pub(super) fn due(&self, now: Time) -> Option<Time> {
        let look = self.drains().then(|| now.after(LOOK));
        look.into_iter().chain(instance::due(&self.instances, &self.wanted, now)).min()
    }

    /// Addresses in discovery, in order of id.
    pub(super) fn discovered(&self) -> Vec<String> {
        self.instances.iter().filter_map(Instance::discovered).map(str::to_owned).collect()
    }

    /// How instances are asked.
    pub(super) fn probe(&self) -> Option<&Probe> {
        self.backend.as_ref()?.probe()
    }
}

/// No client is connected to its process. Of processes on other machines it is not known.
fn is_quiet(one: &Instance, known: &Circumstances<'_>) -> bool {
    let port = one.address.as_deref().and_then(|address| address.rsplit_once(':')?.1.parse::<u16>().ok());
    let free = || Some(!known.busy?.contains(&port?));
    one.stage == Stage::Draining && one.process().is_some() && free().unwrap_or(false)
}

/// What the state machine may count on; a version that is not installed has nothing.
pub(super) fn capacity(pool: Option<&Pool>, backend: &Backend, now: Time) -> Capacity {
    match (Wanted::of(backend, 0, DRAIN), pool) {
        (None, None) => Capacity::Unmanaged,
        // The last of a command that is a list of endpoints now.
        (None, Some(_)) => Capacity::Unmanaged,
        (Some(_), Some(pool)) => instance::capacity(&pool.instances, &pool.wanted, now),
        (Some(wanted), None) => instance::capacity(&[], &wanted, now),
    }
}
