//! What explains decisions beyond the policy itself.

use shunt_spec::mesh_policy::BUILT_IN;
use shunt_spec::plan::{Plan, Role};

use crate::desired::withheld;
use crate::state::State;

/// Rules that fall through for now, and where values came from that the Rollout does not set itself.
pub fn notes(plan: &Plan, state: &State) -> Vec<String> {
    let sources = plan.sources.iter().map(|(field, source)| source_note(field, source));
    falling_rules(plan, state).into_iter().chain(sources).collect()
}

/// Rules that fall through for now, each with its reason.
pub fn falling_rules(plan: &Plan, state: &State) -> Vec<String> {
    let named = plan.rules.iter().filter_map(|rule| rule.version.as_ref().map(|version| (&rule.name, version)));
    let falling = named.filter_map(|(rule, version)| {
        let reason = withheld(state, version)?;
        Some(format!("rule {rule:?} falls through: {version} was refused: {reason}"))
    });
    let idle = plan.rules.iter().filter(|rule| state.run.is_none() && rule.version.is_none() && rule.role == Role::Candidate);
    let idle = idle.map(|rule| format!("rule {:?} falls through: it names the candidate, and nothing is being released", rule.name));
    falling.chain(idle).collect()
}

/// Where the values that decide one request came from: the key chain and what happens without one, and all that is not a built-in default.
pub fn request_sources(plan: &Plan) -> Vec<String> {
    let concerns = |field: &str, source: &str| field.starts_with("spec.key") || source != BUILT_IN;
    plan.sources.iter().filter(|(field, source)| concerns(field, source)).map(|(field, source)| source_note(field, source)).collect()
}

fn source_note(field: &str, source: &str) -> String {
    format!("{field} comes from {source}")
}
