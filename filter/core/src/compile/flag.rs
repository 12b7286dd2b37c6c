//! One flag.

use crate::at::At;
use crate::compile::assignment::{self, Raw};
use crate::compile::{PolicyError, Problem, watch};
use crate::flag::{self, Choice, CompiledFlag};
use crate::limits;
use crate::matching::Reads;
use crate::names::VersionName;
use crate::policy::{Flag, FlagValue};
use crate::signing::Signing;

/// Checks and compiles everything of a flag but its hosts.
#[inline(never)]
pub(super) fn compile(raw: &Flag, signing: Option<&Signing>, at: &At<'_>) -> Result<CompiledFlag, PolicyError> {
    let name = at.field("name");
    name.length(&raw.name, limits::NAME)?;
    if !flag::is_key(&raw.name) {
        return Err(name.wrong(Problem::FlagName(raw.name.clone())));
    }
    check_values(raw, &at.field("values"))?;
    let choices = choices(raw);
    let known: Vec<&VersionName> = raw.values.keys().collect();
    let find = |name: &VersionName, at: &At<'_>| assignment::version(&known, name, at);
    find(&raw.default, &at.field("default"))?;
    let watch = watch::of_flag(raw, &find, at)?;
    let mut reads = Reads::default();
    let parts = Raw {
        key: &raw.key,
        signing,
        keyless: raw.keyless,
        rules: &raw.rules,
        split: &raw.split,
        stable: &raw.stable,
        counted_rule: raw.counted_rule.as_deref(),
        goals: &raw.goals,
    };
    let mut assignment = assignment::compile(&parts, &mut reads, &find, at)?;
    assignment.fields = std::mem::take(&mut reads.fields);
    assignment.regex_work = reads.budget.work();
    assignment.needs = assignment::needs(&assignment, &reads);
    let stable = choices.get(assignment.stable).cloned().ok_or_else(|| at.wrong(Problem::NoVersions))?;
    Ok(CompiledFlag { name: raw.name.clone(), rollout: raw.rollout.clone(), watch, choices, stable, assignment })
}

#[inline(never)]
fn check_values(raw: &Flag, at: &At<'_>) -> Result<(), PolicyError> {
    at.bound(raw.values.len(), limits::VERSIONS)?;
    for (version, value) in &raw.values {
        let at = at.key(version.as_str());
        if let FlagValue::String(text) = value {
            at.length(text, limits::TEXT)?;
        }
        if !flag::is_item(value) {
            return Err(at.wrong(Problem::FlagItem));
        }
    }
    Ok(())
}

fn choices(raw: &Flag) -> Vec<Choice> {
    let default = raw.values.get(&raw.default);
    let said = |value: &FlagValue| (Some(value) != default).then(|| value.clone());
    raw.values.iter().map(|(version, value)| Choice { version: version.clone(), value: said(value) }).collect()
}
