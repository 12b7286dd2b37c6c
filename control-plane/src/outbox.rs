//! Delivers messages to their receivers: at least once, those of one receiver in order, each receiver on its own.
//!
//! A message is written in the transaction that records what it tells of, and deleted when it has arrived; a crash between the two
//! delivers it again, with the same id. Receivers that do not answer are tried again with growing waits; what is given up in the end
//! is kept for a while, shown as a warning and counted.

use std::collections::{BTreeMap, VecDeque};

use shunt_api::Metrics;
use shunt_core::call::{CallSeen, CallView, Progress, Reply, back_off};
use shunt_core::event::OutboxMessage;
use shunt_filter_core::RolloutId;
use shunt_spec::plan::call::CallSpec;
use shunt_spec::{Plan, Span, Time};
use tokio::sync::mpsc;

use crate::calls::{CallLog, Chance, InFlight, Message, Messenger, Written};
use crate::integrations::Completion;
use crate::platform::{AuxiliaryStore, Posted, StoreError};

/// Longest wait between two tries.
const BACK_OFF_MAX: Span = Span::seconds(300);
/// Tries that every message gets, however old it is.
const TRIES_MIN: u32 = 3;
/// Most messages that wait for one receiver; beyond that the oldest is given up.
const WAITING_MAX: usize = 1_000;

/// What came of one try.
#[derive(Debug)]
pub(crate) struct Returned {
    lane: LaneId,
    number: u64,
    reply: Reply,
}

type LaneId = (RolloutId, String);

/// All messages that wait.
#[derive(Debug)]
pub(crate) struct Outbox {
    lanes: BTreeMap<LaneId, Lane>,
    log: CallLog,
    messenger: Messenger,
    chance: Chance,
    metrics: Metrics,
    quiesced: bool,
    completions: mpsc::Sender<Completion>,
}

/// The messages for one receiver.
#[derive(Debug, Default)]
struct Lane {
    waiting: VecDeque<Posted>,
    in_flight: Option<InFlight>,
    /// How many were given up since one arrived, and why the last one was.
    dead: Option<(usize, String)>,
}

/// What becomes of a message after a try.
enum Outcome {
    Arrived,
    Waits(Time),
    GivenUp(String),
}

impl Outbox {
    /// With what is recorded. What comes of tries comes to `completions`; pass each to [`Outbox::take`].
    pub(crate) async fn open(
        auxiliary: &AuxiliaryStore,
        log: CallLog,
        messenger: Messenger,
        chance: Chance,
        metrics: Metrics,
        completions: mpsc::Sender<Completion>,
    ) -> Result<Self, StoreError> {
        let mut outbox = Self { lanes: BTreeMap::new(), log, messenger, chance, metrics, quiesced: false, completions };
        for posted in auxiliary.outbox().await? {
            outbox.noticed(&posted);
            match posted.dead.clone() {
                Some(why) => outbox.lane(&posted).dead_letter(why),
                None => outbox.lane(&posted).waiting.push_back(posted),
            }
        }
        outbox.count();
        Ok(outbox)
    }

    fn lane(&mut self, posted: &Posted) -> &mut Lane {
        self.lanes.entry((posted.rollout.clone(), posted.message.lane())).or_default()
    }

    /// Outbox messages that were just written.
    pub(crate) fn add(&mut self, posted: Vec<Posted>) {
        for message in posted {
            self.noticed(&message);
            self.lane(&message).waiting.push_back(message);
        }
        self.count();
    }

    /// A hook that waits is shown; it is recorded in the outbox already.
    fn noticed(&self, posted: &Posted) {
        if let Some(view) = view(posted).filter(|view| posted.dead.is_none() && self.log.find(&posted.rollout, &view.id).is_none()) {
            self.log.see(&posted.rollout, view);
        }
    }

    /// Begins what is due. `plan` is what the manifest of a Rollout says now.
    pub(crate) async fn pump<'p>(
        &mut self,
        auxiliary: &AuxiliaryStore,
        plan: impl Fn(&RolloutId) -> Option<&'p Plan>,
        now: Time,
    ) -> Result<(), StoreError> {
        for (id, lane) in &mut self.lanes {
            while lane.waiting.len() > WAITING_MAX && lane.in_flight.is_none() {
                let Some(oldest) = lane.waiting.pop_front() else { break };
                let why = format!("more than {WAITING_MAX} wait for the same receiver");
                if let Some(view) = view(&oldest) {
                    let failed = Progress { next: now, seen: CallSeen::Failed { note: why.clone() } };
                    self.log.keep(auxiliary, &oldest.rollout, view.after(&failed, oldest.tries, false, now)).await?;
                }
                auxiliary.message_given_up(oldest.number, oldest.tries, why.clone()).await?;
                lane.give_up(id, &oldest, why, &self.metrics);
            }
            let Some(first) = lane.waiting.front().filter(|first| !self.quiesced && lane.in_flight.is_none() && first.next <= now) else {
                continue;
            };
            let outgoing = match plan(&id.0) {
                Some(plan) => first.message.clone().readdressed(plan),
                None => first.message.clone(),
            };
            let (message, spec) = written(&outgoing, first.tries.saturating_add(1), now);
            let (messenger, completions, number, id) = (self.messenger.clone(), self.completions.clone(), first.number, id.clone());
            lane.in_flight = Some(InFlight::begin(&spec, async move {
                let reply = messenger.deliver(&message).await;
                // The control plane takes no reply any more when it ends.
                drop(completions.send(Completion::Delivery(Returned { lane: id, number, reply })).await);
            }));
        }
        self.lanes.retain(|_, lane| !lane.waiting.is_empty() || lane.in_flight.is_some() || lane.dead.is_some());
        self.count();
        Ok(())
    }

    /// Takes what came of a try. On an error nothing is recorded, and the message is delivered again.
    pub(crate) async fn take(&mut self, auxiliary: &AuxiliaryStore, returned: Returned, now: Time) -> Result<(), StoreError> {
        let Some(lane) = self.lanes.get_mut(&returned.lane) else { return Ok(()) };
        let Some(in_flight) = lane.in_flight.take() else { return Ok(()) };
        let Some(first) = lane.waiting.front_mut().filter(|first| first.number == returned.number) else { return Ok(()) };
        let tries = first.tries.saturating_add(1);
        let (outcome, progress) = outcome(first, in_flight.spec(), tries, returned.reply, now, (self.chance)());
        if let Some(view) = view(first) {
            self.log.keep(auxiliary, &first.rollout, view.after(&progress, tries, false, now)).await?;
        }
        match outcome {
            Outcome::Arrived => {
                auxiliary.message_arrived(first.number).await?;
                tracing::debug!(rollout = %returned.lane.0, "{}: {} arrived", returned.lane.1, first.message.about());
                lane.waiting.pop_front();
                lane.dead = None;
                self.metrics.outbox_messages_delivered.inc();
            }
            Outcome::Waits(next) => {
                auxiliary.message_waits(first.number, tries, next).await?;
                (first.tries, first.next) = (tries, next);
            }
            Outcome::GivenUp(why) => {
                auxiliary.message_given_up(first.number, tries, why.clone()).await?;
                if let Some(posted) = lane.waiting.pop_front() {
                    lane.give_up(&returned.lane, &posted, why, &self.metrics);
                }
            }
        }
        self.count();
        Ok(())
    }

    /// Nothing new is begun from now on.
    pub(crate) fn quiesce(&mut self) {
        self.quiesced = true;
    }

    /// What people should know of one Rollout's messages.
    pub(crate) fn warnings(&self, rollout: &RolloutId) -> Vec<String> {
        let own = self.lanes.iter().filter(|((of, _), _)| of == rollout);
        own.filter_map(|((_, lane), is)| {
            let (count, why) = is.dead.as_ref()?;
            Some(format!("{lane}: {count} given up, the last one because: {why}; this goes away when the next one arrives"))
        })
        .collect()
    }

    fn count(&self) {
        let waiting: usize = self.lanes.values().map(|lane| lane.waiting.len()).sum();
        self.metrics.outbox_messages_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
}

impl Lane {
    fn dead_letter(&mut self, why: String) {
        let before = self.dead.as_ref().map_or(0, |(count, _)| *count);
        self.dead = Some((before.saturating_add(1), why));
    }

    fn give_up(&mut self, id: &LaneId, posted: &Posted, why: String, metrics: &Metrics) {
        tracing::warn!(rollout = %id.0, "{}: {} is given up: {why}", id.1, posted.message.about());
        metrics.outbox_messages_given_up.inc();
        self.dead_letter(why);
    }
}

/// The message, and what is asked with it.
fn written(message: &OutboxMessage, number: u32, now: Time) -> (Written, CallSpec) {
    match message {
        OutboxMessage::Notice { to, event } => {
            let spec = CallSpec {
                name: to.name.clone(),
                kind: shunt_spec::plan::call::CallKind::Hook,
                action: to.to.clone(),
                timeout: to.timeout,
                retries: u32::MAX,
            };
            (Message::of_event(to, event, now), spec)
        }
        OutboxMessage::Hook { hook, body } => {
            let body = shunt_core::call::Body { r#try: number, ..(**body).clone() };
            (Message::of_call(&hook.call, &body, now), hook.call.clone())
        }
    }
}

/// What becomes of a message, and how far it is then.
fn outcome(posted: &Posted, spec: &CallSpec, tries: u32, reply: Reply, now: Time, chance: f64) -> (Outcome, Progress) {
    let waiting = Progress { next: now, seen: CallSeen::Waiting { since: posted.at, tries, note: String::new() } };
    match &posted.message {
        OutboxMessage::Notice { to, .. } => match reply {
            Reply::Yes { .. } => (Outcome::Arrived, waiting),
            Reply::No { note, .. } | Reply::Neither { note } | Reply::Nothing { note } => {
                let old = now.since(posted.at) >= to.retry_for && tries >= TRIES_MIN;
                let outcome = if old { Outcome::GivenUp(note) } else { Outcome::Waits(now.after(back_off(tries, BACK_OFF_MAX, chance))) };
                (outcome, waiting)
            }
        },
        OutboxMessage::Hook { .. } => {
            let after = waiting.took(spec, reply, now, chance);
            let outcome = match after.seen.clone() {
                CallSeen::Yes { .. } => Outcome::Arrived,
                CallSeen::Waiting { .. } => Outcome::Waits(after.next),
                CallSeen::No { by, note } => Outcome::GivenUp(format!("no, by {by}: {note}")),
                CallSeen::Failed { note } => Outcome::GivenUp(note),
            };
            (outcome, after)
        }
    }
}

/// A hook as people see it; none: a message that is no hook.
fn view(posted: &Posted) -> Option<CallView> {
    match &posted.message {
        OutboxMessage::Notice { .. } => None,
        OutboxMessage::Hook { hook, body } => Some(CallView { tries: posted.tries, ..CallView::following(&hook.call, body, posted.at) }),
    }
}

#[cfg(test)]
mod tests;
