//! Manifests changed on behalf of the API: written, taken out, or one line of them edited.

use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::Time;
use shunt_spec::manifest::{EditError, ManifestError, conflicts, parse};

use super::super::put::{self, Put, PutError};
use super::super::release::{self, ReleaseError, Written};
use super::{ConfigFolder, manifests};
use crate::platform::{Edit, EditRefused, Edited, Stored, Wanted};
use crate::rollouts::Rollouts;

impl ConfigFolder {
    /// Changes a manifest. What it comes to is seen when the folder is read again.
    pub(crate) fn edit(&mut self, id: &RolloutId, edit: Edit, rollouts: &Rollouts) -> Result<Edited, EditRefused> {
        match edit {
            Edit::Release(version) => {
                let (message, changed) = match self.release(id, &version).map_err(|error| not_released(&error))? {
                    Written::Changed { file, line } => (format!("release: {version} written to {file}, line {line}"), true),
                    Written::Already => (format!("release is {version} already"), false),
                };
                Ok(Edited { message, changed, wanted: Wanted::Release(version) })
            }
            Edit::Put(text) => {
                let Put { file, digest, new } = self.put(id, &text, rollouts).map_err(not_put)?;
                let message = if new { format!("{file} made") } else { format!("{file} changed") };
                Ok(Edited { message, changed: true, wanted: Wanted::Plan(digest) })
            }
            Edit::Remove(now) => {
                let message = match self.remove(id, rollouts, now).map_err(not_put)? {
                    Some(file) => format!("{id} taken out of {file}"),
                    None => format!("{id} ends; its manifest was missing already"),
                };
                Ok(Edited { message, changed: true, wanted: Wanted::Gone })
            }
        }
    }

    /// Writes a Rollout's manifest into its file, or into a new one. Refused when it is wrong, alone or together with the others.
    pub(crate) fn put(&mut self, id: &RolloutId, text: &str, rollouts: &Rollouts) -> Result<Put, PutError> {
        if let Some(notice) = &self.notice {
            return Err(PutError::Folder(notice.clone()));
        }
        let known = self.sources.get(id);
        let file = known.cloned().unwrap_or_else(|| self.free_name(id));
        one_document(&file, text, id)?;
        let edited = put::edited(&self.text_now(&file)?, id, Some(text)).unwrap_or_default();
        let digest = self.check(id, &file, &edited, rollouts)?;
        put::write(&self.folder, &file, Some(&edited))?;
        let new = known.is_none();
        self.removals.withdraw(id);
        Ok(Put { new, file, digest })
    }

    /// Takes a Rollout's manifest out of its file, where it is still in one: the deletion is asked for, and needs no second sighting.
    /// The file's name; none: its manifest was missing already.
    pub(crate) fn remove(&mut self, id: &RolloutId, rollouts: &Rollouts, now: Time) -> Result<Option<String>, PutError> {
        let recorded = rollouts.read(id).is_some_and(|stored| !stored.plan.gone);
        let file = self.sources.get(id).filter(|file| self.folder.join(file).exists()).cloned();
        match &file {
            Some(file) => put::write(&self.folder, file, put::edited(&self.text_now(file)?, id, None).as_deref())?,
            None if recorded => {}
            None => return Err(PutError::Unknown(id.clone())),
        }
        self.removals.ask(id.clone(), now);
        Ok(file)
    }

    /// A file's text as an edit starts from it: as it is, or as it was where the file is empty. Errors when it cannot be read: written
    /// anew, it would lose what else stands in it.
    fn text_now(&self, file: &str) -> Result<String, PutError> {
        match std::fs::read_to_string(self.folder.join(file)) {
            Ok(text) if text.trim().is_empty() => Ok(self.texts.get(file).cloned().unwrap_or(text)),
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(self.texts.get(file).cloned().unwrap_or_default()),
            Err(error) => Err(PutError::ReadOnly { file: file.to_owned(), why: error.to_string() }),
        }
    }

    /// What all manifests would say; the digest of this one's plan.
    fn check(&self, id: &RolloutId, file: &str, text: &str, rollouts: &Rollouts) -> Result<String, PutError> {
        let mut files = self.files.borrow().clone();
        files.texts.insert(file.to_owned(), Ok(text.to_owned()));
        let mut would = manifests::read(&files, &self.texts);
        would.problems.retain(|problem| problem.rollout.as_ref() == Some(id) || !self.problems.contains(problem));
        let plan = match would.plans.remove(id) {
            Some(plan) if would.problems.is_empty() => plan,
            _ => return Err(PutError::Invalid(would.problems)),
        };
        let same = |stored: &Stored| (&stored.plan.hosts, stored.plan.port) == (&plan.hosts, plan.port);
        if !rollouts.read(id).is_some_and(same) {
            let others = rollouts.all().filter(|other| other.plan.id != *id).map(|other| (&*other.plan, Time(0)));
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
    pub(crate) fn release(&self, id: &RolloutId, version: &VersionName) -> Result<Written, ReleaseError> {
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

fn not_released(error: &ReleaseError) -> EditRefused {
    match error {
        ReleaseError::Edit { error: EditError::UnknownVersion { .. }, .. } => EditRefused::UnknownVersion,
        ReleaseError::ReadOnly { .. } => EditRefused::ReadOnly(error.to_string()),
        ReleaseError::NoManifest(_) | ReleaseError::Edit { .. } | ReleaseError::Unreadable { .. } => {
            EditRefused::NotEditable(error.to_string())
        }
    }
}

fn not_put(error: PutError) -> EditRefused {
    match error {
        PutError::Unknown(_) => EditRefused::UnknownRollout,
        PutError::Invalid(errors) => EditRefused::Invalid(errors),
        PutError::ReadOnly { .. } => EditRefused::ReadOnly(error.to_string()),
        PutError::Conflicted(reason) => EditRefused::Conflicted(reason),
        PutError::Folder(_) => EditRefused::Misplaced(error.to_string()),
    }
}
