//! What follows from something that was recorded.

use shunt_core::advance::Next;
use shunt_core::state::Retiring;
use shunt_filter_core::RolloutId;
use shunt_spec::Time;

use super::{Reconciler, unless_unwritable};
use crate::crash;
use crate::platform::{Posted, StoreError, Stored};
use crate::rollouts::Happened;

impl Reconciler {
    /// Takes up what was recorded. True when a Rollout is otherwise than before.
    pub(super) async fn take_up(&mut self, now: Time) -> Result<bool, StoreError> {
        let mut moved = false;
        for happened in self.rollouts.happened(now).await {
            moved |= self.happen(happened).await?;
        }
        Ok(moved)
    }

    /// What follows from something that was recorded. True when a Rollout is otherwise than before.
    pub(super) async fn happen(&mut self, happened: Happened) -> Result<bool, StoreError> {
        match happened {
            Happened::Advanced { before, next, posted } => self.advanced(&before, *next, posted).await,
            Happened::CaughtUp(posted) => {
                self.integrations.outbox.add(posted);
                Ok(false)
            }
            Happened::Commanded { ticket, number } => {
                let moved = number.is_ok();
                self.waiting.numbered(ticket, number);
                Ok(moved)
            }
            Happened::Changed => Ok(true),
            Happened::Forgotten(id) => {
                self.forgotten(&id);
                Ok(true)
            }
            Happened::Nothing => Ok(false),
        }
    }

    async fn advanced(&mut self, before: &Stored, next: Next, posted: Vec<Posted>) -> Result<bool, StoreError> {
        let id = &before.plan.id;
        // A command is answered after its record; the caller who gave it must hear of it.
        if next.entry.as_ref().is_some_and(|entry| entry.command.is_none()) {
            crash::after_record(id);
        }
        self.integrations.outbox.add(posted);
        self.waiting.answer(&next);
        if let Some(entry) = &next.entry {
            tracing::info!(rollout = %id, revision = entry.revision, "{}", entry.reason);
            unless_unwritable(self.integrations.log.transition(&self.auxiliary, &before.plan, entry).await)?;
        }
        if next.state.retiring == Some(Retiring::Gone) {
            self.rollouts.forget(id);
            return Ok(true);
        }
        if let Some(seen) = self.seen.get(id).cloned() {
            self.show_rollout(before, &next.state, &seen);
        }
        Ok(next.entry.is_some())
    }

    fn forgotten(&mut self, id: &RolloutId) {
        tracing::info!(rollout = %id, "forgotten; its history stays");
        self.seen.remove(id);
        self.publisher.withdraw(id);
        self.analysts.dismiss(id);
        self.recurrence.forget(id);
        self.integrations.calls.dismiss(id);
        self.integrations.log.dismiss(id);
        self.integrations.sources.dismiss(id);
        self.show.forget(id);
        // A Rollout that waited for its hosts may have them now.
        self.unread = true;
    }
}
