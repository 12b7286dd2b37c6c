//! The seam between what Shunt decides and where it runs. A platform knows what users want, keeps what is recorded, makes workloads and
//! routes what is wanted of them, and tells what it sees. Nothing here decides anything of a release.
//!
//! An enum, not a trait: there are two platforms, and each place that must know about both is found by the compiler.

mod auxiliary;
mod error;
#[cfg(test)]
pub(crate) mod memory;
mod presence;
mod publication;
mod recorder;
mod resources;
mod stored;

use std::collections::BTreeMap;
use std::time::Duration;

use shunt_core::capacity::Capacity;
use shunt_core::desired::{Desired, Routes};
use shunt_core::instance::InstanceView;
use shunt_core::journal::Entry;
use shunt_core::observation::Freeze;
use shunt_core::replay::Incident;
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::Time;
use shunt_spec::manifest::ManifestError;

use tokio::time::Instant;

pub(crate) use auxiliary::{CALLS_KEPT, CallRecord, MeasurementKey, Posted, SigningRecord};
pub(crate) use error::StoreError;
pub(crate) use presence::{Audience, Concerns, Presence, Refused, RouteEvidence, Sequence};
pub(crate) use publication::{ContributionRecord, Identity, PolicyRecord, UNRECORDED_MAX};
pub(crate) use recorder::Recorder;
pub(crate) use resources::{Edit, EditRefused, Edited, Resources, Wanted};
pub(crate) use stored::{Conflicted, NewCommand, Record, Recorded, Stored, Transition, Urgency};

use crate::policy_aggregator::PolicyAggregator;
use crate::proxies::Proxies;
use crate::rollouts::Rollouts;
pub(crate) use crate::standalone::AuxiliaryStore;
use crate::standalone::{Instances, Standalone};

/// Where Shunt runs.
#[derive(Debug)]
pub(crate) enum Platform {
    /// On one machine: manifests are files, proxies ask this process.
    Standalone(Box<Standalone>),
    /// In a test.
    #[cfg(test)]
    Memory(Box<memory::Memory>),
}

/// What may be otherwise than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changed {
    /// What users want.
    Resources,
    /// What is seen of workloads or proxies.
    World,
}

/// What a platform needs to know to make workloads what is wanted of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World<'w> {
    /// What is recorded, and what follows from it.
    pub(crate) rollouts: &'w Rollouts,
    /// What is published, and what proves it.
    pub(crate) aggregator: &'w PolicyAggregator,
    /// How far that has come.
    pub(crate) proxies: &'w Proxies,
}

impl Platform {
    /// Waits until something may be otherwise than before; what is only seen of proxies counts from `proxies_from` on. May be dropped at
    /// any time.
    pub(crate) async fn changed(&mut self, proxies_from: Instant) -> Changed {
        match self {
            Self::Standalone(on) => on.changed(proxies_from).await,
            #[cfg(test)]
            Self::Memory(_) => std::future::pending().await,
        }
    }

    /// How long nothing needs to be done, unless something changes.
    pub(crate) fn idle_for(&self, now: Time) -> Duration {
        match self {
            Self::Standalone(on) => on.instances.idle_for(now),
            #[cfg(test)]
            Self::Memory(_) => Duration::MAX,
        }
    }

    /// Whether this process may act; another one does where it may not.
    pub(crate) fn leading(&self) -> bool {
        match self {
            // The store is locked by this process.
            Self::Standalone(_) => true,
            #[cfg(test)]
            Self::Memory(_) => true,
        }
    }

    /// What users want by now.
    pub(crate) async fn resources(&mut self, rollouts: &Rollouts, now: Time) -> Result<Resources, StoreError> {
        match self {
            Self::Standalone(on) => on.config.resources(&on.store, rollouts, now).await,
            #[cfg(test)]
            Self::Memory(on) => Ok(on.resources()),
        }
    }

    /// Whether what users want is to be looked at again although nothing changed: something has been missing for long enough.
    pub(crate) fn is_due(&self, now: Time) -> bool {
        match self {
            Self::Standalone(on) => on.config.is_due(now),
            #[cfg(test)]
            Self::Memory(_) => false,
        }
    }

    /// What is wrong with what users want.
    pub(crate) fn problems(&self) -> &[ManifestError] {
        match self {
            Self::Standalone(on) => on.config.problems(),
            #[cfg(test)]
            Self::Memory(_) => &[],
        }
    }

    /// Why nothing is deleted now, whatever is missing; none: nothing stands in the way.
    pub(crate) fn notice(&self) -> Option<&str> {
        match self {
            Self::Standalone(on) => on.config.notice(),
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }

    /// A warning while a Rollout is missing and may come back.
    pub(crate) fn missing(&self, id: &RolloutId) -> Option<String> {
        match self {
            Self::Standalone(on) => on.config.missing(id),
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }

    /// Changes what users want, on behalf of one of them.
    pub(crate) fn edit(&mut self, id: &RolloutId, edit: Edit, rollouts: &Rollouts) -> Result<Edited, EditRefused> {
        match self {
            Self::Standalone(on) => on.config.edit(id, edit, rollouts),
            #[cfg(test)]
            Self::Memory(_) => Err(EditRefused::ReadOnly("a test changes its Rollouts itself".to_owned())),
        }
    }

    /// Makes workloads what is wanted of them; idempotent, and nothing in it waits for one of them.
    pub(crate) async fn apply(&mut self, world: &World<'_>, now: Time) -> Result<(), StoreError> {
        match self {
            Self::Standalone(on) => on.apply(world, now).await,
            #[cfg(test)]
            Self::Memory(_) => Ok(()),
        }
    }

    /// What the state machine may count on, of every version.
    pub(crate) fn capacity(&self, stored: &Stored, now: Time) -> BTreeMap<VersionName, Capacity> {
        match self {
            Self::Standalone(on) => on.instances.capacity(stored, now),
            #[cfg(test)]
            Self::Memory(on) => on.capacity(stored),
        }
    }

    /// Versions that answer users and whose workloads are the platform's to know, of which none is there.
    pub(crate) fn lacking(&self, rollouts: &Rollouts) -> Vec<String> {
        match self {
            Self::Standalone(on) => on.instances.lacking(rollouts),
            #[cfg(test)]
            Self::Memory(_) => Vec::new(),
        }
    }

    /// Whether a workload waits for what proxies report.
    pub(crate) fn awaits_proof(&self) -> bool {
        match self {
            Self::Standalone(on) => on.instances.awaits_proof(),
            #[cfg(test)]
            Self::Memory(_) => false,
        }
    }

    /// Fills in where the versions of a Rollout answer. Follows its instances also while the rest stays as it was accepted.
    pub(crate) fn fill_endpoints(&self, id: &RolloutId, desired: &mut Desired) {
        match self {
            Self::Standalone(on) => on.instances.fill(id, desired),
            #[cfg(test)]
            Self::Memory(_) => {}
        }
    }

    /// Changes whenever [`Platform::fill_endpoints`] would fill in something else.
    pub(crate) fn endpoints_revision(&self, id: &RolloutId) -> u64 {
        match self {
            Self::Standalone(on) => on.instances.revision(id),
            #[cfg(test)]
            Self::Memory(_) => 0,
        }
    }

    /// Instances of a version, for people.
    pub(crate) fn instance_views(&self, id: &RolloutId, version: &VersionName) -> Vec<InstanceView> {
        match self {
            Self::Standalone(on) => on.instances.views(id, version),
            #[cfg(test)]
            Self::Memory(_) => Vec::new(),
        }
    }

    /// Instances that this platform starts or that register themselves, with their store; none: the platform's workloads are others'.
    pub(crate) fn instances(&mut self) -> Option<(&mut Instances, &crate::standalone::Store)> {
        match self {
            Self::Standalone(on) => Some((&mut on.instances, &on.store)),
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }

    /// Changes whenever [`Platform::presences`] would be others.
    pub(crate) fn presences_revision(&self) -> u64 {
        match self {
            Self::Standalone(on) => on.xds.revision(),
            #[cfg(test)]
            Self::Memory(on) => on.presences_revision(),
        }
    }

    /// Every proxy that the platform knows of.
    pub(crate) fn presences(&self) -> Vec<Presence> {
        match self {
            Self::Standalone(on) => on.xds.presences(),
            #[cfg(test)]
            Self::Memory(on) => on.presences(),
        }
    }

    /// Who gets what is published.
    pub(crate) fn audience(&self, audience: Audience) {
        match self {
            Self::Standalone(on) => on.xds.audience(audience),
            #[cfg(test)]
            Self::Memory(_) => {}
        }
    }

    /// Hands routes and policy to the proxies; record first: [`Platform::record_publication`].
    pub(crate) fn publish(&mut self, routes: Vec<Routes>, policy: String) -> Sequence {
        match self {
            Self::Standalone(on) => on.xds.publish(routes, policy),
            #[cfg(test)]
            Self::Memory(on) => on.publish(),
        }
    }

    /// Records what is about to be published, and which routes were accepted since the last time (none: they are gone).
    pub(crate) async fn record_publication(
        &self,
        policy: PolicyRecord,
        changed: Vec<(RolloutId, ContributionRecord)>,
        accepted: Vec<(RolloutId, Option<Routes>)>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Standalone(on) => on.store.publishing(policy, changed, accepted).await,
            #[cfg(test)]
            Self::Memory(_) => Ok(()),
        }
    }

    /// These proxies are expected from now on.
    pub(crate) async fn expect(&self, nodes: Vec<String>, now: Time) -> Result<(), StoreError> {
        match self {
            Self::Standalone(on) => on.store.expect(nodes, now).await,
            #[cfg(test)]
            Self::Memory(on) => {
                on.expect(nodes);
                Ok(())
            }
        }
    }

    /// These proxies are expected no longer.
    pub(crate) async fn dismiss(&self, nodes: Vec<String>) -> Result<(), StoreError> {
        match self {
            Self::Standalone(on) => on.store.dismiss(nodes).await,
            #[cfg(test)]
            Self::Memory(on) => {
                on.dismiss(&nodes);
                Ok(())
            }
        }
    }

    /// Records what became of the store.
    pub(crate) async fn set_identity(&self, identity: &Identity) -> Result<(), StoreError> {
        match self {
            Self::Standalone(on) => on.store.set_identity(identity).await,
            #[cfg(test)]
            Self::Memory(_) => Ok(()),
        }
    }

    /// Records whether all releases are frozen.
    pub(crate) async fn set_freeze(&self, freeze: Freeze) -> Result<(), StoreError> {
        match self {
            Self::Standalone(on) => on.store.set_freeze(freeze).await,
            #[cfg(test)]
            Self::Memory(_) => Ok(()),
        }
    }

    /// Records states that were made anew from what proxies run, and the highest generation among them.
    pub(crate) async fn recovered(&self, entries: Vec<Entry>, generation: u64, identity: &Identity) -> Result<(), StoreError> {
        match self {
            Self::Standalone(on) => on.store.recovered(entries, generation, identity.clone()).await,
            #[cfg(test)]
            Self::Memory(_) => Ok(()),
        }
    }

    /// Why nothing can be recorded now; none: it can.
    pub(crate) fn trouble(&self) -> Option<String> {
        match self {
            Self::Standalone(on) => on.store.trouble(),
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }

    /// Looks whether anything can be recorded again, after it could not.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        match self {
            Self::Standalone(on) => on.store.probe().await,
            #[cfg(test)]
            Self::Memory(_) => Ok(()),
        }
    }

    /// The newest entries of a journal, oldest first.
    pub(crate) async fn history(&self, id: &RolloutId, limit: usize) -> Result<Vec<Entry>, StoreError> {
        match self {
            Self::Standalone(on) => on.store.history(id, limit).await,
            #[cfg(test)]
            Self::Memory(on) => Ok(on.history(id, limit)),
        }
    }

    /// The same with all that is needed to run them again.
    pub(crate) async fn incident(&self, id: &RolloutId, limit: usize) -> Result<Incident, StoreError> {
        match self {
            Self::Standalone(on) => on.store.incident(id, limit).await,
            #[cfg(test)]
            Self::Memory(on) => Ok(Incident::new(BTreeMap::new(), &on.history(id, limit), limit)),
        }
    }

    /// Ends the store after all that was asked of it.
    pub(crate) fn close(self) {
        match self {
            Self::Standalone(on) => on.store.close(),
            #[cfg(test)]
            Self::Memory(_) => {}
        }
    }
}
