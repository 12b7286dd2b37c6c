//! What services and flags have in common: key, rules, split, goals.

use std::collections::BTreeSet;

use crate::assignment::{Assignment, CompiledRule};
use crate::at::At;
use crate::compile::split::{self, Find};
use crate::compile::{PolicyError, Problem};
use crate::fields::Fields;
use crate::goal::{CompiledGoal, GoalAnswer};
use crate::key::Chain;
use crate::limits;
use crate::matching::{Reads, header};
use crate::names::{SHADOW_HEADER, VersionName};
use crate::policy::{Goal, KeySource, Keyless, Rule, Split};
use crate::request::Needs;
use crate::signing::Signing;
use crate::split::{Ranges, seed};

/// The fields of a service or a flag that say who gets a request.
pub(super) struct Raw<'p> {
    pub(super) key: &'p [KeySource],
    pub(super) signing: Option<&'p Signing>,
    pub(super) keyless: Keyless,
    pub(super) rules: &'p [Rule],
    pub(super) split: &'p Split,
    pub(super) stable: &'p VersionName,
    pub(super) counted_rule: Option<&'p str>,
    pub(super) goals: &'p [Goal],
}

/// Checks and compiles all of them; `reads` collects what they and others of the same service read, and goes into the result when
/// all is there.
#[inline(never)]
pub(super) fn compile(raw: &Raw<'_>, reads: &mut Reads, find: Find<'_>, at: &At<'_>) -> Result<Assignment, PolicyError> {
    let stable = find(raw.stable, &at.field("stable"))?;
    let chain = Chain::compile(raw.key, raw.keyless, raw.signing, &mut reads.fields, &at.field("key"))?;
    let rules = rules(raw.rules, reads, find, &at.field("rules"))?;
    let split = split::compile(raw.split, seed, find, &at.field("split"))?;
    let counted_rule = match raw.counted_rule {
        Some(name) => Some(position(&rules, name, &at.field("countedRule"))?),
        None => None,
    };
    let goals = goals(raw.goals, reads, &at.field("goals"))?;
    Ok(Assignment { fields: Fields::default(), chain, rules, split, stable, counted_rule, goals, needs: Needs::default(), regex_work: 0 })
}

#[inline(never)]
fn rules(raw: &[Rule], reads: &mut Reads, find: Find<'_>, at: &At<'_>) -> Result<Vec<CompiledRule>, PolicyError> {
    at.bound(raw.len(), limits::RULES)?;
    let mut names = BTreeSet::new();
    let compiled = raw.iter().enumerate().map(|(index, rule)| {
        let at = at.index(index);
        label(&rule.name, &mut names, &at.field("name"))?;
        Ok(CompiledRule {
            name: rule.name.clone(),
            matches: reads.compile(&rule.matches, &at.field("match"))?,
            split: split::compile(&rule.split, seed, find, &at.field("split"))?,
        })
    });
    compiled.collect()
}

fn position(rules: &[CompiledRule], name: &str, at: &At<'_>) -> Result<usize, PolicyError> {
    rules.iter().position(|rule| rule.name == name).ok_or_else(|| {
        let known: Vec<_> = rules.iter().map(|rule| rule.name.as_str()).collect();
        at.wrong(Problem::UnknownRule { name: name.to_owned(), known: known.join(", ") })
    })
}

#[inline(never)]
fn goals(raw: &[Goal], reads: &mut Reads, at: &At<'_>) -> Result<Vec<CompiledGoal>, PolicyError> {
    at.bound(raw.len(), limits::GOALS)?;
    let mut names = BTreeSet::new();
    let compiled = raw.iter().enumerate().map(|(index, goal)| {
        let at = at.index(index);
        label(&goal.name, &mut names, &at.field("name"))?;
        Ok(CompiledGoal { name: goal.name.clone(), matches: reads.compile(&goal.matches, &at.field("match"))?, answer: answer(goal, &at)? })
    });
    compiled.collect()
}

fn answer(goal: &Goal, at: &At<'_>) -> Result<GoalAnswer, PolicyError> {
    let (from, to) = goal.status;
    if !(100 <= from && from <= to && to <= 599) {
        return Err(at.field("status").wrong(Problem::Status { from, to }));
    }
    let header = match &goal.response_header {
        None => None,
        Some((name, value)) => {
            let at = at.field("responseHeader");
            at.length(name, limits::FIELD_NAME)?;
            at.length(value, limits::TEXT)?;
            if !header::is_token(name) {
                return Err(at.wrong(Problem::HeaderName(name.clone())));
            }
            Some((name.to_ascii_lowercase(), (value != "*").then(|| value.clone())))
        }
    };
    Ok(GoalAnswer { status: goal.status, header })
}

/// Names of rules and goals are labels of counters; each stands in its list once.
fn label<'n>(name: &'n str, known: &mut BTreeSet<&'n str>, at: &At<'_>) -> Result<(), PolicyError> {
    at.length(name, limits::NAME)?;
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        return Err(at.wrong(Problem::RuleName(name.to_owned())));
    }
    if known.insert(name) { Ok(()) } else { Err(at.wrong(Problem::Duplicate(name.to_owned()))) }
}

/// Position of a version among the known ones.
pub(super) fn version(known: &[&VersionName], name: &VersionName, at: &At<'_>) -> Result<usize, PolicyError> {
    known.iter().position(|known| *known == name).ok_or_else(|| {
        let known: Vec<_> = known.iter().map(|known| known.as_str()).collect();
        at.wrong(Problem::UnknownVersion { name: name.to_string(), known: known.join(", ") })
    })
}

/// What must be read of a request, no more.
pub(super) fn needs(assignment: &Assignment, reads: &Reads) -> Needs {
    let mut headers = vec![SHADOW_HEADER.to_owned()];
    headers.extend(assignment.fields.headers.iter().cloned());
    if !assignment.fields.cookies.is_empty() {
        headers.push("cookie".to_owned());
    }
    Needs {
        headers,
        method: reads.method,
        path: reads.path || assignment.chain.reads_query(),
        request_id: assignment.chain.reads_request_id() && hashes_a_key(assignment),
    }
}

fn hashes_a_key(assignment: &Assignment) -> bool {
    let hashed = |split: &Ranges<usize>| !split.is_empty() && split.everybody().is_none();
    // The split hashes even when it is everybody's, for the slot; so does a rule that is counted.
    !assignment.split.is_empty() || assignment.counted_rule.is_some() || assignment.rules.iter().any(|rule| hashed(&rule.split))
}
