//! What all Rollouts want -> one routing policy.

use std::borrow::Borrow;

use shunt_filter_core::RoutingPolicy;
use shunt_filter_core::policy::{FORMAT, Flag, ReportPolicy};

use crate::desired::Desired;

/// The policy of this generation; services in order of name, flags in order of theirs, so that equal contributions give equal bytes.
///
/// Services and flags stay apart: which of them meet at a host is looked up by the filter's compiler, for each host by itself. So
/// hosts may overlap in any way, a host may have flags only, and reports name the Rollout that each part came from.
pub fn merge<D: Borrow<Desired>>(generation: u64, report: Option<ReportPolicy>, wanted: impl IntoIterator<Item = D>) -> RoutingPolicy {
    let mut policy = RoutingPolicy { format: FORMAT, generation, report, signing: None, services: Vec::new(), flags: Vec::new() };
    for desired in wanted {
        let Desired { service, flag, .. } = desired.borrow();
        policy.services.extend(service.clone());
        policy.flags.extend(flag.clone());
    }
    policy.services.sort_by(|a, b| a.name.cmp(&b.name));
    policy.flags.sort_by(|a, b| order(a).cmp(&order(b)));
    policy
}

fn order(flag: &Flag) -> (&str, &shunt_filter_core::RolloutId) {
    (&flag.name, &flag.rollout)
}
