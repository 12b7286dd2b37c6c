//! Instances that register themselves.

use std::net::SocketAddr;

use shunt_api::{InstanceRefused, Refusal, Registered};
use shunt_core::instance::{Event, Instance, InstanceView, Kind, Stage, views};
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::Time;
use shunt_spec::plan::RegisteredBackend;

use super::{Instances, Key};
use crate::platform::StoreError;
use crate::rollouts::Rollouts;
use crate::standalone::Store;

impl Instances {
    /// Registers an instance, or renews its registration; recorded when this returns.
    pub(crate) async fn register(
        &mut self,
        store: &Store,
        rollouts: &Rollouts,
        key: &Key,
        address: SocketAddr,
        now: Time,
    ) -> Result<Registered, Refusal> {
        let backend = registered(rollouts, key)?;
        let (text, expires) = (address.to_string(), now.after(backend.ttl));
        self.refuse_taken(key, &text)?;
        let known = self.at(key, &text).map(|one| (one.id, one.clone()));
        let before = known.as_ref().map(|(_, one)| one.is_leaving());
        let id = match known {
            Some((_, one)) if left(&one, now) => return Err(InstanceRefused::Leaving(text).into()),
            Some((id, _)) => {
                self.happen_quietly(key, id, Event::Renewed { expires }, now);
                id
            }
            None => {
                let one = Instance::registered(self.next, text, expires, backend.probe.as_ref(), now);
                let id = one.id;
                self.next = id.saturating_add(1);
                self.pools.entry(key.clone()).or_default().instances.push(one);
                self.note(key, id);
                id
            }
        };
        self.record(store).await.map_err(|error| unavailable(&error))?;
        let instance = self.view(key, id).ok_or(InstanceRefused::Gone)?;
        Ok(Registered { instance, news: before != Some(false) })
    }

    /// Takes an instance out; it may stop when it is gone from the list.
    pub(crate) async fn deregister(
        &mut self,
        store: &Store,
        rollouts: &Rollouts,
        key: &Key,
        address: SocketAddr,
        now: Time,
    ) -> Result<Option<InstanceView>, Refusal> {
        registered(rollouts, key)?;
        let Some(id) = self.at(key, &address.to_string()).map(|one| one.id) else { return Ok(None) };
        self.happen(key, id, Event::Deregistered, now);
        self.record(store).await.map_err(|error| unavailable(&error))?;
        Ok(self.view(key, id))
    }

    /// Where an instance is in its life; none: it is gone.
    pub(crate) fn registration(&self, key: &Key, address: SocketAddr) -> Option<InstanceView> {
        let id = self.at(key, &address.to_string())?.id;
        self.view(key, id)
    }

    /// A renewal changes nothing that is waited for: no bell, no line in the log.
    fn happen_quietly(&mut self, key: &Key, id: u64, event: Event, now: Time) {
        let Some(pool) = self.pools.get_mut(key) else { return };
        let stage = pool.get(id).map(|one| one.stage);
        if pool.happen(id, event, now) {
            if pool.get(id).map(|one| one.stage) == stage {
                self.unrecorded.insert(id, Some(key.clone()));
            } else {
                self.note(key, id);
            }
        }
    }

    /// One address cannot be two versions: no proxy could tell their requests apart.
    fn refuse_taken(&self, key: &Key, address: &str) -> Result<(), Refusal> {
        let taken = |pool: &super::Pool| pool.instances.iter().any(|one| one.address.as_deref() == Some(address));
        match self.pools.iter().find(|(other, pool)| *other != key && taken(pool)) {
            Some(((rollout, version), _)) => {
                let (rollout, version) = (rollout.clone(), version.clone());
                Err(InstanceRefused::Taken { address: address.to_owned(), rollout, version }.into())
            }
            None => Ok(()),
        }
    }

    fn at(&self, key: &Key, address: &str) -> Option<&Instance> {
        self.pools.get(key)?.instances.iter().find(|one| one.address.as_deref() == Some(address))
    }

    fn view(&self, key: &Key, id: u64) -> Option<InstanceView> {
        views(&[self.pools.get(key)?.get(id)?.clone()]).pop()
    }
}

/// Whether it asked to go itself; one whose time ran out may come back.
fn left(one: &Instance, now: Time) -> bool {
    let expired = matches!(one.kind, Kind::Registered { expires } if now >= expires);
    one.is_leaving() && !(expired && matches!(one.stage, Stage::Leaving | Stage::Draining))
}

fn registered(rollouts: &Rollouts, (rollout, version): &(RolloutId, VersionName)) -> Result<RegisteredBackend, Refusal> {
    let stored = rollouts.read(rollout).ok_or_else(|| Refusal::UnknownRollout(rollout.clone()))?;
    let installed = stored.state.installed.get(version).map(|installed| &installed.backend);
    match installed.or_else(|| stored.plan.version(version).map(|version| &version.backend)) {
        Some(backend) => backend.registered().cloned().ok_or_else(|| InstanceRefused::NotRegistered(version.clone()).into()),
        None => {
            let known = stored.plan.versions.iter().map(|version| version.name.clone()).collect();
            Err(Refusal::UnknownVersion { rollout: rollout.clone(), version: version.clone(), known })
        }
    }
}

fn unavailable(error: &StoreError) -> Refusal {
    Refusal::Unavailable(error.to_string())
}
