//! The folder of manifests: what it says, what it lacks, and how it is changed on behalf of the API.

mod edit;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use shunt_filter_core::RolloutId;
use shunt_spec::manifest::ManifestError;
use shunt_spec::{Span, Time};
use tokio::sync::watch;

use super::Store;
use super::files::{self, Files};
use super::manifests::{self, Manifests};
use super::removal::{Missing, Removals, Witness};
use crate::platform::{Resources, StoreError};
use crate::rollouts::Rollouts;

/// The folder, and what it said last.
#[derive(Debug)]
pub(crate) struct ConfigFolder {
    folder: PathBuf,
    files: watch::Receiver<Files>,
    texts: BTreeMap<String, String>,
    sources: BTreeMap<RolloutId, String>,
    problems: Vec<ManifestError>,
    skipped: Vec<ManifestError>,
    removals: Removals,
    /// Why the folder deletes nothing now, whatever it lacks.
    notice: Option<String>,
}

impl ConfigFolder {
    /// Snapshots of the folder. `recorded`: something is recorded already, so that a folder that is not there is no typing error.
    pub(super) fn watch(folder: &Path, recorded: bool) -> anyhow::Result<watch::Receiver<Files>> {
        let unusable = || format!("config folder {} (make it, or name another one with --config)", folder.display());
        if !recorded {
            std::fs::read_dir(folder).with_context(unusable)?;
        }
        files::watch(folder.to_owned()).with_context(unusable)
    }

    /// `texts` are those that were in force last.
    pub(super) fn new(folder: PathBuf, files: watch::Receiver<Files>, texts: BTreeMap<String, String>, removal_delay: Span) -> Self {
        Self {
            folder,
            files,
            texts,
            sources: BTreeMap::new(),
            problems: Vec::new(),
            skipped: Vec::new(),
            removals: Removals::new(removal_delay),
            notice: None,
        }
    }

    /// Snapshots of the folder; after each change see [`ConfigFolder::resources`].
    pub(super) fn files(&self) -> watch::Receiver<Files> {
        self.files.clone()
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

    /// What the manifests say by now. Says each change of what is wrong in the log.
    pub(crate) async fn resources(&mut self, store: &Store, rollouts: &Rollouts, now: Time) -> Result<Resources, StoreError> {
        let files = self.files.borrow_and_update().clone();
        let mut manifests = manifests::read(&files, &self.texts);
        let gone = self.gone(&files, &manifests, rollouts, now);
        if gone.iter().any(|missing| matches!(missing, Missing::File(_))) {
            let kept = self.texts.iter().filter(|(name, _)| !gone.contains(&Missing::File((*name).clone())));
            manifests = manifests::read(&files, &kept.map(|(name, text)| (name.clone(), text.clone())).collect());
        }
        if manifests.texts != self.texts {
            store.keep_files(manifests.texts.clone()).await?;
            self.texts = std::mem::take(&mut manifests.texts);
        }
        self.report(&manifests.problems);
        self.skip(&manifests.skipped);
        self.sources = manifests.named;
        let gone = gone.into_iter().filter_map(|missing| match missing {
            Missing::Rollout(id) => Some(id),
            Missing::File(_) => None,
        });
        let gone: BTreeSet<RolloutId> = gone.collect();
        // A file that is missing keeps what is there as it was; it brings nothing, and brings nothing back.
        let there = |id: &RolloutId| self.sources.get(id).is_none_or(|file| !manifests.missing.contains(file));
        let running = |id: &RolloutId| !gone.contains(id) && rollouts.read(id).is_some_and(|stored| !stored.plan.gone);
        let plans = manifests.plans.into_values().filter(|plan| there(&plan.id) || running(&plan.id)).collect();
        Ok(Resources { plans, gone })
    }

    /// What was in force, is missing and counts as deleted by now.
    fn gone(&mut self, files: &Files, manifests: &Manifests, rollouts: &Rollouts, now: Time) -> BTreeSet<Missing> {
        let said = |id: &RolloutId| manifests.named.get(id).is_some_and(|file| !manifests.missing.contains(file));
        let running = rollouts.all().filter(|stored| !stored.plan.gone).map(|stored| &stored.plan.id);
        let rollouts: Vec<RolloutId> = running.filter(|id| !said(id)).cloned().collect();
        let witness = if files.fault.is_none() && manifests.present > 0 { Witness::Manifests } else { Witness::Nothing };
        self.note(files, witness, &rollouts);
        let files = manifests.missing.iter().cloned().map(Missing::File);
        let missing = files.chain(rollouts.into_iter().map(Missing::Rollout)).collect();
        let before: BTreeSet<RolloutId> = self.removals.pending().cloned().collect();
        let gone = self.removals.due(&missing, witness, now);
        for id in self.removals.pending().filter(|id| !before.contains(id)) {
            tracing::warn!(rollout = %id, "its manifest is missing; the Rollout ends when that has lasted {}", self.removals.delay());
        }
        gone
    }

    /// Says once that the folder deletes nothing, and once that it is as it should be again.
    fn note(&mut self, files: &Files, witness: Witness, missing: &[RolloutId]) {
        let folder = self.folder.display();
        let notice = match (&files.fault, witness) {
            (Some(error), _) => Some(format!("config folder {folder} cannot be listed ({error}): what it said last stays in force")),
            (None, Witness::Nothing) if !missing.is_empty() => {
                let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
                let names = names.join(", ");
                Some(format!(
                    "config folder {folder} has no manifest, but these Rollouts are recorded: {names}. What it said last stays in force; \
                     to end a Rollout, run `shunt delete NAMESPACE/NAME`"
                ))
            }
            (None, Witness::Nothing | Witness::Manifests) => None,
        };
        if notice != self.notice {
            match &notice {
                Some(notice) => tracing::warn!("{notice}"),
                None => tracing::info!("config folder {folder} can be read again"),
            }
            self.notice = notice;
        }
    }

    /// Each document of another tool once.
    fn skip(&mut self, skipped: &[ManifestError]) {
        for note in skipped.iter().filter(|note| !self.skipped.contains(note)) {
            tracing::info!("{note}");
        }
        self.skipped = skipped.to_vec();
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
}
