//! What one Rollout contributes, and which generations prove it.

use serde::Serialize;
use shunt_core::Desired;

use super::{digest, written};
use crate::platform::{ContributionRecord, Sequence};

/// The hash of something that is not there.
const NOTHING: &str = "";

/// One Rollout's part of the policy and of the routes.
#[derive(Debug)]
pub(super) struct Contribution {
    pub(super) desired: Desired,
    service: String,
    routes: String,
    /// None: not recorded yet.
    pub(super) recorded: Option<ContributionRecord>,
    /// What this process published last, by its hash, and its sequence.
    service_shown: Option<(String, Sequence)>,
    routes_shown: Option<(String, Sequence)>,
}

/// What proves one Rollout's contribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proofs {
    /// Its service, or its flag.
    pub(crate) policy: PolicyProof,
    /// Its routes.
    pub(crate) routes: RoutesProof,
}

/// What proves one Rollout's service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PolicyProof {
    /// Reports of this generation, or a later one.
    pub(crate) generation: u64,
    /// A proxy that refuses what was published as this sequence, or later, disproves it.
    pub(crate) sequence: Sequence,
}

/// What proves one Rollout's routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoutesProof {
    /// There are none of ours.
    None,
    /// Every connected proxy must acknowledge this sequence first.
    Acknowledge(Sequence),
    /// They did; reports of this generation, or a later one, prove the rest. A proxy that connects anew must acknowledge, too.
    Report(Sequence, u64),
}

impl Contribution {
    pub(super) fn new(desired: Desired, recorded: Option<ContributionRecord>) -> Self {
        let (service, routes) = hashes(&desired);
        Self { desired, service, routes, recorded, service_shown: None, routes_shown: None }
    }

    /// True when it wants something else than before.
    pub(super) fn want(&mut self, desired: Desired) -> bool {
        if self.desired == desired {
            return false;
        }
        (self.service, self.routes) = hashes(&desired);
        self.desired = desired;
        true
    }

    /// What to record with a publication of this generation. `pushed`: it is a new one.
    pub(super) fn record(&self, generation: u64, pushed: bool, acknowledged: Option<Sequence>) -> ContributionRecord {
        let old = self.recorded.as_ref();
        let proof = old.filter(|old| old.routes == self.routes).and_then(|old| old.proof);
        let proves = pushed && self.routes != NOTHING && self.is_acknowledged(acknowledged);
        ContributionRecord {
            service: self.service.clone(),
            generation: old.filter(|old| old.service == self.service).map_or(generation, |old| old.generation),
            routes: self.routes.clone(),
            proof: proof.or(proves.then_some(generation)),
        }
    }

    /// Everything wanted is part of what was published just now as this sequence.
    pub(super) fn published(&mut self, sequence: Sequence) {
        if sequence_of(&self.service, &self.service_shown).is_none() {
            self.service_shown = Some((self.service.clone(), sequence));
        }
        if sequence_of(&self.routes, &self.routes_shown).is_none() {
            self.routes_shown = Some((self.routes.clone(), sequence));
        }
    }

    /// Its routes are acknowledged everywhere, and no generation was pushed since.
    pub(super) fn awaits_push(&self, acknowledged: Option<Sequence>) -> bool {
        let proved = self.recorded.as_ref().is_some_and(|recorded| recorded.routes == self.routes && recorded.proof.is_some());
        self.routes != NOTHING && !proved && self.is_acknowledged(acknowledged)
    }

    /// None while what is wanted is not published.
    pub(super) fn proofs(&self) -> Option<Proofs> {
        let recorded = self.recorded.as_ref().filter(|recorded| recorded.service == self.service && recorded.routes == self.routes)?;
        let sequence = sequence_of(&self.routes, &self.routes_shown)?;
        let routes = match recorded.proof {
            _ if self.routes == NOTHING => RoutesProof::None,
            Some(generation) => RoutesProof::Report(sequence, generation),
            None => RoutesProof::Acknowledge(sequence),
        };
        let policy = PolicyProof { generation: recorded.generation, sequence: sequence_of(&self.service, &self.service_shown)? };
        Some(Proofs { policy, routes })
    }

    fn is_acknowledged(&self, everywhere: Option<Sequence>) -> bool {
        sequence_of(&self.routes, &self.routes_shown).is_some_and(|own| everywhere.is_some_and(|all| own <= all))
    }
}

/// The sequence of what is wanted now; none: this process has not published it.
fn sequence_of(wanted: &str, shown: &Option<(String, Sequence)>) -> Option<Sequence> {
    shown.as_ref().filter(|(shown, _)| shown == wanted).map(|(_, sequence)| *sequence)
}

fn hashes(desired: &Desired) -> (String, String) {
    let decided = desired.service.as_ref().map(hash).or_else(|| desired.flag.as_ref().map(hash));
    (decided.unwrap_or_default(), desired.routes.as_ref().map_or_else(String::new, hash))
}

/// Of its JSON. What has none is never published, because the aggregator writes down the whole before it publishes anything.
fn hash<T: Serialize>(value: &T) -> String {
    match written("a contribution", value) {
        Ok(text) => digest(text.as_bytes()),
        Err(error) => error.to_string(),
    }
}
