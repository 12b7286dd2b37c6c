//! Every gate and hook as people see it, recorded with what counts, or before: what is shown as done may be done twice, never the
//! other way round.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shunt_core::State;
use shunt_core::call::{Call, CallState, CallView};
use shunt_core::desired::calls;
use shunt_core::journal::Entry;
use shunt_filter_core::RolloutId;
use shunt_spec::{Plan, Time};

use crate::platform::{AuxiliaryStore, CALLS_KEPT, StoreError, Stored};

/// Clones share what they know.
#[derive(Debug, Clone, Default)]
pub(crate) struct CallLog {
    by_rollout: Arc<Mutex<BTreeMap<RolloutId, Vec<CallView>>>>,
}

impl CallLog {
    /// With what is recorded.
    pub(crate) async fn open(auxiliary: &AuxiliaryStore) -> Result<Self, StoreError> {
        let log = Self::default();
        for (rollout, view) in auxiliary.call_log().await? {
            log.see(&rollout, view);
        }
        Ok(log)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<RolloutId, Vec<CallView>>> {
        self.by_rollout.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far one is; not worth a write, such as one more question of a gate.
    pub(crate) fn see(&self, rollout: &RolloutId, view: CallView) {
        let mut all = self.all();
        let own = all.entry(rollout.clone()).or_default();
        match own.iter_mut().find(|known| known.id == view.id && known.since == view.since) {
            Some(known) => *known = view,
            None => own.push(view),
        }
        let surplus = own.len().saturating_sub(CALLS_KEPT);
        own.drain(..surplus);
    }

    /// How far one is, recorded.
    pub(crate) async fn keep(&self, auxiliary: &AuxiliaryStore, rollout: &RolloutId, view: CallView) -> Result<(), StoreError> {
        auxiliary.log_call(rollout, view.clone()).await?;
        self.see(rollout, view);
        Ok(())
    }

    /// What is known of this call, when it was wanted last.
    pub(crate) fn find(&self, rollout: &RolloutId, id: &str) -> Option<CallView> {
        self.all().get(rollout)?.iter().rfind(|view| view.id == id).cloned()
    }

    /// A transition: what a release waited for and does not any more was answered, skipped or ended by it.
    pub(crate) async fn transition(&self, auxiliary: &AuxiliaryStore, plan: &Plan, entry: &Entry) -> Result<(), StoreError> {
        for view in self.past(&plan.id, &calls(plan, &entry.next)) {
            self.keep(auxiliary, &plan.id, view.overtaken(entry.command.as_ref(), &entry.reason, entry.at)).await?;
        }
        Ok(())
    }

    /// The same of those whose transition was recorded just before a crash.
    pub(crate) async fn tidy(&self, auxiliary: &AuxiliaryStore, plan: &Plan, wanted: &[Call], now: Time) -> Result<(), StoreError> {
        for view in self.past(&plan.id, wanted) {
            self.keep(auxiliary, &plan.id, view.overtaken(None, "", now)).await?;
        }
        Ok(())
    }

    fn past(&self, rollout: &RolloutId, wanted: &[Call]) -> Vec<CallView> {
        let wanted = |view: &CallView| view.event.is_some() || wanted.iter().any(|call| call.id == view.id);
        let past = |view: &&CallView| view.state == CallState::Waiting && !wanted(view);
        self.all().get(rollout).into_iter().flatten().filter(past).cloned().collect()
    }

    /// Nothing is left of a Rollout but its records.
    pub(crate) fn dismiss(&self, rollout: &RolloutId) {
        self.all().remove(rollout);
    }

    /// Those of the last attempt, and whatever else is not over, oldest first.
    pub(crate) fn views(&self, stored: &Stored, state: &State) -> Vec<CallView> {
        let rollout = &stored.plan.id;
        // One that was forgotten and came back counts its attempts anew.
        let own = |view: &&CallView| view.since >= stored.first_seen;
        let shown = |view: &&CallView| own(view) && (view.attempt == state.attempt || view.state == CallState::Waiting);
        self.all().get(rollout).into_iter().flatten().filter(shown).cloned().collect()
    }
}
