//! Brings the world in step with what is recorded: one straight line per Rollout, over and over.
//!
//! A pass is: what everybody wants -> the aggregator -> published; then for each Rollout: what is seen -> what is next -> recorded. State
//! is recorded before traffic moves, so the next pass publishes what this one recorded. Nothing is remembered between passes that
//! could not be read again.

use std::time::Instant;

use shunt_api::{Metrics, Notice, Post, RolloutNow, Severity};
use shunt_core::advance::{Next, Recurrence, Recurs};
use shunt_core::delivery::Belief;
use shunt_core::isolation::Standing;
use shunt_core::observation::{Freeze, Observation};
use shunt_core::state::Retiring;
use shunt_core::status::view;
use shunt_core::{Span, Time, advance};
use shunt_filter_core::RolloutId;
use shunt_xds::Fleet;

use crate::cadence::is_busy;
use crate::crash;
use crate::deploy::Deployments;
use crate::hold::{Decision, Hold};
use crate::integrations::{Completion, Integrations};
use crate::observe::{Analysts, observe};
use crate::policy_publisher::PolicyPublisher;
use crate::proxies::Proxies;
use crate::requests::Waiting;
use crate::show::{Show, warnings};
use crate::standalone::{Instances, Standalone, StoreError, Stored};

/// Where the time comes from.
pub(crate) type Clock = fn() -> Time;

/// Passes until nothing moves; a transition is followed by at most a few others at once, so this only bounds a defect of ours that
/// [`Recurrence`] does not see.
const PASSES_MAX: usize = 100;

/// A Rollout with nothing under way is looked at this often, for its counters.
const IDLE: Span = Span::seconds(1);

/// Everything that a pass needs.
#[derive(Debug)]
pub(crate) struct Reconciler {
    pub(crate) clock: Clock,
    pub(crate) on: Standalone,
    pub(crate) proxies: Proxies,
    pub(crate) waiting: Waiting,
    integrations: Integrations,
    pub(crate) instances: Instances,
    pub(crate) deployments: Deployments,
    fleet: Fleet,
    pub(crate) publisher: PolicyPublisher,
    analysts: Analysts,
    recurrence: Recurrence,
    show: Show,
    metrics: Metrics,
    /// Whether the manifests may have changed since they were read.
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
    #[expect(clippy::too_many_arguments, reason = "each is a part of the process, named once, where it is wired")]
    pub(crate) fn new(
        clock: Clock,
        on: Standalone,
        instances: Instances,
        integrations: Integrations,
        proxies: Proxies,
        fleet: Fleet,
        publisher: PolicyPublisher,
        show: Show,
        metrics: Metrics,
        hold: Hold,
    ) -> Self {
        let (waiting, deployments, analysts) = (Waiting::default(), Deployments::default(), Analysts::default());
        let recurrence = Recurrence::default();
        Self {
            clock,
            on,
            proxies,
            waiting,
            deployments,
            instances,
            integrations,
            fleet,
            publisher,
            analysts,
            recurrence,
            show,
            metrics,
            unread: true,
            freeze: Freeze::Off,
            hold,
            looked: Time::default(),
            silence: None,
            disbelieved: None,
        }
    }

    /// The manifests are to be read again.
    pub(crate) fn manifests_changed(&mut self) {
        self.unread = true;
    }

    /// Takes what a receiver or an external source answered.
    pub(crate) async fn complete(&mut self, completion: Completion) {
        self.integrations.take(self.on.database(), completion, (self.clock)()).await;
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
        self.recurrence.settled();
        self.on.all().any(is_busy)
    }

    /// One pass over all Rollouts. True when a transition was recorded.
    async fn pass(&mut self) -> Result<bool, StoreError> {
        let now = (self.clock)();
        self.catch_up().await?;
        if (self.unread || self.on.is_due(now)) && unless_full(self.on.refresh(now).await)?.is_some() {
            self.unread = false;
            self.looked = Time::default();
        }
        self.proxies.sync(&self.fleet, now);
        unless_full(self.proxies.keep(self.on.database(), now).await)?;
        if self.decide(now).await? == Decision::Prepare {
            unless_full(self.instances.pass(&self.on, self.publisher.aggregator(), &self.proxies, now).await)?;
            self.hold.prepare(self.instances.lacking(&self.on));
        }
        if self.hold.decision() == Decision::Publish {
            self.publisher.gate(self.hold.gate());
            // Before publishing: what counts as ready is in discovery from this pass on.
            unless_full(self.instances.pass(&self.on, self.publisher.aggregator(), &self.proxies, now).await)?;
            let published = self.publisher.publish(&self.on, &self.instances, &mut self.proxies, now).await;
            if let Some(policy) = unless_full(published)?.flatten() {
                self.show.policy(policy);
            }
        }
        unless_full(self.integrations.pump(&self.on, now).await)?;
        let mut moved = false;
        (self.silence, self.disbelieved) = (self.proxies.silence(now), self.proxies.disbelieved(now));
        for id in self.due(now) {
            let start = Instant::now();
            moved |= unless_full(self.reconcile(&id, now).await)?.unwrap_or(false);
            self.metrics.reconcile_seconds.observe(start.elapsed().as_secs_f64());
        }
        self.present(now);
        Ok(moved)
    }

    /// What could not be recorded on a full disk is recorded as soon as there is room.
    async fn catch_up(&mut self) -> Result<(), StoreError> {
        // Before the space is kept free again, whose absence says that something is not recorded.
        unless_full(self.publisher.catch_up(&self.on).await)?;
        if self.on.database().trouble().is_some() {
            unless_full(self.on.database().probe().await)?;
        }
        let posted = unless_full(self.on.catch_up().await)?.unwrap_or_default();
        self.integrations.outbox.add(posted);
        Ok(())
    }

    /// Whether anything may be published, and to whom. The gate is shut before anything else happens, and opened only when that is
    /// recorded.
    async fn decide(&mut self, now: Time) -> Result<Decision, StoreError> {
        let (before, ahead) = (self.hold.decision(), self.proxies.ahead(now));
        let changed = self.hold.observe(&self.proxies.statuses(), &ahead);
        let decision = self.hold.decision();
        if decision == Decision::Hold {
            self.publisher.gate(self.hold.gate());
            if let Some(notice) = self.hold.notice().filter(|_| before != decision) {
                tracing::error!("{}", notice.message);
            }
        }
        if changed {
            unless_full(self.on.database().set_identity(self.hold.identity()).await)?;
        }
        self.publisher.gate(self.hold.gate());
        Ok(decision)
    }

    /// Those with something under way; now and then all of them.
    fn due(&mut self, now: Time) -> Vec<RolloutId> {
        let all = now.since(self.looked) >= IDLE || self.looked > now;
        if all {
            self.looked = now;
        }
        self.on.all().filter(|stored| all || is_busy(stored)).map(|stored| stored.plan.id.clone()).collect()
    }

    /// The straight line of one Rollout. True when a transition was recorded.
    async fn reconcile(&mut self, id: &RolloutId, now: Time) -> Result<bool, StoreError> {
        let Some(stored) = self.on.read(id).cloned() else { return Ok(false) };
        let external = self.integrations.sources.external(id);
        let mut seen = observe(&self.publisher, &self.proxies, &mut self.analysts, &stored, &self.freeze, &external, now);
        seen.capacity = self.instances.capacity(&stored, now);
        // Receivers and external sources are asked when that can be recorded; until then nothing that waits for them goes on.
        seen.calls = unless_full(self.integrations.calls.attend(self.on.database(), &stored, now).await)?.unwrap_or_default();
        unless_full(self.integrations.sources.attend(self.on.database(), &stored, now).await)?;
        seen.verdicts.extend(self.integrations.sources.verdicts(&stored, now));
        let next = advance(&stored.plan, &stored.state, &seen, &stored.commands);
        let (mut next, recurs) = self.recurrence.check(&stored.plan, &stored.state, next);
        self.count(id, recurs.as_ref());
        let messages = match unless_full(self.on.record(id, stored.state.revision, &next).await)? {
            Some(messages) => messages,
            None => {
                // It goes forward when that can be recorded.
                next = Next { state: stored.state.clone(), entry: None, answered: Vec::new() };
                Vec::new()
            }
        };
        // A command is answered after its record; the caller who gave it must hear of it.
        if next.entry.as_ref().is_some_and(|entry| entry.command.is_none()) {
            crash::after_record(id);
        }
        self.integrations.outbox.add(messages);
        self.waiting.answer(&next);
        if let Some(entry) = &next.entry {
            unless_full(self.integrations.log.transition(self.on.database(), &stored.plan, entry).await)?;
            tracing::info!(rollout = %id, revision = entry.revision, "{}", entry.reason);
        }
        if next.state.retiring == Some(Retiring::Gone) {
            self.forget(id).await?;
            return Ok(true);
        }
        let moved = next.entry.is_some();
        self.show_rollout(&stored, next, &seen);
        Ok(moved)
    }

    /// A transition that leads nowhere is logged once.
    fn count(&self, id: &RolloutId, recurs: Option<&Recurs>) {
        let Some(recurs) = recurs else { return };
        self.metrics.transitions_prevented.inc();
        if recurs.times == 1 {
            tracing::error!(rollout = %id, "{recurs}");
        }
    }

    async fn forget(&mut self, id: &RolloutId) -> Result<(), StoreError> {
        tracing::info!(rollout = %id, "forgotten; its history stays");
        self.on.forget(id).await?;
        self.publisher.withdraw(id);
        self.analysts.dismiss(id);
        self.recurrence.forget(id);
        self.integrations.calls.dismiss(id);
        self.integrations.log.dismiss(id);
        self.integrations.sources.dismiss(id);
        self.show.forget(id);
        // A Rollout that waited for its hosts may have them now.
        self.unread = true;
        Ok(())
    }

    fn show_rollout(&mut self, stored: &Stored, next: Next, seen: &Observation) {
        let id = &stored.plan.id;
        let mut view = view(&stored.plan, &next.state, seen);
        if let Standing::Rejected(rejected) = self.publisher.standing(id) {
            view.reject(rejected);
        }
        for version in &mut view.versions {
            version.instances = self.instances.views(id, &version.name);
        }
        view.calls = self.integrations.log.views(stored, &next.state);
        view.warnings.extend(self.recurrence.fault(id).map(ToString::to_string));
        view.warnings.extend(warnings(id, self.on.problems()));
        view.warnings.extend(self.on.conflicted().get(id).map(|conflicted| format!("manifest refused: {}", conflicted.reason)));
        view.warnings.extend(self.on.missing(id));
        view.warnings.extend(self.notices().into_iter().map(|notice| notice.message));
        view.warnings.extend(self.publisher.refused().map(str::to_owned));
        view.warnings.extend(self.integrations.outbox.warnings(id));
        // At rest nothing waits for them; `shunt proxies` shows them.
        view.warnings.extend(self.silence.clone().filter(|_| is_busy(stored)));
        view.warnings.extend(self.disbelieved.clone());
        self.show.rollout(RolloutNow { view, plan: (*stored.plan).clone(), state: next.state });
    }

    /// What an operator should know about the control plane as a whole.
    fn notices(&self) -> Vec<Notice> {
        let folder = self.on.notice().map(|message| Notice { severity: Severity::Warning, message: message.to_owned() });
        let disk = self.on.database().trouble().map(|error| {
            let behind = match self.on.unrecorded() {
                0 => String::new(),
                1 => "; 1 transition is not recorded yet".to_owned(),
                number => format!("; {number} transitions are not recorded yet"),
            };
            let message = format!(
                "the store cannot be written ({error}): no release goes forward or begins, an abort still works{behind}; free space on the disk \
                 of --data"
            );
            Notice { severity: Severity::NotReady, message }
        });
        disk.into_iter().chain(self.hold.notice()).chain(folder).collect()
    }

    /// Hands on to the API, and to those who wait, what there is now.
    fn present(&mut self, now: Time) {
        self.show.rollouts(self.on.conflicted(), self.on.problems(), now);
        if self.proxies.views_are_due(now) {
            self.show.proxies(self.proxies.views(now));
        }
        self.show.problems(self.on.problems());
        self.show.freeze(&self.freeze);
        self.show.notices(self.notices());
        self.show.ready(self.publisher.aggregator().is_live());
        self.waiting.undo(&self.on);
        self.waiting.answer_due(&self.on, now);
        self.deployments.answer_due(&self.on, now);
    }
}

/// What waits until the store can be written again: none. Nothing else is held up by it.
fn unless_full<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(StoreError::Full(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
