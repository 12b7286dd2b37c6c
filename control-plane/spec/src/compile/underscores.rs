//! Request headers with an underscore, which never reach a filter behind Shunt's listener: it refuses such requests, because some
//! upstreams take `x_user` for `x-user`.

use shunt_filter_core::matching::Match;

use super::filter_check;
use crate::plan::{Plan, Step};
use crate::problems::Problems;

/// Notes every key and match that reads such a header. `steps`: the field of each step.
pub(super) fn check(plan: &Plan, overrides: usize, steps: &[String], problems: &mut Problems) {
    for (index, source) in plan.key.iter().enumerate() {
        if let Some(name) = source.header.as_deref().filter(|name| name.contains('_')) {
            problems.add(format!("spec.key[{index}].header"), refused(name));
        }
    }
    for (path, rule) in filter_check::all_rules(plan, overrides, steps) {
        matches(&rule.matches, &format!("{path}.match"), problems);
    }
    for (path, step) in steps.iter().zip(&plan.steps) {
        match step {
            Step::Mirror(mirror) => matches(&mirror.matches, &format!("{path}.match"), problems),
            Step::AbTest(test) => {
                matches(&test.matches, &format!("{path}.match"), problems);
                for (index, goal) in test.goals.iter().enumerate() {
                    matches(&goal.policy().matches, &format!("{path}.goals[{index}].match"), problems);
                }
            }
            _ => {}
        }
    }
}

fn matches(all: &[Match], path: &str, problems: &mut Problems) {
    for (index, one) in all.iter().enumerate() {
        let path = format!("{path}[{index}]");
        for name in one.headers.keys().filter(|name| name.contains('_')) {
            problems.add(format!("{path}.headers.{name}"), refused(name));
        }
        matches(&one.not, &format!("{path}.not"), problems);
    }
}

fn refused(name: &str) -> String {
    format!(
        "Shunt's listener answers 400 to every request with a header whose name has an underscore, so {name:?} is never there: let clients send {:?}",
        name.replace('_', "-")
    )
}
