//! The standalone platform: manifests are files, state and journal are SQLite, routes are ours through xDS.
//!
//! What is recorded is also kept in memory, because only this process writes it (the store is locked while it runs).

mod database;
mod edit;
mod files;
mod instances;
mod manifests;
mod private;
mod put;
mod refresh;
mod release;
mod removal;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use shunt_core::advance::Next;
use shunt_core::event::{OutboxMessage, outbox_messages};
use shunt_core::journal::Entry;
use shunt_core::{Command, Verb};
use shunt_filter_core::RolloutId;
use shunt_spec::manifest::ManifestError;
use shunt_spec::{Plan, Span, Time};
use tokio::sync::watch;

pub(crate) use database::MeasurementKey;
pub(crate) use database::{CALLS_KEPT, CallRecord, Posted};
pub(crate) use database::{
    ContributionRecord, Database, Identity, InstanceRecord, NewCommand, PolicyRecord, Shared, SigningRecord, StoreError, Stored,
};
pub(crate) use database::{UNRECORDED_MAX, Urgency};
pub(crate) use files::Files;
pub(crate) use instances::{Instances, Launcher, shim};
pub(crate) use put::{Put, PutError};
pub(crate) use release::{ReleaseError, Written};
use removal::Removals;

/// Manifests and store.
#[derive(Debug)]
pub(crate) struct Standalone {
    database: Database,
    folder: PathBuf,
    files: watch::Receiver<Files>,
    texts: BTreeMap<String, String>,
    rollouts: BTreeMap<RolloutId, Stored>,
    sources: BTreeMap<RolloutId, String>,
    problems: Vec<ManifestError>,
    skipped: Vec<ManifestError>,
    conflicted: BTreeMap<RolloutId, Conflicted>,
    removals: Removals,
    /// Why the folder deletes nothing now, whatever it lacks.
    notice: Option<String>,
    unrecorded: VecDeque<Unrecorded>,
}

/// A transition back to stable that could not be recorded, because the disk was full.
#[derive(Debug)]
struct Unrecorded {
    id: RolloutId,
    revision: u64,
    next: Next,
    messages: Vec<OutboxMessage>,
}

/// A Rollout that changes nothing, because an older one owns a host of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conflicted {
    /// What its manifest says.
    pub(crate) plan: Arc<Plan>,
    /// One sentence.
    pub(crate) reason: String,
}

impl Standalone {
    /// Opens the store and reads the manifests once. `removal_delay`: how long a manifest must be missing before its Rollout ends.
    /// Errors when one of the folders cannot be used, or what is recorded cannot be read.
    pub(crate) async fn open(config: &Path, data: &Path, removal_delay: Span) -> anyhow::Result<Self> {
        let unusable = || format!("config folder {} (make it, or name another one with --config)", config.display());
        if !Database::exists(data) {
            // Where nothing is recorded, a folder that is not there is a typing error.
            std::fs::read_dir(config).with_context(unusable)?;
        }
        let files = files::watch(config.to_owned()).with_context(unusable)?;
        let database = Database::open(data)?;
        let texts = database.files().await?;
        let rollouts = database.rollouts().await?.into_iter().map(|stored| (stored.plan.id.clone(), stored)).collect();
        Ok(Self {
            database,
            folder: config.to_owned(),
            files,
            texts,
            rollouts,
            sources: BTreeMap::new(),
            problems: Vec::new(),
            skipped: Vec::new(),
            conflicted: BTreeMap::new(),
            removals: Removals::new(removal_delay),
            notice: None,
            unrecorded: VecDeque::new(),
        })
    }

    /// The store.
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Ends the store after all that was asked of it.
    pub(crate) fn close(self) {
        self.database.close();
    }

    /// Snapshots of the config folder; pass each change to [`Standalone::refresh`].
    pub(crate) fn files(&self) -> watch::Receiver<Files> {
        self.files.clone()
    }

    /// All recorded Rollouts, in order of id.
    pub(crate) fn ids(&self) -> Vec<RolloutId> {
        self.rollouts.keys().cloned().collect()
    }

    /// All that is recorded.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Stored> {
        self.rollouts.values()
    }

    /// What is recorded of one.
    pub(crate) fn read(&self, id: &RolloutId) -> Option<&Stored> {
        self.rollouts.get(id)
    }

    /// Rollouts that change nothing, because an older one owns a host of theirs.
    pub(crate) fn conflicted(&self) -> &BTreeMap<RolloutId, Conflicted> {
        &self.conflicted
    }

    /// What is wrong with the manifests now.
    pub(crate) fn problems(&self) -> &[ManifestError] {
        &self.problems
    }

    /// Why the config folder deletes nothing now: it is empty, or cannot be listed.
    pub(crate) fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// A warning while a Rollout's manifest is missing and may come back.
    pub(crate) fn missing(&self, id: &RolloutId) -> Option<String> {
        let pending = self.removals.pending().any(|pending| pending == id);
        pending.then(|| format!("its manifest is missing: the Rollout ends when that has lasted {}", self.removals.delay()))
    }

    /// Whether the manifests are to be read again although none changed: something has been missing for long enough.
    pub(crate) fn is_due(&self, now: Time) -> bool {
        self.removals.is_due(now)
    }

    /// Records a transition and what is told of it; see [`Database::record`]. Gives the messages that are on their way now.
    pub(crate) async fn record(&mut self, id: &RolloutId, revision: u64, next: &Next) -> Result<Vec<Posted>, StoreError> {
        if next.entry.is_none() && next.answered.is_empty() {
            return Ok(Vec::new());
        }
        let told = self.rollouts.get(id).zip(next.entry.as_ref());
        let messages = told.map(|(stored, entry)| outbox_messages(&stored.plan, &stored.state, entry)).unwrap_or_default();
        let urgency = self.rollouts.get(id).map_or(Urgency::CanWait, |stored| Urgency::of_transition(&stored.state, &next.state));
        let posted = self.keep(Unrecorded { id: id.clone(), revision, next: next.clone(), messages }, urgency).await?;
        if let Some(stored) = self.rollouts.get_mut(id) {
            stored.state = next.state.clone();
            stored.commands.retain(|command| next.answered.iter().all(|answer| answer.command != command.id));
        }
        Ok(posted)
    }

    /// Records a transition. One that leads back to stable counts also when there is no room for it: it is recorded later.
    async fn keep(&mut self, one: Unrecorded, urgency: Urgency) -> Result<Vec<Posted>, StoreError> {
        // One after the other: each starts from what the one before it left.
        let waits = self.unrecorded.iter().any(|other| other.id == one.id);
        let recorded = match waits {
            true => Err(StoreError::Full("an earlier transition is not recorded yet".to_owned())),
            false => self.database.record(&one.id, one.revision, one.next.clone(), one.messages.clone(), urgency).await,
        };
        match recorded {
            Err(StoreError::Full(error)) if urgency == Urgency::MustBeKept => {
                tracing::error!(rollout = %one.id, "done without a record, which follows when there is room: {error}");
                self.unrecorded.push_back(one);
                Ok(Vec::new())
            }
            recorded => recorded,
        }
    }

    /// Records what could not be recorded when it happened. Gives the messages that are on their way now.
    pub(crate) async fn catch_up(&mut self) -> Result<Vec<Posted>, StoreError> {
        let mut posted = Vec::new();
        while let Some(Unrecorded { id, revision, next, messages }) = self.unrecorded.front() {
            posted.extend(self.database.record(id, *revision, next.clone(), messages.clone(), Urgency::MustBeKept).await?);
            self.unrecorded.pop_front();
        }
        Ok(posted)
    }

    /// How many transitions are not recorded yet.
    pub(crate) fn unrecorded(&self) -> usize {
        self.unrecorded.len()
    }

    /// Records states that were made anew from what proxies run, and the highest generation among them.
    pub(crate) async fn recovered(&mut self, entries: Vec<Entry>, generation: u64, identity: &Identity) -> Result<(), StoreError> {
        self.database.recovered(entries.clone(), generation, identity.clone()).await?;
        for entry in entries {
            if let Some(stored) = self.rollouts.get_mut(&entry.rollout) {
                stored.state = entry.next;
            }
        }
        Ok(())
    }

    /// Leaves a command for a Rollout that is recorded.
    pub(crate) async fn command(&mut self, id: &RolloutId, new: NewCommand) -> Result<Command, StoreError> {
        let command = match self.database.command(id, new.clone()).await {
            // An abort is done without a record rather than not at all.
            Err(StoreError::Full(_)) if new.verb == Verb::Abort => self.unrecorded_command(new),
            command => command?,
        };
        if let Some(stored) = self.rollouts.get_mut(id) {
            stored.commands.push(command.clone());
        }
        Ok(command)
    }

    /// Its number is one that the store never gives.
    fn unrecorded_command(&self, new: NewCommand) -> Command {
        let pending = self.rollouts.values().map(|stored| stored.commands.len()).sum::<usize>();
        let NewCommand { verb, revision, by, reason, confirm } = new;
        let id = i64::MAX.unsigned_abs().saturating_sub(u64::try_from(pending).unwrap_or_default());
        Command { id, verb, revision, by, reason, confirm }
    }

    /// Forgets a Rollout of which nothing is left. One that waited for its hosts is looked at with the next [`Standalone::refresh`].
    pub(crate) async fn forget(&mut self, id: &RolloutId) -> Result<(), StoreError> {
        self.database.forget(id).await?;
        self.rollouts.remove(id);
        Ok(())
    }

    /// The newest entries of a journal, oldest first.
    pub(crate) async fn history(&self, id: &RolloutId, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.database.history(id, limit).await
    }
}

#[cfg(test)]
mod tests;
