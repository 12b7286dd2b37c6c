//! Generations that proxies say they run although they were never published: facts about those proxies, believed by no proof.
//!
//! They come from a store that was lost or restored from an older backup, from a proxy of another control plane, or from a liar.
//! Believing one would prove every step for ever and raise what is published, so none is; `shunt recover` is for the operator.

use std::collections::BTreeMap;

use shunt_filter_core::report::Report;
use shunt_spec::time::Time;

use super::GONE;

/// Most VMs of which this is kept; further ones are disbelieved all the same.
const CLAIMS_MAX: usize = 4_096;

/// What became of a report's generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belief {
    /// It was published: the report may be taken.
    Published,
    /// It never was, and this proxy said no such thing lately.
    FirstClaim,
    /// It never was, and this proxy keeps saying so.
    Repeated,
}

/// What VMs say, by node and VM, until they have not said it for [`GONE`].
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_node: BTreeMap<String, BTreeMap<String, Claim>>,
    kept: usize,
}

#[derive(Debug, Clone, Copy)]
struct Claim {
    generation: u64,
    at: Time,
}

impl Claims {
    /// Whether the report's generation may be believed when `published` is the newest one; what it says otherwise is kept.
    ///
    /// A VM that once named a generation that did not exist is not believed when we reach that number: it means another policy by it.
    pub(super) fn judge(&mut self, report: &Report, published: u64, now: Time) -> Belief {
        let of_node = self.by_node.get_mut(&report.node);
        let known = of_node.is_some();
        let said = of_node.and_then(|vms| vms.get_mut(&report.vm));
        let same = said.as_ref().is_some_and(|said| said.generation == report.generation);
        if report.generation <= published && !same {
            self.withdraw(&report.node, &report.vm);
            return Belief::Published;
        }
        let claim = Claim { generation: report.generation, at: now };
        match said {
            Some(said) => *said = claim,
            None => self.keep(report, claim, now),
        }
        if known { Belief::Repeated } else { Belief::FirstClaim }
    }

    fn keep(&mut self, report: &Report, claim: Claim, now: Time) {
        if self.kept >= CLAIMS_MAX {
            self.sweep(now);
        }
        if self.kept < CLAIMS_MAX {
            self.by_node.entry(report.node.clone()).or_default().insert(report.vm.clone(), claim);
            self.kept = self.kept.saturating_add(1);
        }
    }

    fn withdraw(&mut self, node: &str, vm: &str) {
        let Some(vms) = self.by_node.get_mut(node) else { return };
        if vms.remove(vm).is_some() {
            self.kept = self.kept.saturating_sub(1);
        }
        if vms.is_empty() {
            self.by_node.remove(node);
        }
    }

    /// This node is forgotten.
    pub(super) fn forget(&mut self, node: &str) {
        let vms = self.by_node.remove(node).unwrap_or_default();
        self.kept = self.kept.saturating_sub(vms.len());
    }

    /// What was not said for [`GONE`] is said no longer.
    pub(super) fn sweep(&mut self, now: Time) {
        for vms in self.by_node.values_mut() {
            vms.retain(|_, claim| now.since(claim.at) < GONE);
        }
        self.by_node.retain(|_, vms| !vms.is_empty());
        self.kept = self.by_node.values().map(BTreeMap::len).sum();
    }

    /// By node, the highest generation that one of its VMs claims.
    pub(super) fn by_node(&self, now: Time) -> BTreeMap<String, u64> {
        let highest =
            |vms: &BTreeMap<String, Claim>| vms.values().filter(|claim| now.since(claim.at) < GONE).map(|claim| claim.generation).max();
        self.by_node.iter().filter_map(|(node, vms)| Some((node.clone(), highest(vms)?))).collect()
    }
}
