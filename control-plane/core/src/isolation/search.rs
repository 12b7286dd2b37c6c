//! The search for a Rollout that no refusal names: first everything new is set aside, then halves of it come back, one after the other.

use std::collections::{BTreeMap, BTreeSet};

use shunt_filter_core::RolloutId;
use shunt_spec::time::{Span, Time};

use super::{Opinion, Refusal, Sequence, named};
use crate::desired::Routes;

/// A proxy that neither takes nor refuses a configuration for this long does not hold up the search.
const PATIENCE: Span = Span::seconds(10);

/// A search under way.
#[derive(Debug)]
pub(super) struct Search {
    /// Who refused what is sought, and how.
    node: String,
    refusal: Refusal,
    /// What was refused together.
    suspects: BTreeMap<RolloutId, Routes>,
    /// Still to be tried; together with what was cleared, each of them was refused in company.
    groups: Vec<BTreeSet<RolloutId>>,
    /// Part of the present configuration; empty at first: what all proxies had accepted.
    trying: BTreeSet<RolloutId>,
    cleared: BTreeSet<RolloutId>,
    /// The present configuration; none: not published yet.
    sequence: Option<Sequence>,
    since: Time,
}

/// What comes next.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    /// The proxies have not answered.
    Wait,
    /// Another group is to be published.
    Try,
    /// This one is at fault, as this proxy says.
    Reject(RolloutId, String, Refusal),
    /// This proxy refuses what no Rollout can mend.
    Odd(String),
    /// Nothing is left to try.
    Over,
}

impl Search {
    /// Nothing of these is published at first.
    pub(super) fn new(suspects: BTreeMap<RolloutId, Routes>, node: String, refusal: Refusal, now: Time) -> Self {
        let groups = vec![suspects.keys().cloned().collect()];
        Self { node, refusal, suspects, groups, trying: BTreeSet::new(), cleared: BTreeSet::new(), sequence: None, since: now }
    }

    /// What this Rollout wants is part of the present configuration.
    pub(super) fn tries(&self, id: &RolloutId) -> bool {
        self.trying.contains(id) || self.cleared.contains(id)
    }

    /// What of this Rollout was refused in company.
    pub(super) fn suspect(&self, id: &RolloutId) -> Option<&Routes> {
        self.suspects.get(id)
    }

    /// It has to wait for its turn.
    pub(super) fn waits(&self, id: &RolloutId) -> bool {
        self.groups.iter().any(|group| group.contains(id))
    }

    pub(super) fn published(&mut self, sequence: Sequence) {
        self.sequence.get_or_insert(sequence);
    }

    /// Something is left to try.
    pub(super) fn goes_on(&self) -> bool {
        self.sequence.is_none()
    }

    /// What the proxies made of the present configuration.
    pub(super) fn next(&mut self, opinions: &[&Opinion], now: Time) -> Next {
        let Some(sequence) = self.sequence else { return Next::Wait };
        if opinions.is_empty() {
            return Next::Over;
        }
        let refused = |opinion: &&&Opinion| opinion.refusal.as_ref().is_some_and(|refusal| refusal.sequence >= sequence);
        if let Some(opinion) = opinions.iter().find(refused) {
            let Some(refusal) = opinion.refusal.clone() else { return Next::Wait };
            return self.refused(opinion.node.clone(), refusal, now);
        }
        let taken = opinions.iter().all(|opinion| opinion.acknowledged >= sequence);
        if !taken && now.since(self.since) < PATIENCE {
            return Next::Wait;
        }
        let base = self.trying.is_empty() && self.cleared.is_empty();
        self.cleared.append(&mut self.trying);
        // All of what is left was refused together: alone it is at fault, and otherwise halves are tried.
        match self.groups.pop() {
            Some(group) if base && taken && group.len() == 1 => self.guilty(group, self.node.clone(), self.refusal.clone(), now),
            Some(group) if base => self.split(group, now),
            Some(group) => self.attempt(group, now),
            None => Next::Over,
        }
    }

    fn refused(&mut self, node: String, refusal: Refusal, now: Time) -> Next {
        if self.trying.is_empty() {
            return Next::Odd(node);
        }
        let mut group = std::mem::take(&mut self.trying);
        let named = named::rollouts(&refusal).into_iter().find(|id| group.contains(id));
        match named {
            Some(id) => {
                group.remove(&id);
                self.groups.extend(Some(group).filter(|rest| !rest.is_empty()));
                self.guilty(BTreeSet::from([id]), node, refusal, now)
            }
            None if group.len() == 1 => self.guilty(group, node, refusal, now),
            None => self.split(group, now),
        }
    }

    /// The one is at fault; the next group follows, if there is one.
    fn guilty(&mut self, group: BTreeSet<RolloutId>, node: String, refusal: Refusal, now: Time) -> Next {
        if let Some(next) = self.groups.pop() {
            self.attempt(next, now);
        }
        group.into_iter().next().map_or(Next::Over, |id| Next::Reject(id, node, refusal))
    }

    fn split(&mut self, group: BTreeSet<RolloutId>, now: Time) -> Next {
        let half = group.len().div_ceil(2);
        let (first, second): (Vec<_>, Vec<_>) = group.into_iter().enumerate().partition(|(index, _)| *index < half);
        let ids = |part: Vec<(usize, RolloutId)>| part.into_iter().map(|(_, id)| id).collect::<BTreeSet<_>>();
        self.groups.extend(Some(ids(second)).filter(|group| !group.is_empty()));
        self.attempt(ids(first), now)
    }

    fn attempt(&mut self, group: BTreeSet<RolloutId>, now: Time) -> Next {
        (self.trying, self.sequence, self.since) = (group, None, now);
        Next::Try
    }
}
