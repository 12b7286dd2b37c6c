//! The policy aggregator: the only writer of the merged policy and of the routes that proxies get.
//!
//! Every Rollout contributes here; [`PolicyAggregator::next`] says what to publish, if anything. It publishes nothing until every
//! stored Rollout has contributed once, and a generation is recorded before any proxy sees it. Pure: the caller does the I/O.
//!
//! Two proofs come from generations. A service is in force at a proxy that reports the generation that first carried it, or a later
//! one. Routes are in force at a proxy that acknowledged them and then reports a generation that was pushed after everybody had
//! acknowledged them; when none is due, the aggregator pushes one that changes nothing else.

mod contribution;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use sha2::{Digest, Sha256};
use shunt_core::Desired;
use shunt_core::desired::Routes;
use shunt_core::merge::merge;
use shunt_filter_core::policy::ReportPolicy;
use shunt_filter_core::signing::Signing;
use shunt_filter_core::{PolicyError, RolloutId, RoutingPolicy};
use thiserror::Error;

use crate::platform::{ContributionRecord, PolicyRecord, Sequence, UNRECORDED_MAX};
use contribution::Contribution;
pub(crate) use contribution::{PolicyProof, Proofs, RoutesProof};

/// What is around the aggregator when it decides what to publish.
#[derive(Debug, Clone)]
pub(crate) struct Circumstances<'a> {
    /// How filters should report.
    pub(crate) report: ReportPolicy,
    /// Everything published up to this sequence is acknowledged by every connected proxy; none: no proxy is connected.
    pub(crate) acknowledged: Option<Sequence>,
    /// Why a push is wanted although nothing changed; none: it is not.
    pub(crate) heal: Option<&'a str>,
    /// What signs generated keys, where any are signed.
    pub(crate) signing: &'a Signing,
}

/// What to publish; to be recorded first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Publication {
    /// The merged policy.
    pub(crate) policy: RoutingPolicy,
    /// The same as JSON: what proxies get.
    pub(crate) text: String,
    /// Routes of all Rollouts that have any, in order of id.
    pub(crate) routes: Vec<Routes>,
    /// Their hash.
    routes_hash: String,
    /// Why, for the log.
    pub(crate) why: String,
    /// What to record of the policy.
    pub(crate) record: PolicyRecord,
    /// What to record of contributions.
    pub(crate) changed: Vec<(RolloutId, ContributionRecord)>,
}

/// Why nothing is published until contributions change.
#[derive(Debug, Clone, PartialEq, Error)]
pub(crate) enum AggregateError {
    /// Filters would refuse the merged policy.
    #[error("the merged policy would be refused by every proxy, so it is not published: {0}")]
    Refused(#[from] PolicyError),
    /// It cannot be written down. An empty text in its place would end every rule and weight.
    #[error("{what} cannot be written as JSON, so nothing is published: {error}")]
    Unwritable {
        /// What cannot.
        what: &'static str,
        /// Why.
        error: String,
    },
}

/// All contributions, and what of them was published.
#[derive(Debug)]
pub(crate) struct PolicyAggregator {
    missing: BTreeSet<RolloutId>,
    contributions: BTreeMap<RolloutId, Contribution>,
    recorded: BTreeMap<RolloutId, ContributionRecord>,
    published: PolicyRecord,
    /// Generations up to this one may have been published by a process that could not record them and ended.
    floor: u64,
    /// Hash of the routes that this process published; none: nothing yet.
    routes: Option<String>,
    /// What the contributions come to, until one of them changes.
    sum: Option<Sum>,
}

/// What the contributions come to, under one way of reporting.
#[derive(Debug, Clone)]
struct Sum {
    policy: RoutingPolicy,
    content: String,
    routes: Vec<Routes>,
    routes_content: String,
}

impl PolicyAggregator {
    /// With what was recorded; `stored` are the Rollouts that must contribute before anything is published. Where the process before
    /// this one ended while the disk was full, proxies may run generations that it could not record: everything is pushed and proved
    /// anew, above them.
    pub(crate) fn new(published: PolicyRecord, recorded: BTreeMap<RolloutId, ContributionRecord>, stored: BTreeSet<RolloutId>) -> Self {
        let floor = published.ceiling;
        let recorded = if floor > published.generation { BTreeMap::new() } else { recorded };
        Self { missing: stored, contributions: BTreeMap::new(), recorded, published, floor, routes: None, sum: None }
    }

    /// What this Rollout wants now.
    pub(crate) fn contribute(&mut self, id: &RolloutId, desired: Desired) {
        self.missing.remove(id);
        let recorded = self.recorded.remove(id);
        let changed = match self.contributions.get_mut(id) {
            Some(contribution) => contribution.want(desired),
            None => self.contributions.insert(id.clone(), Contribution::new(desired, recorded)).is_none(),
        };
        if changed {
            self.sum = None;
        }
    }

    /// This Rollout is forgotten.
    pub(crate) fn withdraw(&mut self, id: &RolloutId) {
        self.missing.remove(id);
        self.recorded.remove(id);
        self.contributions.remove(id);
        self.sum = None;
    }

    /// The newest generation that was ever published, as recorded; 0: none.
    pub(crate) fn generation(&self) -> u64 {
        self.published.generation
    }

    /// The state was made anew from what proxies run, of which this is the highest generation: the next one is above it, and nothing
    /// that was proved before counts.
    pub(crate) fn rebase(&mut self, generation: u64) {
        self.published = PolicyRecord { generation, ..PolicyRecord::default() };
        self.recorded.clear();
        self.routes = None;
        self.contributions.values_mut().for_each(|contribution| contribution.recorded = None);
    }

    /// Whether every stored Rollout has contributed and what they want was published.
    pub(crate) fn is_live(&self) -> bool {
        self.routes.is_some()
    }

    /// What proves this Rollout's contribution as published; none before it was.
    pub(crate) fn proofs(&self, id: &RolloutId) -> Option<Proofs> {
        self.contributions.get(id).filter(|_| self.is_live()).and_then(Contribution::proofs)
    }

    /// What to publish now; none when proxies have it already, or some Rollout has not contributed yet.
    pub(crate) fn next(&mut self, around: &Circumstances<'_>) -> Result<Option<Publication>, AggregateError> {
        if !self.missing.is_empty() {
            return Ok(None);
        }
        let sum = self.sum(&around.report, around.signing)?;
        let Some(why) = self.reason(&sum, around) else {
            self.sum = Some(sum);
            return Ok(None);
        };
        let pushed = why.pushes().then(|| self.published.generation.max(self.floor).saturating_add(1));
        let generation = pushed.unwrap_or(self.published.generation);
        let policy = RoutingPolicy { generation, ..sum.policy.clone() };
        let records = self.contributions.iter().map(|(id, own)| (id, own, own.record(generation, pushed.is_some(), around.acknowledged)));
        let changed =
            records.filter(|(_, own, record)| own.recorded.as_ref() != Some(record)).map(|(id, _, record)| (id.clone(), record)).collect();
        let ceiling = generation.saturating_add(UNRECORDED_MAX);
        let record = PolicyRecord { generation, hash: sum.content.clone(), ceiling };
        let (routes, routes_hash) = (sum.routes.clone(), sum.routes_content.clone());
        self.sum = Some(sum);
        shunt_filter_core::compile(policy.clone(), None)?;
        let text = written("the merged policy", &policy)?;
        Ok(Some(Publication { policy, text, routes, routes_hash, why: why.to_string(), record, changed }))
    }

    /// It was recorded and handed to the proxies' server, which gave it this sequence.
    pub(crate) fn published(&mut self, publication: &Publication, sequence: Sequence) {
        self.published = publication.record.clone();
        self.routes = Some(publication.routes_hash.clone());
        for (id, record) in &publication.changed {
            if let Some(contribution) = self.contributions.get_mut(id) {
                contribution.recorded = Some(record.clone());
            }
        }
        for contribution in self.contributions.values_mut() {
            contribution.published(sequence);
        }
    }

    fn sum(&mut self, report: &ReportPolicy, signing: &Signing) -> Result<Sum, AggregateError> {
        let same = |sum: &Sum| sum.policy.report.as_ref() == Some(report) && sum.policy.signing.as_ref().is_none_or(|old| old == signing);
        if let Some(sum) = self.sum.take().filter(same) {
            return Ok(sum);
        }
        let mut policy = merge(0, Some(report.clone()), self.contributions.values().map(|contribution| &contribution.desired));
        // Added here and not by a Rollout: that a key is a new one proves and disproves nothing of a Rollout's.
        policy.signing = policy.has_signed_keys().then(|| signing.clone());
        let routes: Vec<Routes> = self.contributions.values().filter_map(|contribution| contribution.desired.routes.clone()).collect();
        let content = digest(written("the merged policy", &policy)?.as_bytes());
        let routes_content = digest(written("the routes of all Rollouts", &routes)?.as_bytes());
        Ok(Sum { content, routes_content, policy, routes })
    }

    fn reason(&self, sum: &Sum, around: &Circumstances<'_>) -> Option<Why> {
        if sum.content != self.published.hash {
            return Some(Why::Policy);
        }
        if let Some(reason) = around.heal {
            return Some(Why::Heal(reason.to_owned()));
        }
        if self.routes.is_none() {
            return Some(if self.floor > self.published.generation { Why::Unrecorded } else { Why::Restarted });
        }
        if self.routes.as_ref() != Some(&sum.routes_content) {
            return Some(Why::Routes);
        }
        if self.contributions.values().any(|contribution| contribution.awaits_push(around.acknowledged)) {
            return Some(Why::Proof);
        }
        self.contributions.values().any(|contribution| contribution.recorded.is_none()).then_some(Why::Recorded)
    }
}

/// Why something is published.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Why {
    Policy,
    Routes,
    Restarted,
    Unrecorded,
    /// A Rollout contributes nothing new; only that is recorded.
    Recorded,
    Proof,
    Heal(String),
}

impl Why {
    /// Whether the policy gets a new generation; without one its bytes are those that proxies have.
    fn pushes(&self) -> bool {
        match self {
            Why::Policy | Why::Unrecorded | Why::Proof | Why::Heal(_) => true,
            Why::Routes | Why::Restarted | Why::Recorded => false,
        }
    }
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Why::Policy => f.write_str("the policy changed"),
            Why::Routes => f.write_str("routes changed"),
            Why::Restarted => f.write_str("as before the restart"),
            Why::Unrecorded => f.write_str("the process before this one may have published more than it had room to record"),
            Why::Recorded => f.write_str("as before"),
            Why::Proof => f.write_str("routes are acknowledged; the reports on this generation prove them"),
            Why::Heal(reason) => f.write_str(reason),
        }
    }
}

/// The JSON of something: our own types with string keys, in a fixed order, so equal values give equal bytes in every process.
fn written<T: Serialize>(what: &'static str, value: &T) -> Result<String, AggregateError> {
    serde_json::to_string(value).map_err(|error| AggregateError::Unwritable { what, error: error.to_string() })
}

fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

#[cfg(test)]
mod tests;
