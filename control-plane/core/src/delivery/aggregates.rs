//! Sums of each Rollout over all VMs that reported it, kept up to date as reports come.
//!
//! Nearly every report is the one before it with larger numbers and more slots: what it has more is added, and no other VM is looked at.
//! Whatever else happens (a VM ends or goes silent, a proxy is forgotten, a counter goes back) marks the Rollout, which is counted anew
//! before the next pass, from the proxies that hold it.

use std::collections::{BTreeMap, BTreeSet};

use shunt_filter_core::RolloutId;
use shunt_filter_core::report::ServiceReport;

use super::growth::{details, grow};

/// What the sums of one Rollout are worth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Freshness {
    /// They are what a walk over all VMs would give.
    #[default]
    Fresh,
    /// All but the exemplars and the requests that hang now, which do not only grow.
    WithoutDetails,
    /// To be counted anew.
    Stale,
}

/// The sums of one Rollout. The first slow slots of an epoch are not part of them: they depend on the order of reports, and stand elsewhere.
#[derive(Debug, Default)]
pub(super) struct Aggregate {
    pub(super) sum: ServiceReport,
    /// Proxies that reported it, by node id.
    pub(super) holders: BTreeSet<String>,
    pub(super) freshness: Freshness,
}

/// All of them. They take no more memory than the reports that they sum, which have their budgets.
#[derive(Debug, Default)]
pub(super) struct Aggregates {
    by_rollout: BTreeMap<RolloutId, Aggregate>,
    marked: BTreeSet<RolloutId>,
}

impl Aggregates {
    pub(super) fn get(&self, id: &RolloutId) -> Option<&Aggregate> {
        self.by_rollout.get(id)
    }

    /// A VM that counts as living reported this; none before: it had not.
    pub(super) fn take(&mut self, id: &RolloutId, node: &str, before: Option<&ServiceReport>, new: &ServiceReport) {
        if before.is_none() {
            self.hold(id, node);
        }
        let Some(aggregate) = self.by_rollout.get_mut(id).filter(|aggregate| aggregate.freshness != Freshness::Stale) else { return };
        let freshness = match grow(&mut aggregate.sum, before, new) {
            None => Freshness::Stale,
            Some(()) if details(before) != details(Some(new)) => Freshness::WithoutDetails,
            Some(()) => Freshness::Fresh,
        };
        self.mark(id, freshness);
    }

    /// This proxy has something of the Rollout.
    pub(super) fn hold(&mut self, id: &RolloutId, node: &str) {
        if !self.by_rollout.contains_key(id) {
            self.by_rollout.insert(id.clone(), Aggregate::default());
        }
        if let Some(aggregate) = self.by_rollout.get_mut(id).filter(|aggregate| !aggregate.holders.contains(node)) {
            aggregate.holders.insert(node.to_owned());
        }
    }

    /// The Rollout is to be counted anew.
    pub(super) fn expire(&mut self, ids: impl IntoIterator<Item = RolloutId>) {
        ids.into_iter().for_each(|id| self.mark(&id, Freshness::Stale));
    }

    fn mark(&mut self, id: &RolloutId, freshness: Freshness) {
        if let Some(aggregate) = self.by_rollout.get_mut(id).filter(|aggregate| aggregate.freshness < freshness) {
            aggregate.freshness = freshness;
            self.marked.insert(id.clone());
        }
    }

    /// Those that are marked, which are to be given back by [`Aggregates::put`].
    pub(super) fn take_marked(&mut self) -> Vec<(RolloutId, Aggregate)> {
        let marked = std::mem::take(&mut self.marked);
        marked.into_iter().filter_map(|id| self.by_rollout.remove_entry(&id)).collect()
    }

    /// What was counted anew; one that no proxy holds and nothing is left of is forgotten.
    pub(super) fn put(&mut self, id: RolloutId, aggregate: Aggregate) {
        if !aggregate.holders.is_empty() || aggregate.sum != ServiceReport::default() {
            self.by_rollout.insert(id, aggregate);
        }
    }
}
