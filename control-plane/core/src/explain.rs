//! What explains decisions beyond the policy itself.

use crate::desired::withheld;
use crate::plan::{Plan, Role};
use crate::state::State;

/// Rules that fall through for now, and where values came from that the Rollout does not set itself.
pub fn notes(plan: &Plan, state: &State) -> Vec<String> {
    let named = plan.rules.iter().filter_map(|rule| rule.version.as_ref().map(|version| (&rule.name, version)));
    let falling = named.filter_map(|(rule, version)| {
        let reason = withheld(state, version)?;
        Some(format!("rule {rule:?} falls through: {version} was refused: {reason}"))
    });
    let idle = plan.rules.iter().filter(|rule| state.run.is_none() && rule.version.is_none() && rule.role == Role::Candidate);
    let idle = idle.map(|rule| format!("rule {:?} falls through: it names the candidate, and nothing is being released", rule.name));
    let sources = plan.sources.iter().map(|(field, source)| format!("{field} comes from {source}"));
    falling.chain(idle).chain(sources).collect()
}
