//! Writes under way, what came of them, and when those that failed are tried again.

use std::sync::Arc;
use std::time::Duration;

use shunt_api::Refusal;
use shunt_core::advance::Next;
use shunt_core::{Command, State, Verb};
use shunt_filter_core::RolloutId;
use shunt_spec::{Plan, Span, Time};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Rollouts, Tracked};
use crate::platform::{NewCommand, Posted, Record, Recorded, Recorder, StoreError, Stored, Transition, Urgency};

/// The first wait after a failure, and the longest one; each is twice as long as the one before.
const BACK_OFF: Span = Span::millis(250);
const BACK_OFF_MAX: Span = Span::seconds(30);
/// The longest wait where nothing at all can be written: when it can again, all go on.
const UNWRITABLE_MAX: Span = Span::seconds(1);

/// Most writes at once; further ones wait until one of them ends.
const WRITES_MAX: usize = 64;

/// What is written usually is by now. What is not is taken up when it ends, and holds up nobody.
const USUALLY: Duration = Duration::from_millis(20);

/// Why nothing of one Rollout is recorded now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    times: u32,
    error: String,
    /// Nothing is tried before.
    pub(super) until: Time,
}

impl Failure {
    /// One more, after those before it.
    pub(super) fn after(before: Option<Self>, error: String, now: Time) -> Self {
        Self::within(BACK_OFF_MAX, before, error, now)
    }

    fn of(before: Option<Self>, error: &StoreError, now: Time) -> Self {
        let max = if matches!(error, StoreError::Unwritable { .. }) { UNWRITABLE_MAX } else { BACK_OFF_MAX };
        Self::within(max, before, error.to_string(), now)
    }

    fn within(max: Span, before: Option<Self>, error: String, now: Time) -> Self {
        let times = before.map_or(0, |before| before.times).saturating_add(1);
        let wait = BACK_OFF.0.saturating_mul(1 << times.saturating_sub(1).min(16)).min(max.0);
        Self { times, error, until: now.after(Span(wait)) }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let times = if self.times == 1 { "once".to_owned() } else { format!("{} times in a row", self.times) };
        write!(f, "this Rollout does not go on, because it failed {times} and is tried again: {}", self.error)
    }
}

/// What came of a write.
#[derive(Debug)]
pub(crate) enum Happened {
    /// A transition counts: recorded, or, where it leads back to stable, to be recorded later.
    Advanced {
        /// As it was.
        before: Box<Stored>,
        /// As it is.
        next: Box<Next>,
        /// What receivers will be told.
        posted: Vec<Posted>,
    },
    /// Messages of transitions that counted before they were recorded.
    CaughtUp(Vec<Posted>),
    /// A command waits for its answer under this number, or why it does not.
    Commanded {
        /// As given to [`Rollouts::command`].
        ticket: u64,
        /// The number of the command.
        number: Result<u64, Refusal>,
    },
    /// A Rollout is new, has another plan, or was recorded by another process.
    Changed,
    /// A Rollout is forgotten.
    Forgotten(RolloutId),
    /// Nothing; it is tried again.
    Nothing,
}

/// What is being recorded.
#[derive(Debug, Clone)]
pub(super) enum Write {
    /// A Rollout that is not recorded.
    New(Arc<Plan>, Time),
    /// Of one that is.
    Record(Record),
    /// A command, and the ticket of whoever waits for its number.
    Command(RolloutId, NewCommand, u64),
}

/// A write that has ended.
#[derive(Debug)]
pub(super) struct Written {
    write: Write,
    result: Result<Recorded, StoreError>,
}

/// All writes under way.
#[derive(Debug)]
pub(super) struct Writes {
    recorder: Recorder,
    running: JoinSet<Written>,
    places: Arc<Semaphore>,
    newest: Option<Instant>,
    ended: Vec<Written>,
    pub(super) happened: Vec<Happened>,
}

impl Writes {
    pub(super) fn new(recorder: Recorder) -> Self {
        let places = Arc::new(Semaphore::new(WRITES_MAX));
        Self { recorder, running: JoinSet::new(), places, newest: None, ended: Vec::new(), happened: Vec::new() }
    }

    pub(super) fn begin(&mut self, write: Write) {
        let (recorder, places) = (self.recorder.clone(), self.places.clone());
        self.newest = Some(Instant::now());
        self.running.spawn(async move {
            // The places are never closed.
            let _place = places.acquire_owned().await;
            let result = done(&recorder, write.clone()).await;
            Written { write, result }
        });
    }

    /// Waits until a write ends.
    async fn wait(&mut self) {
        match self.running.join_next().await {
            Some(Ok(written)) => self.ended.push(written),
            Some(Err(error)) => tracing::error!("a defect of Shunt: a write ended without a result: {error}"),
            None => std::future::pending().await,
        }
    }
}

async fn done(recorder: &Recorder, write: Write) -> Result<Recorded, StoreError> {
    match write {
        Write::New(plan, first_seen) => {
            let (state, how) = first_state(&plan, recorder.earlier(&plan.id).await?);
            let stored = Arc::new(Stored { plan: plan.clone(), first_seen, state, commands: Vec::new() });
            recorder.record(Record::Admitted(stored.clone())).await?;
            tracing::info!(rollout = %plan.id, release = %plan.release, plan = plan.digest, "{how}");
            Ok(Recorded::Admitted(stored))
        }
        Write::Record(record) => recorder.record(record).await,
        Write::Command(id, new, _) => recorder.record(Record::Command(id, new)).await,
    }
}

/// The state that a Rollout begins with, and how that came. One that was here before goes on from where it ended, so that its return
/// does not make a version stable that was never proved. `before`: the last state of its earlier life.
fn first_state(plan: &Plan, before: Option<State>) -> (State, String) {
    let new = |how: String| (State::initial(plan), how);
    match before {
        None => new("new; the version in release is stable at once".to_owned()),
        Some(state) if plan.versions.iter().any(|version| version.name == state.stable) => {
            let how = format!("it was here before: {} is stable, as it was then", state.stable);
            (state, how)
        }
        // Nothing of ours is left anywhere, and the manifest cannot name what it was.
        Some(state) => new(format!(
            "it was here before, but {}, which was stable then, is not among its versions: the version in release is stable at once",
            state.stable
        )),
    }
}

impl Rollouts {
    /// Waits until a write ends; take it with [`Rollouts::happened`]. May be dropped at any time.
    pub(crate) async fn wait(&mut self) {
        self.writes.wait().await;
    }

    /// Begins what is to be recorded and is due, and takes what came of writes. Those that began a moment ago are waited for.
    pub(crate) async fn happened(&mut self, now: Time) -> Vec<Happened> {
        self.pump(now);
        let deadline = self.writes.newest.map_or_else(Instant::now, |newest| newest + USUALLY);
        while !self.writes.running.is_empty() && tokio::time::timeout_at(deadline, self.writes.wait()).await.is_ok() {}
        self.take_all(now)
    }

    /// As [`Rollouts::happened`], however long writes take; those that fail are not tried again.
    pub(crate) async fn settle(&mut self, now: Time) -> Vec<Happened> {
        self.pump(now);
        let mut happened = self.take_all(now);
        while !self.writes.running.is_empty() {
            self.writes.wait().await;
            happened.extend(self.take_all(now));
        }
        happened
    }

    fn take_all(&mut self, now: Time) -> Vec<Happened> {
        let mut happened = std::mem::take(&mut self.writes.happened);
        for written in std::mem::take(&mut self.writes.ended) {
            happened.push(self.take(written, now));
        }
        // What waited for these comes before what follows from them: a manifest that changed meanwhile counts for the next transition.
        self.pump(now);
        happened
    }

    /// Begins what waits: plans that were accepted, transitions that count and are not recorded.
    pub(super) fn pump(&mut self, now: Time) {
        for tracked in self.all.values_mut().filter(|tracked| !tracked.writing) {
            if tracked.failure.as_ref().is_some_and(|failure| failure.until > now) {
                continue;
            }
            let late = tracked.unrecorded.front().filter(|_| tracked.late_from <= now).cloned();
            let record = late.map(|late| Record::Transition(Box::new(late))).or_else(|| tracked.planned.clone().map(Record::Planned));
            if let Some(record) = record {
                tracked.writing = true;
                self.writes.begin(Write::Record(record));
            }
        }
        for (plan, first_seen) in self.admission.due(now) {
            self.writes.begin(Write::New(plan, first_seen));
        }
    }

    fn take(&mut self, written: Written, now: Time) -> Happened {
        let Written { write, result } = written;
        match write {
            Write::New(plan, _) => self.admitted(&plan, result, now),
            Write::Command(id, new, ticket) => self.commanded(&id, new, ticket, result, now),
            Write::Record(record) => self.recorded(record, result, now),
        }
    }

    fn admitted(&mut self, plan: &Arc<Plan>, result: Result<Recorded, StoreError>, now: Time) -> Happened {
        match result {
            Ok(Recorded::Admitted(stored)) => {
                let newer = self.admission.admitted(plan);
                let tracked = Tracked { planned: newer, ..Tracked::new(Stored::clone(&stored)) };
                self.all.insert(plan.id.clone(), tracked);
                Happened::Changed
            }
            Ok(_) => Happened::Nothing,
            Err(StoreError::Unreadable { what, error }) => {
                self.admission.admitted(plan);
                self.admission.refuse(plan.clone(), format!("what is recorded as {what} cannot be read: {error}"));
                Happened::Nothing
            }
            Err(error) => {
                tracing::warn!(rollout = %plan.id, "not admitted yet: {error}");
                self.admission.failed(&plan.id, |before| Failure::of(before, &error, now));
                Happened::Nothing
            }
        }
    }

    fn commanded(&mut self, id: &RolloutId, new: NewCommand, ticket: u64, result: Result<Recorded, StoreError>, now: Time) -> Happened {
        let command = match result {
            Ok(Recorded::Numbered(command)) => Ok(command),
            // An abort is done without a record rather than not at all.
            Err(StoreError::Unwritable { .. }) if new.verb == Verb::Abort => Ok(self.unrecorded_command(new)),
            Ok(_) => Err(StoreError::Closed),
            Err(error) => Err(error),
        };
        let number = match (command, self.all.get_mut(id)) {
            (Ok(command), Some(tracked)) => {
                let number = command.id;
                tracked.stored.commands.push(command);
                // What an operator asks for does not wait.
                tracked.failure = tracked.failure.take().map(|failure| Failure { until: now, ..failure });
                Ok(number)
            }
            (Ok(_), None) => Err(Refusal::UnknownRollout(id.clone())),
            (Err(error), _) => Err(Refusal::Unavailable(error.to_string())),
        };
        Happened::Commanded { ticket, number }
    }

    /// Its number is one that the store never gives.
    fn unrecorded_command(&self, new: NewCommand) -> Command {
        let pending = self.all().map(|stored| stored.commands.len()).sum::<usize>();
        let NewCommand { verb, revision, by, reason, confirm } = new;
        let id = i64::MAX.unsigned_abs().saturating_sub(u64::try_from(pending).unwrap_or_default());
        Command { id, verb, revision, by, reason, confirm }
    }

    fn recorded(&mut self, record: Record, result: Result<Recorded, StoreError>, now: Time) -> Happened {
        let id = record.id().clone();
        let Some(tracked) = self.all.get_mut(&id) else { return Happened::Nothing };
        tracked.writing = false;
        match (record, result) {
            (_, Ok(Recorded::Conflict(found))) => {
                self.conflict(&id, found, now);
                Happened::Changed
            }
            (Record::Transition(transition), Ok(Recorded::Posted(posted))) => {
                tracked.failure = None;
                if tracked.unrecorded.front().is_some_and(|late| late.revision == transition.revision) {
                    tracked.unrecorded.pop_front();
                    return Happened::CaughtUp(posted);
                }
                tracked.advance(*transition, posted)
            }
            (Record::Transition(transition), Err(error)) => tracked.not_recorded(*transition, &error, now),
            (Record::Planned(plan), Ok(_)) => {
                tracked.failure = None;
                tracked.planned = tracked.planned.take().filter(|newer| *newer != plan);
                tracing::info!(rollout = %id, release = %plan.release, plan = plan.digest, "{}", accepted(&plan));
                tracked.change(|stored| stored.plan = plan);
                Happened::Changed
            }
            (Record::Forgotten(_), Ok(_)) => {
                self.all.remove(&id);
                Happened::Forgotten(id)
            }
            (_, Err(error)) => {
                tracked.fail(&error, now);
                Happened::Nothing
            }
            (_, Ok(_)) => Happened::Nothing,
        }
    }

    /// Another process recorded something: that counts, and what this one made of the state before does not.
    fn conflict(&mut self, id: &RolloutId, found: Option<Box<Stored>>, now: Time) {
        let Some(tracked) = self.all.get_mut(id) else { return };
        match found {
            Some(found) => {
                tracing::warn!(rollout = %id, revision = found.state.revision, "another process recorded this Rollout meanwhile; that counts");
                tracked.unrecorded.clear();
                tracked.failure = Some(Failure::after(tracked.failure.take(), "another process records it, too".to_owned(), now));
                tracked.change(|stored| *stored = *found);
            }
            None => {
                tracing::warn!(rollout = %id, "another process forgot this Rollout meanwhile");
                self.all.remove(id);
            }
        }
    }
}

fn accepted(plan: &Plan) -> &'static str {
    if plan.gone { "its manifest is gone" } else { "manifest accepted" }
}

impl Tracked {
    fn fail(&mut self, error: &StoreError, now: Time) {
        if self.failure.is_none() {
            tracing::error!(rollout = %self.stored.plan.id, "not recorded, it is tried again: {error}");
        }
        self.failure = Some(Failure::of(self.failure.take(), error, now));
    }

    /// It counts from now on.
    pub(super) fn advance(&mut self, transition: Transition, posted: Vec<Posted>) -> Happened {
        let (before, next) = (Box::new(self.stored.clone()), transition.next);
        self.change(|stored| {
            stored.state = next.state.clone();
            stored.commands.retain(|command| next.answered.iter().all(|answer| answer.command != command.id));
        });
        Happened::Advanced { before, next: Box::new(next), posted }
    }

    /// One that leads back to stable counts also when there is no room for it: it is recorded later.
    pub(super) fn not_recorded(&mut self, transition: Transition, error: &StoreError, now: Time) -> Happened {
        let late = self.unrecorded.front().is_some_and(|late| late.revision == transition.revision);
        let kept = matches!(error, StoreError::Unwritable { .. }) && transition.urgency == Urgency::MustBeKept;
        match (late, kept) {
            (true, _) => {
                self.late_from = now.after(BACK_OFF);
                Happened::Nothing
            }
            (false, true) => {
                tracing::error!(rollout = %transition.id, "done without a record, which follows when there is room: {error}");
                self.unrecorded.push_back(transition.clone());
                self.late_from = now.after(BACK_OFF);
                self.advance(transition, Vec::new())
            }
            (false, false) => {
                self.fail(error, now);
                Happened::Nothing
            }
        }
    }
}
