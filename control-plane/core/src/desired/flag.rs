//! A feature flag: its values are versions, decided in the proxy and handed on in a header; there is nothing to route.

use std::collections::BTreeMap;

use shunt_filter_core::policy::{Flag, FlagValue, Split};
use shunt_filter_core::{ServicePolicy, VersionName};

use super::{rules, split};
use crate::plan::{Backend, Plan};
use crate::state::State;

/// A service with nothing but this flag; [`crate::merge::merge`] puts all flags of a host together with what is routed there.
pub(super) fn service(plan: &Plan, state: &State, name: &str) -> ServicePolicy {
    let flag = Flag {
        name: name.to_owned(),
        rollout: plan.id.clone(),
        epoch: state.epoch,
        analysis: state.run.is_some() || state.previous.is_some(),
        key: plan.key.clone(),
        keyless: plan.keyless,
        values: values(plan, state),
        default: state.stable.clone(),
        rules: rules(plan, state),
        split: split(plan, state),
    };
    ServicePolicy {
        name: plan.id.clone(),
        hosts: plan.hosts.clone(),
        short_hosts: Vec::new(),
        port: plan.port,
        epoch: state.epoch,
        stable: state.stable.clone(),
        default_route: None,
        versions: Vec::new(),
        key: Vec::new(),
        keyless: plan.keyless,
        rules: Vec::new(),
        split: Split::default(),
        mirror: None,
        flags: vec![flag],
        analysis: false,
        counted_rule: None,
        latency: None,
        goals: Vec::new(),
    }
}

fn values(plan: &Plan, state: &State) -> BTreeMap<VersionName, FlagValue> {
    let installed = state.installed.iter().map(|(name, installed)| (name, &installed.backend));
    let written = plan.versions.iter().map(|version| (&version.name, &version.backend));
    installed.chain(written).filter_map(|(name, backend)| match backend {
        Backend::Value(value) => Some((name.clone(), value.clone())),
        Backend::Endpoints(_) | Backend::Cluster(_) | Backend::Command(_) | Backend::Registered(_) => None,
    }).collect()
}
