//! Instances of versions: processes that we start and instances that register themselves.
//!
//! Their life is pure ([`shunt_core::instance`]); here is the I/O: what happened is heard, the next state is recorded, and only
//! then done. Processes outlive the control plane: they are recorded before they run, and adopted again at the next start.

mod connections;
mod discovery;
mod launch;
mod log;
mod pool;
mod port;
mod probe;
mod process;
mod processes;
mod read;
mod registrations;
mod tracker;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shunt_core::capacity::Capacity;
use shunt_core::instance::{Event, Instance, InstanceView, Stage, views};
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::plan::Backend;
use shunt_spec::{Span, Time};
use tokio::sync::Notify;

use super::Store;
use super::database::InstanceRecord;
use crate::platform::{StoreError, Stored, World};
use crate::proxies::Proxies;
use crate::rollouts::Rollouts;
pub(crate) use launch::{Launcher, shim};
use log::Logs;
use pool::Pool;
use probe::Prober;
use tracker::{Happened, Tellers, Tracker};

/// How often a draining instance is looked at for what is in flight.
const LOOK: Span = Span::millis(100);

/// Nothing is looked at more often, whatever is due.
const IDLE_MIN: Duration = Duration::from_millis(5);

/// How often logs are looked at for their size.
const ROTATE: Span = Span::seconds(10);

/// A version of a Rollout.
type Key = (RolloutId, VersionName);

/// Addresses in discovery, by version, and how often they changed.
type Discovery = (u64, BTreeMap<VersionName, Vec<String>>);

/// All instances.
#[derive(Debug)]
pub(crate) struct Instances {
    pools: BTreeMap<Key, Pool>,
    trackers: BTreeMap<u64, Tracker>,
    discovery: BTreeMap<RolloutId, Discovery>,
    /// What is not recorded yet; none: the instance is gone.
    unrecorded: BTreeMap<u64, Option<Key>>,
    next: u64,
    seed: u64,
    launcher: Launcher,
    prober: Prober,
    logs: Logs,
    tellers: Tellers,
    rotated: Time,
}

impl Instances {
    /// With what is recorded: processes that still run are adopted.
    pub(crate) async fn open(store: &Store, data: &Path, launcher: Launcher, now: Time) -> Result<Self, StoreError> {
        let (recorded, next) = store.instances().await?;
        let mut all = Self {
            pools: BTreeMap::new(),
            trackers: BTreeMap::new(),
            discovery: BTreeMap::new(),
            unrecorded: BTreeMap::new(),
            next,
            seed: port::seed(data),
            launcher,
            prober: Prober::new(),
            logs: Logs::new(data),
            tellers: Tellers::default(),
            rotated: now,
        };
        for InstanceRecord { rollout, version, instance } in recorded {
            all.next = all.next.max(instance.id.saturating_add(1));
            let key = (rollout, version);
            let id = instance.id;
            all.pools.entry(key.clone()).or_default().instances.push(instance);
            if let Some(event) = all.adopt(&key, id) {
                all.happen(&key, id, event, now);
            }
        }
        all.discover();
        Ok(all)
    }

    /// Rings when something happened to an instance.
    pub(crate) fn bell(&self) -> Arc<Notify> {
        self.tellers.bell()
    }

    /// How long nothing needs to be done, unless the bell rings.
    pub(crate) fn idle_for(&self, now: Time) -> Duration {
        let due = self.pools.values().filter_map(|pool| pool.due(now)).min();
        // A store that fails is tried again with the next tick, not at once.
        let due = due.filter(|_| self.unrecorded.is_empty());
        due.map_or(Duration::MAX, |due| Duration::from_millis(due.since(now).0).max(IDLE_MIN))
    }

    /// Whether an instance waits for what proxies report.
    pub(crate) fn awaits_proof(&self) -> bool {
        self.pools.values().flat_map(|pool| &pool.instances).any(|one| one.stage == Stage::Leaving)
    }

    /// One step of everything: hear, decide, record, do.
    pub(crate) async fn pass(&mut self, store: &Store, world: &World<'_>, now: Time) -> Result<(), StoreError> {
        for Happened { instance, tag, event } in self.tellers.heard() {
            let current = self.trackers.get(&instance).is_some_and(|tracker| tracker.tag == tag);
            if let Some(key) = self.key(instance).filter(|_| current) {
                self.happen(&key, instance, event, now);
            }
        }
        self.want(world.rollouts);
        self.steer(world, now);
        self.record(store).await?;
        self.launch(store, now).await?;
        self.look_after();
        self.signal();
        self.discover();
        self.rotate(now);
        Ok(())
    }

    /// What each version should have; what no Rollout wants any more goes.
    fn want(&mut self, rollouts: &Rollouts) {
        let mut wanted = BTreeSet::new();
        for stored in rollouts.all() {
            let scale = rollouts.desired(&stored.plan.id).map(|desired| &desired.scale);
            for (name, installed) in &stored.state.installed {
                let key = (stored.plan.id.clone(), name.clone());
                let instances = scale.and_then(|scale| scale.get(name)).copied().unwrap_or(0);
                if installed.backend.has_instances() {
                    let pool = self.pools.entry(key.clone()).or_default();
                    pool.want(&installed.backend, instances, stored.plan.drain_deadline);
                    wanted.insert(key);
                }
            }
        }
        for (_, pool) in self.pools.iter_mut().filter(|(key, _)| !wanted.contains(*key)) {
            pool.want_nothing();
        }
        self.pools.retain(|key, pool| wanted.contains(key) || !pool.instances.is_empty());
    }

    fn steer(&mut self, world: &World<'_>, now: Time) {
        let busy = self.any(|one| one.stage == Stage::Draining).then(connections::busy_ports).flatten();
        let mut changed = Vec::new();
        for (key, pool) in &mut self.pools {
            let known = pool::Circumstances {
                proved: pool.awaits_proof() && is_proved(world, &key.0, now),
                busy: busy.as_ref(),
                open: if pool.drains() { open(world.rollouts, world.proxies, key) } else { None },
                next: self.next,
            };
            for id in pool.steer(&known, now) {
                self.next = self.next.max(id.saturating_add(1));
                changed.push((key.clone(), id));
            }
        }
        for (key, id) in changed {
            self.note(&key, id);
        }
    }

    /// What happened to an instance becomes its next state; not recorded yet.
    fn happen(&mut self, key: &Key, id: u64, event: Event, now: Time) {
        let event = match event {
            Event::Exited { how, .. } => Event::Exited { how, words: self.logs.last_words(&key.0, &key.1, id) },
            other => other,
        };
        let Some(pool) = self.pools.get_mut(key) else { return };
        if pool.happen(id, event, now) {
            self.note(key, id);
        }
    }

    /// An instance changed: it is to be recorded, and what is not its any more ends.
    fn note(&mut self, key: &Key, id: u64) {
        let instance = self.pools.get(key).and_then(|pool| pool.get(id));
        let (rollout, version) = key;
        match instance {
            Some(one) if one.trouble.is_empty() => {
                tracing::info!(%rollout, %version, instance = id, address = one.address, "instance is {}", one.stage);
            }
            Some(one) => tracing::warn!(%rollout, %version, instance = id, "instance is {}: {}", one.stage, one.trouble),
            None => tracing::info!(%rollout, %version, instance = id, "instance is gone"),
        }
        if instance.is_none_or(|one| one.address.is_none()) {
            self.trackers.remove(&id);
        }
        self.unrecorded.insert(id, instance.map(|_| key.clone()));
        self.tellers.ring();
    }

    /// Everything that changed, in one write. What could not be recorded is tried again with the next pass, and nothing is done
    /// before it is.
    async fn record(&mut self, store: &Store) -> Result<(), StoreError> {
        if self.unrecorded.is_empty() {
            return Ok(());
        }
        let record = |(id, key): (&u64, &Option<Key>)| {
            let key = key.as_ref()?;
            let instance = self.pools.get(key)?.get(*id)?.clone();
            Some(InstanceRecord { rollout: key.0.clone(), version: key.1.clone(), instance })
        };
        let there: Vec<InstanceRecord> = self.unrecorded.iter().filter_map(record).collect();
        let kept: BTreeSet<u64> = there.iter().map(|record| record.instance.id).collect();
        let gone = self.unrecorded.keys().copied().filter(|id| !kept.contains(id)).collect();
        store.keep_instances(there, gone, self.next).await?;
        self.unrecorded.clear();
        Ok(())
    }

    /// Asks those that should be asked whether they are ready, and no others.
    fn look_after(&mut self) {
        for pool in self.pools.values() {
            for one in &pool.instances {
                if one.address.is_some() {
                    let tracker = self.trackers.entry(one.id).or_insert_with(Tracker::new);
                    tracker.probe(one, pool.probe(), &self.prober, &self.tellers);
                }
            }
        }
    }

    /// Ends the processes that are to end; each signal once per start of the control plane.
    fn signal(&mut self) {
        for one in self.pools.values().flat_map(|pool| &pool.instances) {
            if let Some((process, tracker)) = one.process().zip(self.trackers.get_mut(&one.id)) {
                tracker.signal(one.stage, process);
            }
        }
    }

    /// What the state machine may count on, of every version.
    pub(crate) fn capacity(&self, stored: &Stored, now: Time) -> BTreeMap<VersionName, Capacity> {
        let planned = stored.plan.versions.iter().map(|version| (&version.name, &version.backend));
        let installed = stored.state.installed.iter().map(|(name, installed)| (name, &installed.backend));
        let capacity = |(name, backend): (&VersionName, &Backend)| {
            let pool = self.pools.get(&(stored.plan.id.clone(), name.clone()));
            (name.clone(), pool::capacity(pool, backend, now))
        };
        planned.chain(installed).map(capacity).collect()
    }

    /// For people.
    pub(crate) fn views(&self, id: &RolloutId, version: &VersionName) -> Vec<InstanceView> {
        self.pools.get(&(id.clone(), version.clone())).map(|pool| views(&pool.instances)).unwrap_or_default()
    }

    fn rotate(&mut self, now: Time) {
        if now.since(self.rotated) < ROTATE {
            return;
        }
        self.rotated = now;
        for ((rollout, version), pool) in &self.pools {
            for one in pool.instances.iter().filter(|one| one.process().is_some()) {
                self.logs.rotate(rollout, version, one.id);
            }
        }
    }

    fn any(&self, condition: impl Fn(&Instance) -> bool) -> bool {
        self.pools.values().flat_map(|pool| &pool.instances).any(condition)
    }

    fn key(&self, id: u64) -> Option<Key> {
        self.pools.iter().find(|(_, pool)| pool.get(id).is_some()).map(|(key, _)| key.clone())
    }
}

/// Requests of a version in flight, as the filters count them; none while it is not in the policy, and no filter counts.
fn open(rollouts: &Rollouts, proxies: &Proxies, (id, version): &Key) -> Option<u64> {
    rollouts.desired(id)?.service.as_ref()?;
    let service = proxies.reports().service(id);
    let counters = service.versions.get(version)?;
    Some(counters.started.saturating_sub(counters.ended()))
}

/// Whether every proxy that may still be there has a discovery without those that leave.
fn is_proved(world: &World<'_>, id: &RolloutId, now: Time) -> bool {
    if world.rollouts.read(id).is_none() {
        // Its routes were gone from every proxy before it was forgotten.
        return true;
    }
    world.aggregator.proofs(id).is_some_and(|proofs| world.proxies.no_proxy_uses_other_routes(proofs.routes, now))
}

#[cfg(test)]
mod tests;
