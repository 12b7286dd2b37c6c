//! All services -> one routing policy.

use shunt_filter_core::policy::ReportPolicy;
use shunt_filter_core::{RoutingPolicy, ServicePolicy};

/// The policy of this generation; services in order of name, so that equal contributions give equal bytes.
pub fn merge(_generation: u64, _report: Option<ReportPolicy>, _services: Vec<ServicePolicy>) -> RoutingPolicy {
    todo!()
}
