//! Hands what Rollouts want to the aggregator; what the aggregator wants published is recorded, then given to the proxies.

use std::collections::BTreeMap;

use shunt_api::Metrics;
use shunt_core::Desired;
use shunt_core::desired::Routes;
use shunt_core::isolation::{Isolation, Standing};
use shunt_filter_core::{RolloutId, RoutingPolicy};
use shunt_spec::Time;

use crate::cadence::{Cadence, is_busy};
use crate::crash;
use crate::keyring::Keyring;
use crate::platform::{AuxiliaryStore, ContributionRecord, Platform, PolicyRecord, StoreError};
use crate::policy_aggregator::{Circumstances, PolicyAggregator, Publication};
use crate::proxies::Proxies;
use crate::rollouts::Rollouts;

/// The aggregator, and what brings its publications to the proxies.
#[derive(Debug)]
pub(crate) struct PolicyPublisher {
    aggregator: PolicyAggregator,
    cadence: Cadence,
    metrics: Metrics,
    /// Whose routes are refused by a proxy, so that all others are published without them.
    isolation: Isolation,
    /// What the contribution of each Rollout was made of.
    contributed: BTreeMap<RolloutId, Basis>,
    refused: Option<String>,
    keyring: Keyring,
    /// What was published and could not be recorded, because the disk was full.
    unrecorded: Option<(PolicyRecord, BTreeMap<RolloutId, ContributionRecord>)>,
    /// Up to which generation that is safe: a process that dies goes on above it.
    ceiling: u64,
}

/// What a contribution was made of: as long as it is the same, so is the contribution.
#[derive(Debug, PartialEq)]
struct Basis {
    plan: String,
    gone: bool,
    revision: u64,
    endpoints: u64,
    isolation: u64,
}

impl PolicyPublisher {
    /// Nothing is published yet. `accepted` are the routes that proxies acknowledged last.
    pub(crate) fn new(aggregator: PolicyAggregator, accepted: BTreeMap<RolloutId, Routes>, metrics: Metrics, keyring: Keyring) -> Self {
        let (cadence, isolation) = (Cadence::default(), Isolation::new(accepted));
        Self { aggregator, cadence, metrics, isolation, contributed: BTreeMap::new(), refused: None, keyring, unrecorded: None, ceiling: 0 }
    }

    /// What Rollouts contributed, and what proves it.
    pub(crate) fn aggregator(&self) -> &PolicyAggregator {
        &self.aggregator
    }

    /// Why nothing is published although something changed.
    pub(crate) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// The states were made anew; see [`PolicyAggregator::rebase`].
    pub(crate) fn rebase(&mut self, generation: u64) {
        self.aggregator.rebase(generation);
        self.contributed.clear();
    }

    /// How what this Rollout wants stands with the proxies.
    pub(crate) fn standing(&self, id: &RolloutId) -> Standing<'_> {
        self.isolation.standing(id)
    }

    /// A Rollout is forgotten.
    pub(crate) fn withdraw(&mut self, id: &RolloutId) {
        self.aggregator.withdraw(id);
        self.isolation.forget(id);
        self.contributed.remove(id);
        if let Some((_, changed)) = &mut self.unrecorded {
            changed.remove(id);
        }
    }

    /// Brings to the proxies what is recorded; the policy, if it was published. On an error nothing was.
    pub(crate) async fn publish(
        &mut self,
        on: &mut Platform,
        auxiliary: &AuxiliaryStore,
        rollouts: &Rollouts,
        proxies: &mut Proxies,
        now: Time,
    ) -> Result<Option<RoutingPolicy>, StoreError> {
        self.hear(proxies, now);
        self.contribute(on, rollouts);
        let heal = proxies.heal(now);
        let around = Circumstances {
            report: self.cadence.report(on.awaits_proof() || rollouts.all().any(is_busy), now),
            acknowledged: proxies.acknowledged(),
            heal: heal.as_deref(),
            signing: self.keyring.keys(auxiliary, now).await,
        };
        let publication = match self.aggregator.next(&around) {
            Ok(Some(publication)) => publication,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.refuse(error.to_string());
                return Ok(None);
            }
        };
        self.refused = None;
        self.record(on, &publication).await?;
        let sequence = on.publish(publication.routes.clone(), publication.text.clone());
        self.aggregator.published(&publication, sequence);
        self.isolation.published(sequence);
        self.metrics.policies_published.inc();
        tracing::info!(generation = publication.record.generation, sequence, "published: {}", publication.why);
        Ok(Some(publication.policy))
    }

    /// Records what is about to be published. On a full disk it is published all the same, because it leads back to stable: nothing
    /// that goes forward is recorded then. It is recorded as soon as there is room.
    async fn record(&mut self, on: &Platform, publication: &Publication) -> Result<(), StoreError> {
        let Publication { record, changed, .. } = publication;
        let mut all = self.unrecorded.take().map(|(_, changed)| changed).unwrap_or_default();
        all.extend(changed.iter().cloned());
        match on.record_publication(record.clone(), all.clone().into_iter().collect(), self.isolation.unrecorded()).await {
            Ok(()) => {
                self.ceiling = record.ceiling;
                self.isolation.recorded();
            }
            Err(StoreError::Unwritable { .. }) if record.generation <= self.ceiling.max(self.aggregator.generation()) => {
                tracing::warn!(generation = record.generation, "published without a record");
                self.unrecorded = Some((PolicyRecord { ceiling: self.ceiling, ..record.clone() }, all));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Records what could not be recorded when it was published.
    pub(crate) async fn catch_up(&mut self, on: &Platform) -> Result<(), StoreError> {
        if let Some((record, changed)) = &self.unrecorded {
            on.record_publication(record.clone(), changed.clone().into_iter().collect(), Vec::new()).await?;
            self.unrecorded = None;
        }
        Ok(())
    }

    /// What proxies refuse of it, and whose it is.
    fn hear(&mut self, proxies: &Proxies, now: Time) {
        for id in self.isolation.hear(&proxies.opinions(), now) {
            if let Standing::Rejected(rejected) = self.isolation.standing(&id) {
                let (node, kind) = (&rejected.node, &rejected.kind);
                tracing::error!(rollout = %id, node, "rejected, all others go on without it: the proxy refuses its {kind}: {}", rejected.error);
            }
        }
    }

    /// Addresses of instances are filled in last: they follow their processes also while the rest stays as it was accepted.
    fn contribute(&mut self, on: &Platform, rollouts: &Rollouts) {
        for stored in rollouts.all() {
            let plan = &stored.plan;
            let basis = Basis {
                plan: plan.digest.clone(),
                gone: plan.gone,
                revision: stored.state.revision,
                endpoints: on.endpoints_revision(&plan.id),
                isolation: self.isolation.revision(),
            };
            if self.contributed.get(&plan.id) != Some(&basis) {
                let Some(wanted) = rollouts.desired(&plan.id) else { continue };
                let mut desired = Desired::clone(wanted);
                crash::spoil(&mut desired);
                desired.routes = self.isolation.effective(&plan.id, desired.routes.take());
                on.fill_endpoints(&plan.id, &mut desired);
                self.aggregator.contribute(&plan.id, desired);
                self.contributed.insert(plan.id.clone(), basis);
            }
        }
    }

    fn refuse(&mut self, error: String) {
        if self.refused.as_ref() != Some(&error) {
            tracing::error!("{error}");
            self.refused = Some(error);
        }
    }
}
