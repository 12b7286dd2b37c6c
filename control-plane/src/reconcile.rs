//! Brings the world in step with what is recorded: one straight line per Rollout, over and over.
//!
//! A pass is: what everybody wants -> the aggregator -> published; then for each Rollout: what is seen -> what is next -> recorded. State
//! is recorded before traffic moves, so the next pass publishes what this one recorded. Nothing is remembered between passes that
//! could not be read again. No Rollout waits for the record of another one: what was recorded is taken up when it is there.

mod present;
mod recorded;

use std::collections::BTreeMap;
use std::time::Instant;

use shunt_api::{Metrics, Post};
use shunt_core::advance;
use shunt_core::advance::{Recurrence, Recurs};
use shunt_core::delivery::Belief;
use shunt_core::observation::{Freeze, Observation};
use shunt_core::state::Retiring;
use shunt_filter_core::RolloutId;
use shunt_spec::{Span, Time};

use crate::cadence::is_busy;
use crate::edits::Edits;
use crate::hold::{Decision, Hold};
use crate::integrations::{Completion, Integrations};
use crate::observe::{Analysts, observe};
use crate::platform::{AuxiliaryStore, Platform, StoreError, World};
use crate::policy_publisher::PolicyPublisher;
use crate::proxies::Proxies;
use crate::requests::Waiting;
use crate::rollouts::Rollouts;
use crate::show::Show;

/// Where the time comes from.
pub(crate) type Clock = fn() -> Time;

/// Passes until nothing moves; a transition is followed by at most a few others at once, so this only bounds a defect of ours that
/// [`Recurrence`] does not see.
const PASSES_MAX: usize = 100;

/// A Rollout with nothing under way is looked at this often, for its counters.
const IDLE: Span = Span::seconds(1);

/// What a reconciler is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    /// Where the time comes from.
    pub(crate) clock: Clock,
    /// Where it runs.
    pub(crate) on: Platform,
    /// What is recorded.
    pub(crate) rollouts: Rollouts,
    /// What is kept beside.
    pub(crate) auxiliary: AuxiliaryStore,
    /// The systems outside.
    pub(crate) integrations: Integrations,
    /// The proxies on record.
    pub(crate) proxies: Proxies,
    /// What was published.
    pub(crate) publisher: PolicyPublisher,
    /// What the API shows.
    pub(crate) show: Show,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// Whether anything may be published.
    pub(crate) hold: Hold,
    /// Whether all releases are frozen, as recorded.
    pub(crate) freeze: Freeze,
}

/// Everything that a pass needs.
#[derive(Debug)]
pub(crate) struct Reconciler {
    pub(crate) clock: Clock,
    pub(crate) on: Platform,
    pub(crate) rollouts: Rollouts,
    pub(crate) auxiliary: AuxiliaryStore,
    pub(crate) proxies: Proxies,
    pub(crate) waiting: Waiting,
    integrations: Integrations,
    pub(crate) edits: Edits,
    pub(crate) publisher: PolicyPublisher,
    analysts: Analysts,
    recurrence: Recurrence,
    show: Show,
    metrics: Metrics,
    /// What was seen of each Rollout last.
    seen: BTreeMap<RolloutId, Observation>,
    /// Whether what users want may have changed since it was read.
    unread: bool,
    /// Whether an operator has frozen all releases, as recorded.
    pub(crate) freeze: Freeze,
    /// Whether anything may be published.
    pub(crate) hold: Hold,
    /// When all Rollouts were looked at last.
    looked: Time,
    /// Warnings about silent proxies and those that are not believed, for every Rollout.
    silence: Option<String>,
    disbelieved: Option<String>,
}

impl Reconciler {
    /// Nothing is read or published yet.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { clock, on, rollouts, auxiliary, integrations, proxies, publisher, show, metrics, hold, freeze } = parts;
        Self {
            clock,
            on,
            rollouts,
            auxiliary,
            proxies,
            waiting: Waiting::default(),
            edits: Edits::default(),
            integrations,
            publisher,
            analysts: Analysts::default(),
            recurrence: Recurrence::default(),
            show,
            metrics,
            seen: BTreeMap::new(),
            unread: true,
            freeze,
            hold,
            looked: Time::default(),
            silence: None,
            disbelieved: None,
        }
    }

    /// What users want is to be read again.
    pub(crate) fn resources_changed(&mut self) {
        self.unread = true;
    }

    /// Takes what a receiver or an external source answered.
    pub(crate) async fn complete(&mut self, completion: Completion) {
        self.integrations.take(&self.auxiliary, completion, (self.clock)()).await;
    }

    /// The process is about to end: no receiver or source outside is asked any more.
    pub(crate) fn quiesce(&mut self) {
        self.integrations.quiesce();
    }

    /// Takes what filters posted.
    pub(crate) fn take(&mut self, posts: &mut Vec<Post>) {
        let (now, published) = ((self.clock)(), self.publisher.aggregator().generation());
        for post in posts.drain(..) {
            match self.proxies.take(post, published, now) {
                Belief::Published => {}
                Belief::FirstClaim | Belief::Repeated => drop(self.metrics.reports_unpublished.inc()),
            }
        }
    }

    /// Passes until nothing moves any more. True when something is under way, so that the next pass should not be long in coming.
    pub(crate) async fn settle(&mut self) -> bool {
        for pass in 1..=PASSES_MAX {
            let start = Instant::now();
            let done = self.pass().await;
            self.metrics.pass_seconds.observe(start.elapsed().as_secs_f64());
            match done {
                Ok(true) if pass == PASSES_MAX => {
                    self.metrics.reconcile_failures.inc();
                    tracing::error!("a defect of Shunt: transitions without end; {PASSES_MAX} passes in a row recorded some");
                }
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.metrics.reconcile_failures.inc();
                    tracing::error!("nothing changes until this works again: {error}");
                    self.present((self.clock)());
                    break;
                }
            }
        }
        self.recurrence.settled(|id| self.rollouts.is_writing(id));
        self.rollouts.all().any(is_busy)
    }

    /// Takes what is still being recorded, before the process ends.
    pub(crate) async fn finish(&mut self) {
        self.settle().await;
        let now = (self.clock)();
        for happened in self.rollouts.settle(now).await {
            if let Err(error) = self.happen(happened).await {
                tracing::error!("{error}");
            }
        }
        self.settle().await;
    }

    /// One pass over all Rollouts. True when a transition was recorded.
    async fn pass(&mut self) -> Result<bool, StoreError> {
        let now = (self.clock)();
        if !self.on.leading() {
            return Ok(false);
        }
        self.catch_up().await?;
        let mut moved = self.read(now).await?;
        self.proxies.sync(&self.on, now);
        unless_unwritable(self.proxies.keep(&self.on, now).await)?;
        if self.decide(now).await? == Decision::Prepare {
            self.apply(now).await?;
            self.hold.prepare(self.on.lacking(&self.rollouts));
        }
        if self.hold.decision() == Decision::Publish {
            self.on.audience(self.hold.audience());
            // Before publishing: what counts as ready is in discovery from this pass on.
            self.apply(now).await?;
            let published = self.publisher.publish(&mut self.on, &self.auxiliary, &self.rollouts, &mut self.proxies, now).await;
            if let Some(policy) = unless_unwritable(published)?.flatten() {
                self.show.policy(policy);
            }
        }
        unless_unwritable(self.integrations.pump(&self.auxiliary, &self.rollouts, now).await)?;
        (self.silence, self.disbelieved) = (self.proxies.silence(now), self.proxies.disbelieved(now));
        for id in self.due(now) {
            let start = Instant::now();
            // What fails for one Rollout holds up that one.
            if let Err(error) = self.reconcile(&id, now).await {
                tracing::error!(rollout = %id, "{error}");
                self.rollouts.fail(&id, error.to_string(), now);
            }
            self.metrics.reconcile_seconds.observe(start.elapsed().as_secs_f64());
        }
        moved |= self.take_up(now).await?;
        self.present(now);
        Ok(moved)
    }

    /// Takes what users want by now, where that may have changed. True when something new is recorded.
    async fn read(&mut self, now: Time) -> Result<bool, StoreError> {
        if !self.unread && !self.on.is_due(now) {
            return Ok(false);
        }
        if let Some(resources) = unless_unwritable(self.on.resources(&self.rollouts, now).await)? {
            self.unread = false;
            self.looked = Time::default();
            self.rollouts.accept(resources, now);
        }
        self.take_up(now).await
    }

    async fn apply(&mut self, now: Time) -> Result<(), StoreError> {
        let world = World { rollouts: &self.rollouts, aggregator: self.publisher.aggregator(), proxies: &self.proxies };
        unless_unwritable(self.on.apply(&world, now).await).map(drop)
    }

    /// What could not be recorded on a full disk is recorded as soon as there is room; transitions by [`Rollouts`].
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        // Before the space is kept free again, whose absence says that something is not recorded.
        unless_unwritable(self.publisher.catch_up(&self.on).await)?;
        if self.on.trouble().is_some() {
            unless_unwritable(self.on.probe().await)?;
        }
        Ok(())
    }

    /// Whether anything may be published, and to whom. The gate is shut before anything else happens, and opened only when that is
    /// recorded.
    async fn decide(&mut self, now: Time) -> Result<Decision, StoreError> {
        let (before, ahead) = (self.hold.decision(), self.proxies.ahead(now));
        let changed = self.hold.observe(&self.proxies.presences(), &ahead);
        let decision = self.hold.decision();
        if decision == Decision::Hold {
            self.on.audience(self.hold.audience());
            if let Some(notice) = self.hold.notice().filter(|_| before != decision) {
                tracing::error!("{}", notice.message);
            }
        }
        if changed {
            unless_unwritable(self.on.set_identity(self.hold.identity()).await)?;
        }
        self.on.audience(self.hold.audience());
        Ok(decision)
    }

    /// Those with something under way; now and then all of them.
    fn due(&mut self, now: Time) -> Vec<RolloutId> {
        let all = now.since(self.looked) >= IDLE || self.looked > now;
        if all {
            self.looked = now;
        }
        let wanted = self.rollouts.all().filter(|stored| all || is_busy(stored)).map(|stored| &stored.plan.id);
        wanted.filter(|id| self.rollouts.is_due(id, now)).cloned().collect()
    }

    /// The straight line of one Rollout; what follows is recorded from now on.
    async fn reconcile(&mut self, id: &RolloutId, now: Time) -> Result<(), StoreError> {
        let Some(stored) = self.rollouts.read(id).cloned() else { return Ok(()) };
        let external = self.integrations.sources.external(id);
        let mut seen = observe(&self.publisher, &self.proxies, &mut self.analysts, &stored, &self.freeze, &external, now);
        seen.capacity = self.on.capacity(&stored, now);
        // Receivers and external sources are asked when that can be recorded; until then nothing that waits for them goes on.
        if let Some(desired) = self.rollouts.desired(id).cloned() {
            let attended = self.integrations.calls.attend(&self.auxiliary, &stored, &desired.calls, now).await;
            seen.calls = unless_unwritable(attended)?.unwrap_or_default();
        }
        unless_unwritable(self.integrations.sources.attend(&self.auxiliary, &stored, now).await)?;
        seen.verdicts.extend(self.integrations.sources.verdicts(&stored, now));
        let next = advance(&stored.plan, &stored.state, &seen, &stored.commands);
        let (next, recurs) = self.recurrence.check(&stored.plan, &stored.state, next);
        self.count(id, recurs.as_ref());
        self.show_rollout(&stored, &stored.state, &seen);
        self.seen.insert(id.clone(), seen);
        match stored.state.retiring {
            // The process before this one ended before it could forget it.
            Some(Retiring::Gone) if next.entry.is_none() => self.rollouts.forget(id),
            _ => self.rollouts.advance(id, next, now),
        }
        Ok(())
    }

    /// A transition that leads nowhere is logged once.
    fn count(&self, id: &RolloutId, recurs: Option<&Recurs>) {
        let Some(recurs) = recurs else { return };
        self.metrics.transitions_prevented.inc();
        if recurs.times == 1 {
            tracing::error!(rollout = %id, "{recurs}");
        }
    }
}

/// What waits until the store can be written again: none. Nothing else is held up by it.
fn unless_unwritable<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(StoreError::Unwritable { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
