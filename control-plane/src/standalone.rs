//! The standalone platform: manifests are files, state and journal are SQLite, routes are ours through xDS.
//!
//! What is recorded is also kept in memory, because only this process writes it (the store is locked while it runs).

mod database;
mod files;
mod instances;
mod manifests;
mod private;
mod put;
mod release;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use shunt_core::advance::Next;
use shunt_core::event::letters;
use shunt_core::journal::Entry;
use shunt_core::manifest::{ManifestError, conflicts, parse};
use shunt_core::{Command, Plan, State, Time};
use shunt_filter_core::RolloutId;
use tokio::sync::watch;

pub(crate) use database::MeasuredKey;
pub(crate) use database::{CALLS_KEPT, CallRecord, Posted};
pub(crate) use database::{
    ContributionRecord, Database, InstanceRecord, NewCommand, PolicyRecord, Shared, SigningRecord, StoreError, Stored,
};
pub(crate) use files::Files;
pub(crate) use instances::{Instances, Launcher, shim};
use manifests::Manifests;
pub(crate) use put::{Put, PutError};
pub(crate) use release::{ReleaseError, Written};

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
    conflicted: BTreeMap<RolloutId, Conflicted>,
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
    /// Opens the store and reads the manifests once. Errors when one of the folders cannot be used, or what is recorded cannot
    /// be read.
    pub(crate) async fn open(config: &Path, data: &Path) -> anyhow::Result<Self> {
        let files = files::watch(config.to_owned())
            .with_context(|| format!("config folder {} (make it, or name another one with --config)", config.display()))?;
        let database = Database::open(data)?;
        let texts = database.files().await?;
        let rollouts: BTreeMap<_, _> = database.rollouts().await?.into_iter().map(|stored| (stored.plan.id.clone(), stored)).collect();
        let running: Vec<String> = rollouts.values().filter(|stored| !stored.plan.gone).map(|stored| stored.plan.id.to_string()).collect();
        if files.borrow().texts.is_empty() && !running.is_empty() {
            // Taken for deleted manifests, a folder that is not mounted would take all routes away.
            anyhow::bail!(
                "config folder {} has no manifest, but these Rollouts are recorded in {}: {}. Is it the right folder? To end them, \
                 start with their manifests and delete those while it serves",
                config.display(),
                data.display(),
                running.join(", ")
            );
        }
        Ok(Self {
            database,
            folder: config.to_owned(),
            files,
            texts,
            rollouts,
            sources: BTreeMap::new(),
            problems: Vec::new(),
            conflicted: BTreeMap::new(),
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

    /// Brings what is recorded in step with the manifests: new Rollouts, changed ones, deleted ones. Says each change in the log.
    pub(crate) async fn refresh(&mut self, now: Time) -> Result<(), StoreError> {
        let files = self.files.borrow_and_update().clone();
        let mut manifests = manifests::read(&files, &self.texts);
        if manifests.texts != self.texts {
            self.database.keep_files(manifests.texts.clone()).await?;
            self.texts = std::mem::take(&mut manifests.texts);
        }
        self.report(&manifests.problems);
        self.retire(&manifests).await?;
        self.accept(manifests, now).await
    }

    /// Each problem once, when it appears.
    fn report(&mut self, problems: &[ManifestError]) {
        for problem in problems.iter().filter(|problem| !self.problems.contains(problem)) {
            tracing::warn!("{problem}");
        }
        if problems.is_empty() && !self.problems.is_empty() {
            tracing::info!("all manifests are right again");
        }
        self.problems = problems.to_vec();
    }

    async fn retire(&mut self, manifests: &Manifests) -> Result<(), StoreError> {
        for (id, stored) in &mut self.rollouts {
            if !stored.plan.gone && !manifests.named.contains_key(id) {
                tracing::info!(rollout = %id, "its manifest is gone");
                let plan = Arc::new(Plan { gone: true, ..Plan::clone(&stored.plan) });
                self.database.replan(plan.clone()).await?;
                stored.plan = plan;
            }
        }
        Ok(())
    }

    async fn accept(&mut self, manifests: Manifests, now: Time) -> Result<(), StoreError> {
        self.conflicted.clear();
        self.sources = manifests.named;
        let (known, new): (Vec<Plan>, Vec<Plan>) = manifests.plans.into_values().partition(|plan| self.rollouts.contains_key(&plan.id));
        for plan in known {
            self.update(Arc::new(plan)).await?;
        }
        let held = self.rollouts.values().map(|stored| (&*stored.plan, Time(0)));
        let refused = conflicts(&held.chain(new.iter().map(|plan| (plan, Time(1)))).collect::<Vec<_>>());
        for plan in new {
            let plan = Arc::new(plan);
            match refused.get(&plan.id) {
                Some(reason) => self.refuse(plan, reason.clone()),
                None => self.admit(plan, now).await?,
            }
        }
        Ok(())
    }

    /// A known Rollout's manifest as it is now: in force, unless it claims a host that another one has.
    async fn update(&mut self, plan: Arc<Plan>) -> Result<(), StoreError> {
        let Some(stored) = self.rollouts.get(&plan.id).filter(|stored| stored.plan != plan) else {
            return Ok(());
        };
        if (&stored.plan.hosts, stored.plan.port) != (&plan.hosts, plan.port) {
            let others = self.rollouts.values().filter(|other| other.plan.id != plan.id).map(|other| (&*other.plan, Time(0)));
            if let Some(reason) = conflicts(&others.chain([(&*plan, Time(1))]).collect::<Vec<_>>()).remove(&plan.id) {
                self.refuse(plan, reason);
                return Ok(());
            }
        }
        self.database.replan(plan.clone()).await?;
        if let Some(stored) = self.rollouts.get_mut(&plan.id) {
            tracing::info!(rollout = %plan.id, release = %plan.release, plan = plan.digest, "manifest accepted");
            stored.plan = plan;
        }
        Ok(())
    }

    async fn admit(&mut self, plan: Arc<Plan>, now: Time) -> Result<(), StoreError> {
        let state = State::initial(&plan);
        let stored = Stored { plan: plan.clone(), first_seen: now, state, commands: Vec::new() };
        self.database.admit(stored.clone()).await?;
        tracing::info!(rollout = %plan.id, release = %plan.release, plan = plan.digest, "new; the version in release is stable at once");
        self.rollouts.insert(plan.id.clone(), stored);
        Ok(())
    }

    fn refuse(&mut self, plan: Arc<Plan>, reason: String) {
        tracing::warn!(rollout = %plan.id, "conflicted: {reason}");
        self.conflicted.insert(plan.id.clone(), Conflicted { plan, reason });
    }

    /// Records a transition and what is told of it; see [`Database::record`]. Gives the letters that are on their way now.
    pub(crate) async fn record(&mut self, id: &RolloutId, revision: u64, next: &Next) -> Result<Vec<Posted>, StoreError> {
        if next.entry.is_none() && next.answered.is_empty() {
            return Ok(Vec::new());
        }
        let told = self.rollouts.get(id).zip(next.entry.as_ref());
        let letters = told.map(|(stored, entry)| letters(&stored.plan, &stored.state, entry)).unwrap_or_default();
        let posted = self.database.record(id, revision, next.clone(), letters).await?;
        if let Some(stored) = self.rollouts.get_mut(id) {
            stored.state = next.state.clone();
            stored.commands.retain(|command| next.answered.iter().all(|answer| answer.command != command.id));
        }
        Ok(posted)
    }

    /// Leaves a command for a Rollout that is recorded.
    pub(crate) async fn command(&mut self, id: &RolloutId, new: NewCommand) -> Result<Command, StoreError> {
        let command = self.database.command(id, new).await?;
        if let Some(stored) = self.rollouts.get_mut(id) {
            stored.commands.push(command.clone());
        }
        Ok(command)
    }

    /// Forgets a Rollout of which nothing is left. Whoever waited for its hosts is looked at with the next [`Standalone::refresh`].
    pub(crate) async fn forget(&mut self, id: &RolloutId) -> Result<(), StoreError> {
        self.database.forget(id).await?;
        self.rollouts.remove(id);
        Ok(())
    }

    /// The newest entries of a journal, oldest first.
    pub(crate) async fn history(&self, id: &RolloutId, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.database.history(id, limit).await
    }

    /// Writes a Rollout's manifest into its file, or into a new one. Refused when it is wrong, alone or together with the others.
    pub(crate) fn put(&self, id: &RolloutId, text: &str) -> Result<Put, PutError> {
        let known = self.sources.get(id);
        let file = known.cloned().unwrap_or_else(|| self.free_name(id));
        one_document(&file, text, id)?;
        let now = std::fs::read_to_string(self.folder.join(&file)).unwrap_or_default();
        let edited = put::edited(&now, id, Some(text)).unwrap_or_default();
        let digest = self.check(id, &file, &edited)?;
        put::write(&self.folder, &file, Some(&edited))?;
        Ok(Put { new: known.is_none(), file, digest })
    }

    /// Takes a Rollout's manifest out of its file; the file's name.
    pub(crate) fn remove(&self, id: &RolloutId) -> Result<String, PutError> {
        let file = self.sources.get(id).ok_or_else(|| PutError::Unknown(id.clone()))?;
        let now = std::fs::read_to_string(self.folder.join(file))
            .map_err(|error| PutError::ReadOnly { file: file.clone(), why: error.to_string() })?;
        put::write(&self.folder, file, put::edited(&now, id, None).as_deref())?;
        Ok(file.clone())
    }

    /// What all manifests would say; the digest of this one's plan.
    fn check(&self, id: &RolloutId, file: &str, text: &str) -> Result<String, PutError> {
        let mut files = self.files.borrow().clone();
        files.texts.insert(file.to_owned(), Ok(text.to_owned()));
        let mut would = manifests::read(&files, &self.texts);
        would.problems.retain(|problem| problem.rollout.as_ref() == Some(id) || !self.problems.contains(problem));
        let plan = match would.plans.remove(id) {
            Some(plan) if would.problems.is_empty() => plan,
            _ => return Err(PutError::Invalid(would.problems)),
        };
        let same = |stored: &Stored| (&stored.plan.hosts, stored.plan.port) == (&plan.hosts, plan.port);
        if !self.rollouts.get(id).is_some_and(same) {
            let others = self.rollouts.values().filter(|other| other.plan.id != *id).map(|other| (&*other.plan, Time(0)));
            if let Some(reason) = conflicts(&others.chain([(&plan, Time(1))]).collect::<Vec<_>>()).remove(id) {
                return Err(PutError::Conflicted(reason));
            }
        }
        Ok(plan.digest)
    }

    fn free_name(&self, id: &RolloutId) -> String {
        let name = format!("{}.{}", id.namespace(), id.name());
        let numbered = (2_u32..).map(|number| format!("{name}.{number}.yaml"));
        let free = |file: &String| !self.folder.join(file).exists() && !self.folder.join(file).is_symlink();
        std::iter::once(format!("{name}.yaml")).chain(numbered).find(free).unwrap_or_default()
    }

    /// Edits `spec.release` in the manifest's file; see [`release::write`].
    pub(crate) fn release(&self, id: &RolloutId, version: &shunt_filter_core::VersionName) -> Result<Written, ReleaseError> {
        let file = self.sources.get(id).ok_or_else(|| ReleaseError::NoManifest(id.clone()))?;
        release::write(&self.folder, file, id, version)
    }
}

/// A manifest that comes alone names the Rollout that it is sent for, and nothing else.
fn one_document(file: &str, text: &str, id: &RolloutId) -> Result<(), PutError> {
    let documents = parse(file, text).map_err(PutError::Invalid)?;
    match documents.as_slice() {
        [one] if one.id() == Some(id) => Ok(()),
        [one] => {
            let message = format!("must be {} in namespace {}, as the path says", id.name(), id.namespace());
            Err(PutError::Invalid(vec![one.origin.error("metadata.name", message)]))
        }
        all => {
            let message = format!("must hold one document, the Rollout {id}; it holds {}", all.len());
            let at = ManifestError { file: file.to_owned(), line: 1, column: 1, path: String::new(), message, rollout: None };
            Err(PutError::Invalid(vec![at]))
        }
    }
}

#[cfg(test)]
mod tests;
