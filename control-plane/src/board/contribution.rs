//! What one Rollout contributes, and which generations prove it.

use serde::Serialize;
use shunt_core::Desired;

use super::{Sequence, digest};
use crate::standalone::ContributionRecord;

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
    /// The routes that this process published last, by their hash, and their sequence.
    shown: Option<(String, Sequence)>,
}

/// What proves one Rollout's contribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proofs {
    /// Reports of this generation, or a later one, prove its service.
    pub(crate) policy: u64,
    /// And its routes.
    pub(crate) routes: RoutesProof,
}

/// What proves one Rollout's routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoutesProof {
    /// There are none of ours.
    None,
    /// Every connected proxy must acknowledge this sequence first.
    Acknowledge(Sequence),
    /// They did; reports of this generation, or a later one, prove the rest. Whoever connects anew must acknowledge, too.
    Report(Sequence, u64),
}

impl Contribution {
    pub(super) fn new(desired: Desired, recorded: Option<ContributionRecord>) -> Self {
        let (service, routes) = hashes(&desired);
        Self { desired, service, routes, recorded, shown: None }
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

    /// What to record with a publication of this generation. `pushed`: it is a new one; `rebase`: what was recorded of generations
    /// is worthless.
    pub(super) fn record(&self, generation: u64, pushed: bool, acknowledged: Option<Sequence>, rebase: bool) -> ContributionRecord {
        let old = self.recorded.as_ref().filter(|_| !rebase);
        let proof = old.filter(|old| old.routes == self.routes).and_then(|old| old.proof);
        let proves = pushed && self.routes != NOTHING && self.is_acknowledged(acknowledged);
        ContributionRecord {
            service: self.service.clone(),
            generation: old.filter(|old| old.service == self.service).map_or(generation, |old| old.generation),
            routes: self.routes.clone(),
            proof: proof.or(proves.then_some(generation)),
        }
    }

    /// Everything wanted is part of what was published just now, whose routes have this sequence.
    pub(super) fn published(&mut self, sequence: Sequence) {
        if self.sequence().is_none() {
            self.shown = Some((self.routes.clone(), sequence));
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
        let routes = match recorded.proof {
            _ if self.routes == NOTHING => RoutesProof::None,
            Some(generation) => RoutesProof::Report(self.sequence()?, generation),
            None => RoutesProof::Acknowledge(self.sequence()?),
        };
        Some(Proofs { policy: recorded.generation, routes })
    }

    /// Of the routes as wanted now; none: not published by this process.
    fn sequence(&self) -> Option<Sequence> {
        self.shown.as_ref().filter(|(routes, _)| *routes == self.routes).map(|(_, sequence)| *sequence)
    }

    fn is_acknowledged(&self, everywhere: Option<Sequence>) -> bool {
        self.sequence().is_some_and(|own| everywhere.is_some_and(|all| own <= all))
    }
}

fn hashes(desired: &Desired) -> (String, String) {
    (desired.service.as_ref().map_or_else(String::new, hash), desired.routes.as_ref().map_or_else(String::new, hash))
}

/// Of its JSON: our own types with string keys, in a fixed order, so equal values give equal bytes in every process.
pub(super) fn hash<T: Serialize>(value: &T) -> String {
    digest(&serde_json::to_vec(value).unwrap_or_default())
}
