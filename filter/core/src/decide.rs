//! The decision: pure and total. Rules in order, then the split, then stable; then flags and the copy.

use crate::decision::{Decision, FlagDecision, FlagsHeader, Reason};
use crate::fields::Values;
use crate::flag;
use crate::key::Keys;
use crate::matching;
use crate::names::SHADOW_HEADER;
use crate::request::Request;
use crate::service::{CompiledRule, Service};
use crate::split::{Ranges, slot};

impl Service {
    /// Who answers, who gets a copy, which flags go along, and why. `request` holds at least what [`Service::needs`] asks for.
    pub fn decide<'r>(&'r self, request: &Request) -> Decision<'r> {
        if is_shadow(request) {
            return self.shadow();
        }
        let values = Values::new(request, &self.fields);
        let keys = Keys::new(&self.chain, &values);
        let assigned = assign(&self.rules, &self.split, &values, &keys);
        let wanted = assigned.owner.unwrap_or(&self.stable);
        let (answering, reason) = if wanted.serving || wanted.name == self.stable.name {
            (wanted, assigned.reason)
        } else {
            (&self.stable, Reason::NotServing { wanted: &wanted.name, because: Box::new(assigned.reason) })
        };
        let copy = self.mirror.as_ref().and_then(|mirror| mirror.copy(&values, answering));
        let flags = self.decide_flags(&values, &keys);
        Decision {
            version: &answering.name,
            reason,
            route: copy.map(|(_, route)| route).or(answering.route.as_deref()),
            mirror: copy.map(|(version, _)| &version.name),
            slot: assigned.slot,
            keyless: keys.keyless(),
            generated: keys.generated(),
            flags_header: flag::header(&self.flags, &flags, request),
            flags,
        }
    }

    /// A copy was decided where it was made: nothing of it is decided, counted or copied again.
    fn shadow(&self) -> Decision<'_> {
        Decision {
            version: &self.stable.name,
            reason: Reason::Shadow,
            route: None,
            mirror: None,
            slot: None,
            generated: None,
            keyless: false,
            flags: Vec::new(),
            flags_header: FlagsHeader::Keep,
        }
    }

    fn decide_flags<'r>(&'r self, values: &Values<'_>, keys: &Keys<'r, '_>) -> Vec<FlagDecision<'r>> {
        let decided = self.flags.iter().map(|flag| {
            let assigned = assign(&flag.rules, &flag.split, values, keys);
            let choice = assigned.owner.unwrap_or(&flag.default);
            FlagDecision { name: &flag.name, version: &choice.version, value: choice.value.as_ref(), reason: assigned.reason }
        });
        decided.collect()
    }
}

fn is_shadow(request: &Request) -> bool {
    request.headers.iter().any(|(name, value)| name == SHADOW_HEADER && value == b"1")
}

struct Assigned<'r, T> {
    /// None: nobody claims the request.
    owner: Option<&'r T>,
    reason: Reason<'r>,
    /// Set when the split after the rules was asked.
    slot: Option<u16>,
}

fn assign<'r, T>(rules: &'r [CompiledRule<T>], split: &'r Ranges<T>, values: &Values<'_>, keys: &Keys<'r, '_>) -> Assigned<'r, T> {
    if let Some((owner, reason)) = rules.iter().find_map(|rule| claim(rule, values, keys)) {
        return Assigned { owner: Some(owner), reason, slot: None };
    }
    if split.is_empty() {
        return Assigned { owner: None, reason: Reason::Stable { point: None, key: None }, slot: None };
    }
    let Some(key) = keys.get() else {
        return Assigned { owner: None, reason: Reason::Keyless, slot: None };
    };
    let point = split.point(key.bytes());
    let (owner, reason) = match split.owner(point) {
        Some((range, owner)) => (Some(owner), Reason::Split { point, key: key.label, range }),
        None => (None, Reason::Stable { point: Some(point), key: Some(key.label) }),
    };
    Assigned { owner, reason, slot: Some(slot(point)) }
}

/// Whom a rule gives the request to; none when it does not match, or its split leaves the request over.
fn claim<'r, T>(rule: &'r CompiledRule<T>, values: &Values<'_>, keys: &Keys<'r, '_>) -> Option<(&'r T, Reason<'r>)> {
    if rule.split.is_empty() || !matching::any(&rule.matches, values) {
        return None;
    }
    if let Some((range, owner)) = rule.split.everybody() {
        return Some((owner, Reason::Rule { name: &rule.name, point: None, key: None, range }));
    }
    let key = keys.get()?;
    let point = rule.split.point(key.bytes());
    let (range, owner) = rule.split.owner(point)?;
    Some((owner, Reason::Rule { name: &rule.name, point: Some(point), key: Some(key.label), range }))
}
