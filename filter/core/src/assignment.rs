//! Who gets a request: rules in order, then the split, then the version that gets all that nothing else claims. The same for the
//! versions of a service and the values of a flag.

use crate::decision::{Counted, Generated, Reason};
use crate::fields::{Fields, Values};
use crate::goal::{CompiledGoal, GoalSet};
use crate::key::{Chain, Keys};
use crate::matching::{self, Condition};
use crate::request::Needs;
use crate::split::Ranges;

/// What decides who of several gets a request: the versions of a service or of a flag, by their position.
#[derive(Debug, Clone)]
pub(crate) struct Assignment {
    /// What conditions and keys read.
    pub(crate) fields: Fields,
    pub(crate) chain: Chain,
    pub(crate) rules: Vec<CompiledRule>,
    pub(crate) split: Ranges<usize>,
    /// Gets all that nothing else claims.
    pub(crate) stable: usize,
    /// Position of the rule whose requests count in the epoch; none: those that reach the split.
    pub(crate) counted_rule: Option<usize>,
    pub(crate) goals: Vec<CompiledGoal>,
    /// What the parts above need; no more is read.
    pub(crate) needs: Needs,
    /// What all regular expressions of the service or flag cost, as in [`crate::limits::REGEX_WORK`].
    pub(crate) regex_work: usize,
}

/// A compiled [`crate::policy::Rule`].
#[derive(Debug, Clone)]
pub(crate) struct CompiledRule {
    pub(crate) name: String,
    /// Any of these; empty: every request.
    pub(crate) matches: Vec<Condition>,
    pub(crate) split: Ranges<usize>,
}

/// Who gets a request, and why.
pub(crate) struct Assigned<'r> {
    pub(crate) owner: usize,
    pub(crate) reason: Reason<'r>,
    pub(crate) counted: Option<Counted>,
    pub(crate) generated: Option<Generated<'r>>,
    pub(crate) keyless: bool,
}

impl Assignment {
    /// Who gets this request.
    #[inline(never)]
    pub(crate) fn assign<'r>(&'r self, values: Values<'_, '_>) -> Assigned<'r> {
        let keys = Keys::new(&self.chain, values);
        let mut left_over = LeftOver::default();
        let (owner, reason) = self.by_rule(&values, &keys, &mut left_over).unwrap_or_else(|| self.by_split(&keys));
        let counted = self.counted(&reason, &values, &keys, left_over);
        Assigned { owner, reason, counted, keyless: keys.keyless(), generated: keys.generated() }
    }

    fn by_rule<'r>(&'r self, values: &Values<'_, '_>, keys: &Keys<'r, '_, '_>, left_over: &mut LeftOver) -> Option<(usize, Reason<'r>)> {
        self.rules.iter().enumerate().find_map(|(position, rule)| {
            if !rule.matches(values) {
                return None;
            }
            left_over.0 |= self.counted_rule == Some(position);
            rule.claim(keys)
        })
    }

    fn by_split<'r>(&'r self, keys: &Keys<'r, '_, '_>) -> (usize, Reason<'r>) {
        if self.split.is_empty() {
            return (self.stable, Reason::Stable { point: None, key: None });
        }
        let Some(key) = keys.get() else {
            return (self.stable, Reason::Keyless);
        };
        let point = self.split.point(key.bytes());
        match self.split.owner(point) {
            Some((range, owner)) => (*owner, Reason::Split { point, key: key.label, range }),
            None => (self.stable, Reason::Stable { point: Some(point), key: Some(key.label) }),
        }
    }

    fn counted(&self, reason: &Reason<'_>, values: &Values<'_, '_>, keys: &Keys<'_, '_, '_>, left_over: LeftOver) -> Option<Counted> {
        let point = match self.counted_rule {
            Some(rule) => self.rules.get(rule)?.counts(reason, keys, left_over)?,
            None => reason.split_point()?,
        };
        let key = keys.get()?;
        if !key.counts() {
            return None;
        }
        let sticky = key.is_sticky();
        let goals = if sticky { GoalSet::of(&self.goals, values) } else { GoalSet::default() };
        Some(Counted { point, sticky, goals })
    }
}

/// Whether the counted rule matched; asked once, because its expressions may be dear.
#[derive(Default, Clone, Copy)]
struct LeftOver(bool);

impl CompiledRule {
    fn matches(&self, values: &Values<'_, '_>) -> bool {
        !self.split.is_empty() && matching::any(&self.matches, values)
    }

    /// Whom the rule gives a request to that it matches; none when its split leaves the request over.
    fn claim<'r>(&'r self, keys: &Keys<'r, '_, '_>) -> Option<(usize, Reason<'r>)> {
        if let Some((range, owner)) = self.split.everybody() {
            return Some((*owner, Reason::Rule { name: &self.name, point: None, key: None, range }));
        }
        let key = keys.get()?;
        let point = self.split.point(key.bytes());
        let (range, owner) = self.split.owner(point)?;
        Some((*owner, Reason::Rule { name: &self.name, point: Some(point), key: Some(key.label), range }))
    }

    /// The point of a request that this rule assigned, or left over and nothing else claimed.
    fn counts(&self, reason: &Reason<'_>, keys: &Keys<'_, '_, '_>, left_over: LeftOver) -> Option<u32> {
        let mine = match reason {
            Reason::Rule { name, .. } => *name == self.name,
            Reason::Stable { .. } => left_over.0,
            Reason::Split { .. } | Reason::Keyless | Reason::NotServing { .. } | Reason::Shadow => false,
        };
        if mine { Some(self.split.point(keys.get()?.bytes())) } else { None }
    }
}
