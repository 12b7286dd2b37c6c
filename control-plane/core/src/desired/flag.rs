//! A feature flag: its values are versions, decided in the proxy and handed on in a header; there is nothing to route.

use std::collections::BTreeMap;

use shunt_filter_core::VersionName;
use shunt_filter_core::policy::{Flag, FlagValue};
use shunt_spec::plan::{Backend, Plan, Routing};

use super::{counted_rule, goals, in_policy, is_watched, rules, split, watched};
use crate::state::State;

/// The Rollout's flag; none when its versions are no values.
pub(super) fn flag(plan: &Plan, state: &State) -> Option<Flag> {
    let Routing::Flag { name, default } = &plan.routing else { return None };
    if !in_policy(plan, state) {
        return None;
    }
    Some(Flag {
        name: name.clone(),
        rollout: plan.id.clone(),
        hosts: plan.hosts.clone(),
        short_hosts: Vec::new(),
        port: plan.port,
        epoch: state.epoch,
        analysis: is_watched(state),
        key: plan.key.clone(),
        keyless: plan.keyless,
        values: values(plan, state),
        stable: state.stable.clone(),
        default: default.clone(),
        rules: rules(plan, state),
        split: split(plan, state),
        counted_rule: counted_rule(plan, state),
        latency: watched::latency(plan, state),
        responses: watched::responses(plan, state),
        hang_after_ms: watched::hang_after_ms(plan, state),
        tolerance: watched::tolerance(plan, state),
        goals: goals(plan, state),
    })
}

/// Of versions as written, and of those that still have users though they are no longer written.
fn values(plan: &Plan, state: &State) -> BTreeMap<VersionName, FlagValue> {
    let installed = state.installed.iter().map(|(name, installed)| (name, &installed.backend));
    let written = plan.versions.iter().map(|version| (&version.name, &version.backend));
    let value = |(name, backend): (&VersionName, &Backend)| Some((name.clone(), backend.value()?.clone()));
    installed.chain(written).filter_map(value).collect()
}
