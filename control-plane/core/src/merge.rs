//! All services -> one routing policy.

use shunt_filter_core::policy::{FORMAT, ReportPolicy};
use shunt_filter_core::{RoutingPolicy, ServicePolicy};

/// The policy of this generation; services in order of name, so that equal contributions give equal bytes.
pub fn merge(generation: u64, report: Option<ReportPolicy>, mut services: Vec<ServicePolicy>) -> RoutingPolicy {
    services.sort_by(|a, b| a.name.cmp(&b.name));
    RoutingPolicy { format: FORMAT, generation, report, services }
}
