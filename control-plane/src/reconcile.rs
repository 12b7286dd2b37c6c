//! Brings the world in step with what is recorded: one straight line per Rollout, over and over.
//!
//! A pass is: what everybody wants -> the board -> published; then for each Rollout: what is seen -> what is next -> recorded. State
//! is recorded before traffic moves, so the next pass publishes what this one recorded. Nothing is remembered between passes that
//! could not be read again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use shunt_api::{Metrics, RolloutNow};
use shunt_core::advance::Next;
use shunt_core::observation::Observation;
use shunt_core::state::Retiring;
use shunt_core::status::view;
use shunt_core::{Time, advance, desired};
use shunt_filter_core::RolloutId;
use shunt_filter_core::report::Report;
use shunt_xds::{Publisher, World};

use crate::asks::Waiting;
use crate::board::{Board, Circumstances};
use crate::cadence::{Cadence, is_busy};
use crate::observe::{Analysts, observe};
use crate::proxies::Proxies;
use crate::show::{Show, warnings};
use crate::standalone::{Standalone, StoreError, Stored};

/// Where the time comes from.
pub(crate) type Clock = fn() -> Time;

/// Everything that a pass needs.
#[derive(Debug)]
pub(crate) struct Reconciler {
    pub(crate) clock: Clock,
    pub(crate) on: Standalone,
    pub(crate) proxies: Proxies,
    pub(crate) waiting: Waiting,
    board: Board,
    publisher: Publisher,
    module: Arc<[u8]>,
    analysts: Analysts,
    cadence: Cadence,
    show: Show,
    metrics: Metrics,
    /// What the board has of each Rollout: digest of its plan, whether its manifest is gone, revision.
    contributed: BTreeMap<RolloutId, (String, bool, u64)>,
    refused: Option<String>,
    /// Whether the manifests may have changed since they were read.
    unread: bool,
}

impl Reconciler {
    /// Nothing is published yet.
    pub(crate) fn new(
        clock: Clock,
        on: Standalone,
        board: Board,
        proxies: Proxies,
        publisher: Publisher,
        module: Arc<[u8]>,
        show: Show,
        metrics: Metrics,
    ) -> Self {
        Self {
            clock,
            on,
            proxies,
            waiting: Waiting::default(),
            board,
            publisher,
            module,
            analysts: Analysts::default(),
            cadence: Cadence::default(),
            show,
            metrics,
            contributed: BTreeMap::new(),
            refused: None,
            unread: true,
        }
    }

    /// The manifests are to be read again.
    pub(crate) fn manifests_changed(&mut self) {
        self.unread = true;
    }

    /// Takes what filters posted.
    pub(crate) fn take(&mut self, posts: &mut Vec<Report>) {
        let now = (self.clock)();
        for report in posts.drain(..) {
            self.proxies.take(report, now);
        }
    }

    /// Passes until nothing moves any more. True when something is under way, so that the next pass should not be long in coming.
    pub(crate) async fn settle(&mut self) -> bool {
        // A transition is followed by at most a few others at once; the bound only keeps a defect from blocking everything else.
        for _ in 0..100 {
            match self.pass().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.metrics.reconcile_failures.inc();
                    tracing::error!("nothing changes until this works again: {error}");
                    break;
                }
            }
        }
        self.is_busy()
    }

    fn is_busy(&self) -> bool {
        self.on.all().any(is_busy)
    }

    /// One pass over all Rollouts. True when a transition was recorded.
    async fn pass(&mut self) -> Result<bool, StoreError> {
        let now = (self.clock)();
        if self.unread {
            self.on.refresh(now).await?;
            self.unread = false;
        }
        self.proxies.sync(now);
        self.proxies.keep(self.on.database(), now).await?;
        self.contribute();
        self.publish(now).await?;
        let mut moved = false;
        for id in self.on.ids() {
            let start = Instant::now();
            moved |= self.reconcile(&id, now).await?;
            self.metrics.reconcile_seconds.observe(start.elapsed().as_secs_f64());
        }
        self.present(now);
        Ok(moved)
    }

    /// Puts on the board what changed.
    fn contribute(&mut self) {
        for stored in self.on.all() {
            let key = (stored.plan.digest.clone(), stored.plan.gone, stored.state.revision);
            if self.contributed.get(&stored.plan.id) != Some(&key) {
                self.board.contribute(&stored.plan.id, desired(&stored.plan, &stored.state));
                self.contributed.insert(stored.plan.id.clone(), key);
            }
        }
    }

    /// Records and publishes what the board wants published.
    async fn publish(&mut self, now: Time) -> Result<(), StoreError> {
        let heal = self.proxies.heal(now);
        let around = Circumstances {
            report: self.cadence.report(self.on.all().any(is_busy), now),
            acknowledged: self.proxies.acknowledged(),
            highest: self.proxies.reports().highest_generation(),
            heal: heal.as_deref(),
        };
        let publication = match self.board.next(&around) {
            Ok(Some(publication)) => publication,
            Ok(None) => return Ok(()),
            Err(error) => {
                self.refuse(error.to_string());
                return Ok(());
            }
        };
        self.refused = None;
        self.on.database().publishing(publication.record.clone(), publication.changed.clone()).await?;
        let policy = serde_json::to_string(&publication.policy).unwrap_or_default();
        let world = World { routes: publication.routes.clone(), policy, module: self.module.clone() };
        let sequence = self.publisher.publish(world);
        self.board.published(&publication, sequence);
        self.metrics.policies_published.inc();
        tracing::info!(generation = publication.record.generation, world = sequence, "published: {}", publication.why);
        self.show.policy(publication.policy);
        Ok(())
    }

    fn refuse(&mut self, error: String) {
        if self.refused.as_ref() != Some(&error) {
            tracing::error!("{error}");
            self.refused = Some(error);
        }
    }

    /// The straight line of one Rollout. True when a transition was recorded.
    async fn reconcile(&mut self, id: &RolloutId, now: Time) -> Result<bool, StoreError> {
        let Some(stored) = self.on.read(id).cloned() else { return Ok(false) };
        let seen = observe(&self.board, &self.proxies, &mut self.analysts, &stored, now);
        let next = advance(&stored.plan, &stored.state, &seen, &stored.commands);
        self.on.record(id, stored.state.revision, &next).await?;
        self.waiting.answer(&next);
        if let Some(entry) = &next.entry {
            tracing::info!(rollout = %id, revision = entry.revision, "{}", entry.reason);
        }
        if next.state.retiring == Some(Retiring::Gone) {
            self.forget(id).await?;
            return Ok(true);
        }
        let moved = next.entry.is_some();
        self.show_rollout(&stored, next, &seen, now);
        Ok(moved)
    }

    async fn forget(&mut self, id: &RolloutId) -> Result<(), StoreError> {
        tracing::info!(rollout = %id, "forgotten; its history stays");
        self.on.forget(id).await?;
        self.board.withdraw(id);
        self.contributed.remove(id);
        self.analysts.dismiss(id);
        self.show.forget(id);
        // Whoever waited for its hosts may have them now.
        self.unread = true;
        Ok(())
    }

    fn show_rollout(&mut self, stored: &Stored, next: Next, seen: &Observation, now: Time) {
        let mut view = view(&stored.plan, &next.state, seen);
        view.warnings.extend(warnings(&stored.plan.id, self.on.problems()));
        view.warnings
            .extend(self.on.conflicted().get(&stored.plan.id).map(|conflicted| format!("manifest refused: {}", conflicted.reason)));
        view.warnings.extend(self.refused.clone());
        let silent = self.proxies.silent(now);
        if !silent.is_empty() {
            view.warnings.push(format!(
                "silent, so nothing that they may use is taken away: {}; gone for good? `shunt forget NODE`",
                silent.join(", ")
            ));
        }
        self.show.rollout(RolloutNow { view, plan: (*stored.plan).clone(), state: next.state });
    }

    /// Hands on to the API, and to those who wait, what there is now.
    fn present(&mut self, now: Time) {
        self.show.rollouts(self.on.conflicted(), self.on.problems(), now);
        self.show.proxies(self.proxies.views(now));
        self.show.problems(self.on.problems());
        self.show.ready(self.board.is_live());
        self.waiting.look(&self.on, now);
    }
}
