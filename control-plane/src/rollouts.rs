//! All Rollouts that are recorded, as this process knows them, and what is being recorded of each.
//!
//! One write at most is under way for a Rollout (a command is no change of it, and may be written beside), and no write waits for
//! another Rollout's: a store that hangs, refuses or conflicts for one holds up that one. What was recorded comes back as
//! [`Happened`]; until then a Rollout is as it was.

mod admission;
#[cfg(test)]
mod tests;
mod writes;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use shunt_core::advance::Next;
use shunt_core::event::outbox_messages;
use shunt_core::journal::Entry;
use shunt_core::{Desired, desired};
use shunt_filter_core::RolloutId;
use shunt_spec::{Plan, Time};

use crate::platform::{Conflicted, NewCommand, Record, Recorder, StoreError, Stored, Transition, Urgency};
use admission::Admission;
pub(crate) use writes::Happened;
use writes::{Failure, Write, Writes};

/// Recorded Rollouts, and those that are about to be.
#[derive(Debug)]
pub(crate) struct Rollouts {
    all: BTreeMap<RolloutId, Tracked>,
    admission: Admission,
    writes: Writes,
}

/// One that is recorded.
#[derive(Debug)]
struct Tracked {
    stored: Stored,
    /// What it wants of the world, which follows from plan and state.
    desired: Arc<Desired>,
    /// A write of it is under way.
    writing: bool,
    /// A plan that was accepted and is not recorded yet.
    planned: Option<Arc<Plan>>,
    /// Transitions that count already, because they lead back to stable, and could not be recorded.
    unrecorded: VecDeque<Transition>,
    /// When the first of these is tried again.
    late_from: Time,
    failure: Option<Failure>,
}

impl Tracked {
    fn new(stored: Stored) -> Self {
        let desired = Arc::new(desired(&stored.plan, &stored.state));
        Self { stored, desired, writing: false, planned: None, unrecorded: VecDeque::new(), late_from: Time::default(), failure: None }
    }

    /// What is recorded of it changed.
    fn change(&mut self, change: impl FnOnce(&mut Stored)) {
        change(&mut self.stored);
        self.desired = Arc::new(desired(&self.stored.plan, &self.stored.state));
    }
}

impl Rollouts {
    /// With what is recorded.
    pub(crate) fn new(stored: Vec<Stored>, recorder: Recorder) -> Self {
        let all = stored.into_iter().map(|stored| (stored.plan.id.clone(), Tracked::new(stored))).collect();
        Self { all, admission: Admission::default(), writes: Writes::new(recorder) }
    }

    /// All recorded Rollouts, in order of id.
    pub(crate) fn ids(&self) -> Vec<RolloutId> {
        self.all.keys().cloned().collect()
    }

    /// All that is recorded, in order of id.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Stored> {
        self.all.values().map(|tracked| &tracked.stored)
    }

    /// What is recorded of one.
    pub(crate) fn read(&self, id: &RolloutId) -> Option<&Stored> {
        self.all.get(id).map(|tracked| &tracked.stored)
    }

    /// What one wants of the world.
    pub(crate) fn desired(&self, id: &RolloutId) -> Option<&Arc<Desired>> {
        self.all.get(id).map(|tracked| &tracked.desired)
    }

    /// Rollouts that change nothing, because an older one owns a host of theirs.
    pub(crate) fn conflicted(&self) -> &BTreeMap<RolloutId, Conflicted> {
        &self.admission.conflicted
    }

    /// Whether a transition of it may be looked for: nothing of it is being written, and nothing failed a moment ago.
    pub(crate) fn is_due(&self, id: &RolloutId, now: Time) -> bool {
        self.all.get(id).is_some_and(|tracked| !tracked.writing && tracked.failure.as_ref().is_none_or(|failure| failure.until <= now))
    }

    /// Whether something of it is being recorded.
    pub(crate) fn is_writing(&self, id: &RolloutId) -> bool {
        self.all.get(id).is_some_and(|tracked| tracked.writing)
    }

    /// How many transitions count and are not recorded yet.
    pub(crate) fn unrecorded(&self) -> usize {
        self.all.values().map(|tracked| tracked.unrecorded.len()).sum()
    }

    /// Why nothing of it is recorded now, and when that is tried again; none: nothing stands in the way.
    pub(crate) fn failure(&self, id: &RolloutId) -> Option<String> {
        self.all.get(id)?.failure.as_ref().map(ToString::to_string)
    }

    /// Something about this Rollout failed beside its record: it is left alone for a while.
    pub(crate) fn fail(&mut self, id: &RolloutId, error: String, now: Time) {
        if let Some(tracked) = self.all.get_mut(id) {
            tracked.failure = Some(Failure::after(tracked.failure.take(), error, now));
        }
    }

    /// Begins to record a transition and the answers of commands; nothing where there are none.
    pub(crate) fn advance(&mut self, id: &RolloutId, next: Next, now: Time) {
        let Some(tracked) = self.all.get_mut(id).filter(|_| next.entry.is_some() || !next.answered.is_empty()) else { return };
        let stored = &tracked.stored;
        let messages = next.entry.as_ref().map(|entry| outbox_messages(&stored.plan, &stored.state, entry)).unwrap_or_default();
        let urgency = Urgency::of_transition(&stored.state, &next.state);
        let transition = Transition { id: id.clone(), revision: stored.state.revision, next, messages, urgency };
        if tracked.unrecorded.is_empty() {
            tracked.writing = true;
            return self.writes.begin(Write::Record(Record::Transition(Box::new(transition))));
        }
        // One after the other: each starts from what the one before it left.
        let earlier = StoreError::Unwritable { why: "an earlier transition is not recorded yet".to_owned(), remedy: "wait" };
        let happened = tracked.not_recorded(transition, &earlier, now);
        self.writes.happened.push(happened);
    }

    /// Begins to record a command; `ticket` comes back with its number.
    pub(crate) fn command(&mut self, id: &RolloutId, new: NewCommand, ticket: u64) {
        self.writes.begin(Write::Command(id.clone(), new, ticket));
    }

    /// Begins to forget a Rollout of which nothing is left.
    pub(crate) fn forget(&mut self, id: &RolloutId) {
        if let Some(tracked) = self.all.get_mut(id) {
            tracked.writing = true;
            self.writes.begin(Write::Record(Record::Forgotten(id.clone())));
        }
    }

    /// States that were made anew from what proxies run are recorded.
    pub(crate) fn recovered(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            if let Some(tracked) = self.all.get_mut(&entry.rollout) {
                tracked.change(|stored| stored.state = entry.next);
            }
        }
    }
}
