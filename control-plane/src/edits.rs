//! Changes of what users want that come through the API: made where it is written, answered once they are in force.

use shunt_api::{Accepted, Refusal, Reply};
use shunt_core::journal::ReleaseAsked;
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::{Span, Time};

use crate::platform::{Edit, EditRefused, Platform, Wanted};
use crate::reconcile::Reconciler;
use crate::rollouts::Rollouts;

/// How long a change waits to be read before it is answered all the same.
pub(crate) const PATIENCE: Span = Span::seconds(5);

/// A change that is made and not yet in force.
#[derive(Debug)]
struct Pending {
    rollout: RolloutId,
    wanted: Wanted,
    /// What `release:` named before this change; none: it changed something else, or nothing.
    before: Option<VersionName>,
    message: String,
    until: Time,
    reply: Reply<Accepted>,
}

/// Those whose authors wait.
#[derive(Debug, Default)]
pub(crate) struct Edits(Vec<Pending>);

impl Edits {
    /// Answers those whose change is in force by now, was refused, or takes too long to be read.
    pub(crate) fn answer_due(&mut self, on: &Platform, rollouts: &Rollouts, now: Time) {
        for pending in std::mem::take(&mut self.0) {
            match pending.outcome(on, rollouts, now) {
                Some(result) => drop(pending.reply.send(result)),
                None => self.0.push(pending),
            }
        }
    }

    /// A release that is answered with an error has not happened: what was released before is written back when what it is by now
    /// cannot be recorded.
    pub(crate) fn undo(&mut self, on: &mut Platform, rollouts: &Rollouts) {
        let Some(error) = on.trouble() else { return };
        for pending in std::mem::take(&mut self.0) {
            match &pending.before {
                Some(before) if !pending.is_in_force(rollouts) => {
                    let undone = match on.edit(&pending.rollout, Edit::Release(before.clone()), rollouts) {
                        Ok(_) => format!("release: {before} is written back"),
                        Err(undo) => format!("{}, and that could not be undone ({})", pending.message, sentence(&undo)),
                    };
                    let refusal = format!("the store cannot be written ({error}): nothing is released, {undone}");
                    drop(pending.reply.send(Err(Refusal::Unavailable(refusal))));
                }
                _ => self.0.push(pending),
            }
        }
    }
}

impl Pending {
    fn is_in_force(&self, rollouts: &Rollouts) -> bool {
        match (&self.wanted, rollouts.read(&self.rollout).map(|stored| &stored.plan)) {
            (Wanted::Release(version), Some(plan)) => plan.release == *version,
            (Wanted::Plan(digest), Some(plan)) => plan.digest == *digest && !plan.gone,
            (Wanted::Gone, Some(plan)) => plan.gone,
            (Wanted::Gone, None) => true,
            (Wanted::Release(_) | Wanted::Plan(_), None) => false,
        }
    }

    fn outcome(&self, on: &Platform, rollouts: &Rollouts, now: Time) -> Option<Result<Accepted, Refusal>> {
        let (stored, message) = (rollouts.read(&self.rollout), &self.message);
        let revision = stored.map_or(0, |stored| stored.state.revision);
        if self.is_in_force(rollouts) {
            return Some(Ok(Accepted { revision, message: message.clone() }));
        }
        let refused = rollouts.conflicted().get(&self.rollout).filter(|conflicted| match &self.wanted {
            Wanted::Release(version) => conflicted.plan.release == *version,
            Wanted::Plan(digest) => conflicted.plan.digest == *digest,
            Wanted::Gone => false,
        });
        if let Some(conflicted) = refused {
            return Some(Err(Refusal::Conflicted { done: Some(message.clone()), reason: conflicted.reason.clone() }));
        }
        if now < self.until {
            return None;
        }
        let problem = on.problems().iter().find(|problem| problem.rollout.as_ref() == Some(&self.rollout));
        Some(match problem {
            Some(problem) => Err(Refusal::ManifestRefused { done: message.clone(), problem: Box::new(problem.clone()) }),
            None => Ok(Accepted { revision, message: format!("{message}; it is not read yet") }),
        })
    }
}

impl Reconciler {
    /// Makes a version the one that should be stable.
    pub(crate) async fn release(&mut self, rollout: RolloutId, asked: ReleaseAsked, reply: Reply<Accepted>) {
        let known = self.rollouts.read(&rollout).map(|stored| stored.plan.clone());
        let known = known.or_else(|| self.rollouts.conflicted().get(&rollout).map(|conflicted| conflicted.plan.clone()));
        let Some(plan) = known else {
            return drop(reply.send(Err(Refusal::UnknownRollout(rollout))));
        };
        if let Some(error) = self.on.trouble() {
            let refusal = format!("the store cannot be written ({error}): nothing is released, and the manifest is as it was");
            return drop(reply.send(Err(Refusal::Unavailable(refusal))));
        }
        let version = asked.version.clone();
        match self.on.edit(&rollout, Edit::Release(version.clone()), &self.rollouts) {
            Ok(edited) => {
                tracing::info!(%rollout, by = asked.by, "{}", edited.message);
                // The manifest is changed by now: a store that cannot take the reason does not undo that.
                if let Err(error) = self.auxiliary.log_release(&rollout, asked).await {
                    tracing::warn!(%rollout, "who asked for the release is not recorded: {error}");
                }
                let before = edited.changed.then(|| plan.release.clone());
                self.wait_for(rollout, edited.wanted, before, edited.message, reply);
            }
            Err(EditRefused::UnknownVersion) => {
                let known = plan.versions.iter().map(|version| version.name.clone()).collect();
                drop(reply.send(Err(Refusal::UnknownVersion { rollout, version, known })));
            }
            Err(refused) => drop(reply.send(Err(refusal(rollout, refused)))),
        }
    }

    /// Writes a manifest, or takes one out.
    pub(crate) fn edit(&mut self, rollout: RolloutId, edit: Edit, by: &str, reply: Reply<Accepted>) {
        if let Some(error) = self.on.trouble() {
            let refusal = format!("the store cannot be written ({error}): the manifest is as it was");
            return drop(reply.send(Err(Refusal::Unavailable(refusal))));
        }
        match self.on.edit(&rollout, edit, &self.rollouts) {
            Ok(edited) => {
                tracing::info!(%rollout, by, "{}", edited.message);
                self.resources_changed();
                self.wait_for(rollout, edited.wanted, None, edited.message, reply);
            }
            Err(refused) => drop(reply.send(Err(refusal(rollout, refused)))),
        }
    }

    fn wait_for(&mut self, rollout: RolloutId, wanted: Wanted, before: Option<VersionName>, message: String, reply: Reply<Accepted>) {
        let until = (self.clock)().after(PATIENCE);
        self.edits.0.push(Pending { rollout, wanted, before, message, until, reply });
    }
}

fn refusal(rollout: RolloutId, refused: EditRefused) -> Refusal {
    match refused {
        EditRefused::UnknownRollout => Refusal::UnknownRollout(rollout),
        EditRefused::Invalid(errors) => Refusal::Invalid(errors),
        EditRefused::ReadOnly(why) => Refusal::ReadOnly(why),
        EditRefused::Conflicted(reason) => Refusal::Conflicted { done: None, reason },
        EditRefused::Misplaced(why) => Refusal::Folder(why),
        EditRefused::NotEditable(why) => Refusal::NotEditable(why),
        EditRefused::UnknownVersion => Refusal::NotEditable("it has no such version".to_owned()),
    }
}

fn sentence(refused: &EditRefused) -> String {
    match refused {
        EditRefused::ReadOnly(why) | EditRefused::Conflicted(why) | EditRefused::Misplaced(why) | EditRefused::NotEditable(why) => {
            why.clone()
        }
        EditRefused::Invalid(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        EditRefused::UnknownRollout => "its manifest is not there any more".to_owned(),
        EditRefused::UnknownVersion => "the manifest has no such version any more".to_owned(),
    }
}
