//! Gates, hooks and rollback webhooks: what the machine wants asked is asked, and what came of it is recorded.
//!
//! A try of a hook is recorded before it begins and after it ended, so that a crash neither forgets an answer nor repeats an answered
//! call; a hook that was under way is tried again. What is no longer wanted is cut off, its processes with it.

mod log;
mod message;
mod post;
mod program;
mod signature;

use std::collections::BTreeMap;

use shunt_core::State;
use shunt_core::call::{Body, Call, CallSeen, CallView, Progress, Reply};
use shunt_filter_core::RolloutId;
use shunt_spec::plan::call::{Action, CallKind, CallSpec};
use shunt_spec::{Plan, Time};
use tokio::sync::mpsc;

pub(crate) use log::CallLog;
pub(crate) use message::{Message, Messenger, Written};
pub(crate) use program::guard;

use crate::integrations::Completion;
use crate::platform::{AuxiliaryStore, CallRecord, StoreError, Stored};

/// A number from 0 to 1 by chance.
pub(crate) type Chance = fn() -> f64;

/// What came of one try.
#[derive(Debug)]
pub(crate) struct Tried {
    rollout: RolloutId,
    id: String,
    number: u32,
    reply: Reply,
}

/// All calls of runs that are under way.
#[derive(Debug)]
pub(crate) struct Calls {
    pending: BTreeMap<(RolloutId, String), Entry>,
    log: CallLog,
    messenger: Messenger,
    chance: Chance,
    quiesced: bool,
    completions: mpsc::Sender<Completion>,
}

/// One call.
#[derive(Debug)]
struct Entry {
    record: CallRecord,
    in_flight: Option<InFlight>,
}

/// A try under way; cut off when dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    spec: CallSpec,
    task: tokio::task::AbortHandle,
}

impl InFlight {
    /// Begins a try.
    pub(crate) fn begin(spec: &CallSpec, work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { spec: spec.clone(), task: tokio::spawn(work).abort_handle() }
    }

    /// What was asked.
    pub(crate) fn spec(&self) -> &CallSpec {
        &self.spec
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Calls {
    /// With what is recorded. Answers come to `completions`; pass each to [`Calls::take`].
    pub(crate) async fn open(
        auxiliary: &AuxiliaryStore,
        log: CallLog,
        messenger: Messenger,
        chance: Chance,
        completions: mpsc::Sender<Completion>,
    ) -> Result<Self, StoreError> {
        let records = auxiliary.calls().await?.into_iter();
        let pending = records.map(|record| ((record.rollout.clone(), record.id.clone()), Entry { record, in_flight: None })).collect();
        Ok(Self { pending, log, messenger, chance, quiesced: false, completions })
    }

    /// Begins what is due, cuts off what is not wanted any more, and tells what is known of what is `wanted` of this Rollout now.
    pub(crate) async fn attend(
        &mut self,
        auxiliary: &AuxiliaryStore,
        stored: &Stored,
        wanted: &[Call],
        now: Time,
    ) -> Result<BTreeMap<String, CallSeen>, StoreError> {
        let (plan, state) = (&stored.plan, &stored.state);
        self.tidy(auxiliary, &plan.id, wanted).await?;
        self.log.tidy(auxiliary, plan, wanted, now).await?;
        let mut seen = BTreeMap::new();
        for call in wanted {
            if call.spec.action == Action::Manual {
                self.wait(auxiliary, plan, state, call).await?;
                continue;
            }
            self.begin(auxiliary, plan, state, call, now).await?;
            seen.extend(self.seen(&plan.id, &call.id).map(|known| (call.id.clone(), known)));
        }
        Ok(seen)
    }

    /// An operator is asked since the run came there.
    async fn wait(&self, auxiliary: &AuxiliaryStore, plan: &Plan, state: &State, call: &Call) -> Result<(), StoreError> {
        let since = state.run.as_ref().map_or(Time::default(), |run| run.since);
        if self.log.find(&plan.id, &call.id).is_some_and(|known| known.since == since) {
            return Ok(());
        }
        self.log.keep(auxiliary, &plan.id, CallView::new(call, state.attempt, since)).await
    }

    fn seen(&self, rollout: &RolloutId, id: &str) -> Option<CallSeen> {
        self.pending.get(&(rollout.clone(), id.to_owned())).map(|entry| entry.record.progress.seen.clone())
    }

    /// What is not wanted any more is cut off and forgotten: a run that goes back to a step asks anew.
    async fn tidy(&mut self, auxiliary: &AuxiliaryStore, rollout: &RolloutId, wanted: &[Call]) -> Result<(), StoreError> {
        let past = |key: &(RolloutId, String)| key.0 == *rollout && wanted.iter().all(|call| call.id != key.1);
        let ids: Vec<String> = self.pending.keys().filter(|key| past(key)).map(|key| key.1.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        auxiliary.forget_calls(rollout, ids).await?;
        self.pending.retain(|key, _| !past(key));
        Ok(())
    }

    /// One more try, when one is due.
    async fn begin(&mut self, auxiliary: &AuxiliaryStore, plan: &Plan, state: &State, call: &Call, now: Time) -> Result<(), StoreError> {
        let Some(run) = &state.run else { return Ok(()) };
        let key = (plan.id.clone(), call.id.clone());
        let known = self.pending.get(&key);
        if known.is_some_and(|entry| entry.in_flight.is_some()) {
            return Ok(());
        }
        let progress = known.map_or_else(|| Progress::new(now), |entry| entry.record.progress.clone());
        if self.quiesced || !progress.is_due(now) {
            return Ok(());
        }
        let progress = progress.begun();
        let number = progress.tries().unwrap_or_default();
        let view = begun(call, state, &progress, number, now);
        let record = CallRecord { rollout: plan.id.clone(), id: call.id.clone(), progress };
        // A gate may be asked as often as one likes: only since when it is asked is worth keeping.
        if call.spec.kind == CallKind::Hook || number == 1 {
            auxiliary.keep_call(record.clone(), Some(view.clone())).await?;
        }
        self.log.see(&plan.id, view);
        let body = Body { r#try: number, ..Body::new(plan, state, Some(run), call) };
        let work = self.work(plan.id.clone(), call, number, Message::of_call(&call.spec, &body, now));
        self.pending.insert(key, Entry { record, in_flight: Some(InFlight::begin(&call.spec, work)) });
        Ok(())
    }

    fn work(&self, rollout: RolloutId, call: &Call, number: u32, message: Written) -> impl Future<Output = ()> + Send + 'static {
        let (messenger, completions, id) = (self.messenger.clone(), self.completions.clone(), call.id.clone());
        async move {
            let reply = messenger.deliver(&message).await;
            // The control plane takes no reply any more when it ends.
            drop(completions.send(Completion::Call(Tried { rollout, id, number, reply })).await);
        }
    }

    /// Takes what came of a try. An error means that it is not recorded; a hook is then tried again.
    pub(crate) async fn take(&mut self, auxiliary: &AuxiliaryStore, tried: Tried, now: Time) -> Result<(), StoreError> {
        let Tried { rollout, id, number, reply } = tried;
        let view = self.log.find(&rollout, &id);
        let Some(entry) = self.pending.get_mut(&(rollout.clone(), id)) else { return Ok(()) };
        if entry.record.progress.tries() != Some(number) {
            return Ok(());
        }
        let Some(in_flight) = entry.in_flight.take() else { return Ok(()) };
        let spec = in_flight.spec();
        let progress = entry.record.progress.took(spec, reply.clone(), now, (self.chance)());
        tell(&entry.record, spec, number, &reply);
        let record = CallRecord { progress, ..entry.record.clone() };
        let view = view.map(|view| view.after(&record.progress, number, false, now));
        if spec.kind == CallKind::Hook || record.progress.tries().is_none() {
            auxiliary.keep_call(record.clone(), view.clone()).await?;
        }
        if let Some(view) = view {
            self.log.see(&rollout, view);
        }
        entry.record = record;
        Ok(())
    }

    /// Nothing new is begun from now on.
    pub(crate) fn quiesce(&mut self) {
        self.quiesced = true;
    }

    /// Nothing is left of a Rollout; its records went with it.
    pub(crate) fn dismiss(&mut self, rollout: &RolloutId) {
        self.pending.retain(|(known, _), _| known != rollout);
    }
}

/// A try begins. Since when it is wanted stays the same at each try, also after a restart.
fn begun(call: &Call, state: &State, progress: &Progress, number: u32, now: Time) -> CallView {
    let since = match progress.seen {
        CallSeen::Waiting { since, .. } => since,
        CallSeen::Yes { .. } | CallSeen::No { .. } | CallSeen::Failed { .. } => now,
    };
    CallView::new(call, state.attempt, since).after(progress, number, true, now)
}

/// Answers, and the first question without one; not each of a gate that is asked every ten seconds.
fn tell(record: &CallRecord, spec: &CallSpec, number: u32, reply: &Reply) {
    let (rollout, kind, name, note) = (&record.rollout, spec.kind, &spec.name, reply.note());
    match reply {
        Reply::Yes { by, .. } => tracing::info!(%rollout, "{kind} {name}: yes, by {by}, at try {number}: {note}"),
        Reply::No { by, .. } => tracing::warn!(%rollout, "{kind} {name}: no, by {by}, at try {number}: {note}"),
        Reply::Neither { .. } | Reply::Nothing { .. } if number == 1 || spec.kind == CallKind::Hook => {
            tracing::warn!(%rollout, "{kind} {name} has no answer at try {number}: {note}");
        }
        Reply::Neither { .. } | Reply::Nothing { .. } => tracing::debug!(%rollout, "{kind} {name} has no answer at try {number}: {note}"),
    }
}

#[cfg(test)]
mod tests;
