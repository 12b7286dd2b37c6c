//! What records one Rollout: each write stands for itself, so that one that hangs holds up nobody else.

use shunt_core::State;
use shunt_filter_core::RolloutId;

#[cfg(test)]
use super::memory::MemoryStore;
use super::{Record, Recorded, StoreError, Stored, Transition};
use crate::standalone::Store;

/// Where Rollouts are recorded; clones are the same.
#[derive(Debug, Clone)]
pub(crate) enum Recorder {
    /// In a store of this machine.
    Standalone(Store),
    /// In memory, as well or badly behaved as a test wants.
    #[cfg(test)]
    Memory(MemoryStore),
}

impl Recorder {
    /// Records something, whole or not at all.
    pub(crate) async fn record(&self, record: Record) -> Result<Recorded, StoreError> {
        match self {
            Self::Standalone(store) => sqlite(store, record).await,
            #[cfg(test)]
            Self::Memory(store) => store.record(record).await,
        }
    }

    /// The last state of a Rollout's earlier life; none: it had none.
    pub(crate) async fn earlier(&self, id: &RolloutId) -> Result<Option<State>, StoreError> {
        match self {
            Self::Standalone(store) => Ok(store.history(id, 1).await?.pop().map(|entry| entry.next)),
            #[cfg(test)]
            Self::Memory(_) => Ok(None),
        }
    }
}

async fn sqlite(store: &Store, record: Record) -> Result<Recorded, StoreError> {
    match record {
        Record::Admitted(stored) => store.admit(Stored::clone(&stored)).await.map(|()| Recorded::Done),
        Record::Planned(plan) => store.replan(plan).await.map(|()| Recorded::Done),
        Record::Command(id, new) => store.command(&id, new).await.map(Recorded::Numbered),
        Record::Forgotten(id) => store.forget(&id).await.map(|()| Recorded::Done),
        Record::Transition(transition) => {
            let Transition { id, revision, next, messages, urgency } = *transition;
            match store.record(&id, revision, next, messages, urgency).await {
                Err(StoreError::Conflict(_)) => {
                    let found = store.rollouts().await?.into_iter().find(|stored| stored.plan.id == id);
                    Ok(Recorded::Conflict(found.map(Box::new)))
                }
                recorded => recorded.map(Recorded::Posted),
            }
        }
    }
}
