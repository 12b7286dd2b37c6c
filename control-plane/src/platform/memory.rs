//! A second platform, in memory, whose store behaves for each Rollout as well or as badly as a test wants.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use shunt_core::Command;
use shunt_core::capacity::Capacity;
use shunt_core::journal::Entry;
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::{Plan, Time};

use super::{Presence, Record, Recorded, Resources, RouteEvidence, Sequence, StoreError, Stored, Transition};

/// How the store behaves for one Rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// It records.
    Records,
    /// It never answers.
    Hangs,
    /// It says no.
    Refuses,
    /// Another process is always faster.
    Conflicts,
}

/// The only proxy.
pub(crate) const NODE: &str = "edge-1";

/// The platform; clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    inner: Arc<Mutex<Inner>>,
}

/// Its store; clones are the same.
pub(crate) type MemoryStore = Memory;

#[derive(Debug, Default)]
struct Inner {
    wanted: BTreeMap<RolloutId, Plan>,
    rollouts: BTreeMap<RolloutId, Stored>,
    journal: Vec<Entry>,
    behaviours: BTreeMap<RolloutId, Behaviour>,
    expected: BTreeSet<String>,
    commands: u64,
    sequence: Sequence,
}

impl Memory {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// A user wants this.
    pub(crate) fn want(&self, plan: Plan) {
        self.inner().wanted.insert(plan.id.clone(), plan);
    }

    /// The store behaves so for this Rollout from now on.
    pub(crate) fn behave(&self, id: &RolloutId, behaviour: Behaviour) {
        self.inner().behaviours.insert(id.clone(), behaviour);
    }

    /// What is recorded.
    pub(crate) fn recorded(&self) -> Vec<Stored> {
        self.inner().rollouts.values().cloned().collect()
    }

    /// Who is expected, as recorded.
    pub(crate) fn expected(&self) -> BTreeSet<String> {
        self.inner().expected.clone()
    }

    pub(crate) fn resources(&self) -> Resources {
        Resources { plans: self.inner().wanted.values().cloned().collect(), gone: BTreeSet::new() }
    }

    pub(crate) fn capacity(&self, stored: &Stored) -> BTreeMap<VersionName, Capacity> {
        stored.plan.versions.iter().map(|version| (version.name.clone(), Capacity::Unmanaged)).collect()
    }

    pub(crate) fn presences_revision(&self) -> u64 {
        self.inner().sequence
    }

    /// The proxy has everything at once.
    pub(crate) fn presences(&self) -> Vec<Presence> {
        let routes = RouteEvidence::Acknowledged(self.inner().sequence);
        vec![Presence { node: NODE.to_owned(), connected: true, since: Time(1), routes, refusal: None, foreign: None }]
    }

    pub(crate) fn publish(&self) -> Sequence {
        let mut inner = self.inner();
        inner.sequence += 1;
        inner.sequence
    }

    pub(crate) fn expect(&self, nodes: Vec<String>) {
        self.inner().expected.extend(nodes);
    }

    pub(crate) fn dismiss(&self, nodes: &[String]) {
        self.inner().expected.retain(|node| !nodes.contains(node));
    }

    pub(crate) fn history(&self, id: &RolloutId, limit: usize) -> Vec<Entry> {
        let all: Vec<Entry> = self.inner().journal.iter().filter(|entry| entry.rollout == *id).cloned().collect();
        all[all.len().saturating_sub(limit)..].to_vec()
    }

    pub(crate) async fn record(&self, record: Record) -> Result<Recorded, StoreError> {
        let behaviour = self.inner().behaviours.get(record.id()).copied().unwrap_or(Behaviour::Records);
        match behaviour {
            Behaviour::Records => self.inner().record(record),
            Behaviour::Hangs => std::future::pending().await,
            Behaviour::Refuses => Err(StoreError::Failed("you may not write this".to_owned())),
            Behaviour::Conflicts => Ok(Recorded::Conflict(self.inner().rollouts.get(record.id()).cloned().map(Box::new))),
        }
    }
}

impl Inner {
    fn record(&mut self, record: Record) -> Result<Recorded, StoreError> {
        let known = self.rollouts.get_mut(record.id());
        match (record, known) {
            (Record::Admitted(stored), _) => {
                self.rollouts.insert(stored.plan.id.clone(), Stored::clone(&stored));
                Ok(Recorded::Done)
            }
            (Record::Planned(plan), Some(stored)) => {
                stored.plan = plan;
                Ok(Recorded::Done)
            }
            (Record::Transition(transition), Some(stored)) => {
                let Transition { revision, next, .. } = *transition;
                if stored.state.revision != revision {
                    return Ok(Recorded::Conflict(Some(Box::new(stored.clone()))));
                }
                stored.state = next.state;
                stored.commands.retain(|command| next.answered.iter().all(|answer| answer.command != command.id));
                self.journal.extend(next.entry);
                Ok(Recorded::Posted(Vec::new()))
            }
            (Record::Command(_, new), Some(stored)) => {
                self.commands += 1;
                let command = Command {
                    id: self.commands,
                    verb: new.verb,
                    revision: new.revision,
                    by: new.by,
                    reason: new.reason,
                    confirm: new.confirm,
                };
                stored.commands.push(command.clone());
                Ok(Recorded::Numbered(command))
            }
            (Record::Forgotten(id), Some(_)) => {
                self.rollouts.remove(&id);
                Ok(Recorded::Done)
            }
            (record, None) => Err(StoreError::Failed(format!("{} is not recorded", record.id()))),
        }
    }
}
