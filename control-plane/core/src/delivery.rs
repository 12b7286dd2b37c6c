//! Reports and expected proxies -> how far a generation has come, and what was counted.

use std::collections::BTreeSet;

use shunt_filter_core::RolloutId;
use shunt_filter_core::report::{EpochReport, Report, ServiceReport};

use crate::observation::{Delivery, Misrouting};
use crate::time::Time;

/// All that the filters told, kept in memory: after a restart nothing is proved until it is reported again.
#[derive(Debug, Default)]
pub struct Reports {}

impl Reports {
    /// Takes one post. True when it brought something new to any service or generation.
    pub fn take(&mut self, _report: Report, _now: Time) -> bool {
        todo!()
    }

    /// How far `generation` has come among `expected` proxies (node ids recorded as possibly holding a policy of ours).
    pub fn delivery(&self, _generation: u64, _expected: &BTreeSet<String>, _now: Time) -> Delivery {
        todo!()
    }

    /// Counters of one service, summed over all VMs ever seen (those that ended without a final report: open requests are lost, not running).
    pub fn service(&self, _id: &RolloutId) -> ServiceReport {
        todo!()
    }

    /// The union of all VMs' reports of one epoch.
    pub fn epoch(&self, _id: &RolloutId, _epoch: u64) -> EpochReport {
        todo!()
    }

    /// Whether misrouted or unrouted requests of this service grow.
    pub fn misrouting(&self, _id: &RolloutId, _now: Time) -> Misrouting {
        todo!()
    }

    /// The highest generation anybody reported.
    pub fn highest_generation(&self) -> u64 {
        todo!()
    }

    /// Node, generation of its slowest VM, number of VMs, last report; for `shunt get` and `shunt proxies`.
    pub fn proxies(&self, _now: Time) -> Vec<ProxySeen> {
        todo!()
    }

    /// The platform saw the connection of this node close (or open again): after 60 s of silence it counts as gone.
    pub fn connection(&mut self, _node: &str, _open: bool, _now: Time) {
        todo!()
    }

    /// `shunt forget NODE`.
    pub fn forget(&mut self, _node: &str) {
        todo!()
    }

    /// Expected proxies that are certainly gone and may be dropped from the record.
    pub fn gone(&self, _expected: &BTreeSet<String>, _now: Time) -> Vec<String> {
        todo!()
    }
}

/// One proxy as its reports show it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxySeen {
    /// Node id.
    pub node: String,
    /// Of its slowest VM.
    pub generation: u64,
    /// Living VMs.
    pub vms: u32,
    /// Last report.
    pub last: Time,
    /// True: no report for 30 s.
    pub silent: bool,
}
