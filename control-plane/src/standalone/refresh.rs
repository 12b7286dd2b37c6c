//! What is recorded follows the manifests: new Rollouts, changed ones, missing ones, deleted ones, those that return.

use std::collections::BTreeSet;
use std::sync::Arc;

use shunt_core::State;
use shunt_filter_core::RolloutId;
use shunt_spec::manifest::{ManifestError, conflicts};
use shunt_spec::{Plan, Time};

use super::manifests::{self, Manifests};
use super::removal::{Missing, Witness};
use super::{Conflicted, Files, Standalone, StoreError, Stored};

impl Standalone {
    /// Brings what is recorded in step with the manifests: new Rollouts, changed ones, deleted ones. Says each change in the log.
    pub(crate) async fn refresh(&mut self, now: Time) -> Result<(), StoreError> {
        let files = self.files.borrow_and_update().clone();
        let mut manifests = manifests::read(&files, &self.texts);
        let gone = self.gone(&files, &manifests, now);
        if gone.iter().any(|missing| matches!(missing, Missing::File(_))) {
            let kept = self.texts.iter().filter(|(name, _)| !gone.contains(&Missing::File((*name).clone())));
            manifests = manifests::read(&files, &kept.map(|(name, text)| (name.clone(), text.clone())).collect());
        }
        if manifests.texts != self.texts {
            self.database.keep_files(manifests.texts.clone()).await?;
            self.texts = std::mem::take(&mut manifests.texts);
        }
        self.report(&manifests.problems);
        self.skip(&manifests.skipped);
        self.retire(&gone).await?;
        self.accept(manifests, now).await
    }

    /// What was in force, is missing and counts as deleted by now.
    fn gone(&mut self, files: &Files, manifests: &Manifests, now: Time) -> BTreeSet<Missing> {
        let said = |id: &RolloutId| manifests.named.get(id).is_some_and(|file| !manifests.missing.contains(file));
        let running = self.rollouts.values().filter(|stored| !stored.plan.gone).map(|stored| &stored.plan.id);
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

    async fn retire(&mut self, gone: &BTreeSet<Missing>) -> Result<(), StoreError> {
        for (id, stored) in &mut self.rollouts {
            if gone.contains(&Missing::Rollout(id.clone())) {
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
        // A file that is missing keeps what is there as it was; it brings nothing, and brings nothing back.
        let there = |id: &RolloutId| self.sources.get(id).is_none_or(|file| !manifests.missing.contains(file));
        let running = |id: &RolloutId| self.rollouts.get(id).is_some_and(|stored| !stored.plan.gone);
        let plans = manifests.plans.into_values().filter(|plan| there(&plan.id) || running(&plan.id));
        let (known, new): (Vec<Plan>, Vec<Plan>) = plans.partition(|plan| self.rollouts.contains_key(&plan.id));
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

    /// A Rollout that is not recorded. One that has a journal was here before: it goes on from where it ended, so that its return does
    /// not make a version stable that was never proved.
    async fn admit(&mut self, plan: Arc<Plan>, now: Time) -> Result<(), StoreError> {
        let before = match self.database.history(&plan.id, 1).await {
            Ok(mut entries) => entries.pop().map(|entry| entry.next),
            Err(StoreError::Unreadable { what, error }) => {
                self.refuse(plan, format!("what is recorded as {what} cannot be read: {error}"));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let (state, how) = first_state(&plan, before);
        let stored = Stored { plan: plan.clone(), first_seen: now, state, commands: Vec::new() };
        self.database.admit(stored.clone()).await?;
        tracing::info!(rollout = %plan.id, release = %plan.release, plan = plan.digest, "{how}");
        self.rollouts.insert(plan.id.clone(), stored);
        Ok(())
    }

    fn refuse(&mut self, plan: Arc<Plan>, reason: String) {
        tracing::warn!(rollout = %plan.id, "conflicted: {reason}");
        self.conflicted.insert(plan.id.clone(), Conflicted { plan, reason });
    }
}

/// The state that a Rollout begins with, and how that came. `before`: the last one of an earlier life.
fn first_state(plan: &Plan, before: Option<State>) -> (State, String) {
    let new = |how: String| (State::initial(plan), how);
    match before {
        None => new("new; the version in release is stable at once".to_owned()),
        Some(state) if plan.versions.iter().any(|version| version.name == state.stable) => {
            let how = format!("it was here before: {} is stable, as it was then", state.stable);
            (state, how)
        }
        // Nothing of ours is left anywhere, and the manifest cannot name what it was.
        Some(state) => new(format!(
            "it was here before, but {}, which was stable then, is not among its versions: the version in release is stable at once",
            state.stable
        )),
    }
}
