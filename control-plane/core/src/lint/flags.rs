//! Feature flags on hosts that nothing routes: of a managed Envoy they answer 404.

use std::collections::BTreeSet;

use crate::manifest::{Document, ManifestError};
use crate::plan::{Plan, Routing};

/// One warning for each flag with a host that no Rollout among these routes. Of an Envoy with routes of its own, nothing is missing.
pub fn flags_alone(all: &[(&Document, &Plan)]) -> Vec<ManifestError> {
    let routed = |plan: &&Plan| !matches!(plan.routing, Routing::Flag { .. });
    let hosts: BTreeSet<&String> = all.iter().map(|(_, plan)| *plan).filter(routed).flat_map(|plan| &plan.hosts).collect();
    let flags = all.iter().filter(|(_, plan)| matches!(plan.routing, Routing::Flag { .. }));
    let warning = |(document, plan): &(&Document, &Plan)| {
        let alone = plan.hosts.iter().find(|host| !hosts.contains(host))?;
        let message = format!(
            "no Rollout here routes {alone}, and a flag brings no routes: an Envoy that gets its routes from the control plane answers 404 there. \
             Add a Rollout with service: {{hosts: [{alone}]}} and versions with endpoints; an Envoy with routes of its own needs nothing"
        );
        Some(document.origin.error("spec.service.hosts", message))
    };
    flags.filter_map(warning).collect()
}
