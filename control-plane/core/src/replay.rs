//! A part of a journal with all that is needed to run it again: one file, wherever it was made.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shunt_spec::diff::Difference;
use shunt_spec::plan::Plan;
use shunt_spec::schema::filter;

use crate::advance::{Next, advance};
use crate::call::CallView;
use crate::journal::{Entry, Origin, ReleaseAsked};
use crate::state::State;
use crate::stored::FORMAT;

/// Transitions in a row, the plans they were made under, and where they began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// [`crate::stored::FORMAT`] of the program that wrote it.
    pub format: u32,
    /// Every plan that an entry names, by its digest.
    #[schemars(with = "BTreeMap<String, filter::Open>")]
    pub plans: BTreeMap<String, Plan>,
    /// The state before the first entry; none: the entries begin with the Rollout's first, whose state follows from its plan.
    #[serde(default)]
    #[schemars(with = "Option<filter::Open>")]
    pub first: Option<State>,
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// Gates and hooks, for people: nothing of it is needed to run the entries again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallView>,
    /// Releases and rollbacks that were asked for, for people like the calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<ReleaseAsked>,
}

impl Entry {
    /// Makes the transition again: from the state before it (the entry before this one, or [`State::initial`]) and the plan with
    /// this entry's digest. The same code gives the same state and reason.
    pub fn replay(&self, plan: &Plan, before: &State) -> Next {
        // A digest says what the manifest said, not that it is gone; who retires, does so because it is.
        let plan = Plan { gone: self.next.retiring.is_some(), ..plan.clone() };
        advance(&plan, before, &self.observation, self.command.as_slice())
    }
}

/// What became of one entry when it was run again.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Replayed {
    /// The same, byte for byte.
    Same,
    /// Something else; the recorded side is the left one.
    Differs(Difference),
    /// The file has no plan of this digest.
    NoPlan(String),
    /// The file does not say what was before it: neither `first`, nor the entry before.
    NoState,
}

impl Incident {
    /// The newest `limit` of these entries, oldest first, with the state before them taken from the one that is left out.
    pub fn new(plans: BTreeMap<String, Plan>, entries: &[Entry], limit: usize) -> Self {
        let cut = entries.len().saturating_sub(limit);
        let (left_out, entries) = entries.split_at(cut);
        let first = left_out.last().filter(|last| follows(last, entries.first())).map(|last| last.next.clone());
        let named = |digest: &String| entries.iter().any(|entry| entry.plan == *digest);
        let plans = plans.into_iter().filter(|(digest, _)| named(digest)).collect();
        Self { format: FORMAT, plans, first, entries: entries.to_vec(), calls: Vec::new(), releases: Vec::new() }
    }

    /// Runs each entry again, from the state before it as recorded, so that one difference does not lead to others.
    pub fn replay(&self) -> Vec<Replayed> {
        let mut last: Option<&Entry> = None;
        self.entries
            .iter()
            .map(|entry| {
                let before = match last {
                    Some(last) if follows(last, Some(entry)) => Some(&last.next),
                    Some(_) => None,
                    None => self.first.as_ref(),
                };
                last = Some(entry);
                self.again(entry, before)
            })
            .collect()
    }

    fn again(&self, entry: &Entry, before: Option<&State>) -> Replayed {
        if entry.origin == Origin::Recovery {
            // What was seen at proxies is not in the journal: the state is where a replay starts, not what it makes.
            return Replayed::Same;
        }
        let Some(plan) = self.plans.get(&entry.plan) else {
            return Replayed::NoPlan(entry.plan.clone());
        };
        if let Some(before) = before {
            return compare(entry, plan, before);
        }
        if entry.revision != 1 {
            return Replayed::NoState;
        }
        // The first of a Rollout's life. Its plan may have changed between the Rollout's admission and this entry; the state then
        // comes from the plan of its admission, which is one of the others.
        let own = compare(entry, plan, &State::initial(plan));
        let others = self.plans.values().map(|other| compare(entry, plan, &State::initial(other)));
        if own == Replayed::Same { own } else { others.into_iter().find(|again| *again == Replayed::Same).unwrap_or(own) }
    }
}

/// Whether `next` was made from what `last` left. A Rollout that was forgotten and came back begins anew.
fn follows(last: &Entry, next: Option<&Entry>) -> bool {
    next.is_some_and(|next| next.rollout == last.rollout && next.revision == last.revision.saturating_add(1))
}

fn compare(entry: &Entry, plan: &Plan, before: &State) -> Replayed {
    let again = entry.replay(plan, before).entry;
    let (recorded, again) = (document(Some(entry)), document(again.as_ref()));
    let bytes = |document: &Value| document.to_string().into_bytes();
    if bytes(&recorded) == bytes(&again) {
        return Replayed::Same;
    }
    match Difference::first(&recorded, &again) {
        Some(difference) => Replayed::Differs(difference),
        // Equal values in another order cannot be: one type prints both.
        None => Replayed::Differs(Difference { path: String::new(), left: Some(recorded), right: Some(again) }),
    }
}

/// Null for no transition at all.
fn document(entry: Option<&Entry>) -> Value {
    entry.and_then(|entry| serde_json::to_value(entry).ok()).unwrap_or(Value::Null)
}
