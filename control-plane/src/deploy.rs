//! Manifests that come through the API: checked with all others as `serve` would, written whole, answered once they are in force.

use shunt_api::{Accepted, Refusal, Reply};
use shunt_filter_core::RolloutId;
use shunt_spec::{Span, Time};

use crate::reconcile::Reconciler;
use crate::standalone::{PutError, Standalone};

/// How long a change waits for its manifest to be read before it is answered all the same.
const PATIENCE: Span = Span::seconds(5);

/// A manifest that was written or removed and is not yet read.
#[derive(Debug)]
pub(crate) struct Deployment {
    rollout: RolloutId,
    /// Digest of the plan that should be in force; none: it should be gone.
    digest: Option<String>,
    message: String,
    until: Time,
    reply: Reply<Accepted>,
}

/// Those that wait.
#[derive(Debug, Default)]
pub(crate) struct Deployments(Vec<Deployment>);

impl Deployments {
    /// Answers those whose change is in force by now, was refused, or takes too long to be read.
    pub(crate) fn answer_due(&mut self, on: &Standalone, now: Time) {
        for waiting in std::mem::take(&mut self.0) {
            match waiting.outcome(on, now) {
                Some(result) => drop(waiting.reply.send(result)),
                None => self.0.push(waiting),
            }
        }
    }
}

impl Deployment {
    fn outcome(&self, on: &Standalone, now: Time) -> Option<Result<Accepted, Refusal>> {
        let stored = on.read(&self.rollout);
        let accepted = |message: String| Accepted { revision: stored.map_or(0, |stored| stored.state.revision), message };
        let in_force = match (&self.digest, stored) {
            (Some(digest), Some(stored)) => stored.plan.digest == *digest && !stored.plan.gone,
            (Some(_), None) => false,
            (None, Some(stored)) => stored.plan.gone,
            (None, None) => true,
        };
        if in_force {
            return Some(Ok(accepted(self.message.clone())));
        }
        let conflicted = on.conflicted().get(&self.rollout);
        if let Some(conflicted) = conflicted.filter(|conflicted| self.digest.as_ref() == Some(&conflicted.plan.digest)) {
            return Some(Err(Refusal::Conflicted { done: Some(self.message.clone()), reason: conflicted.reason.clone() }));
        }
        (now >= self.until).then(|| Ok(accepted(format!("{}; it is not read yet", self.message))))
    }
}

impl Reconciler {
    /// Writes a manifest.
    pub(crate) fn put(&mut self, rollout: RolloutId, text: &str, by: &str, reply: Reply<Accepted>) {
        if let Some(error) = self.on.database().trouble() {
            return drop(reply.send(Err(unwritable(&error))));
        }
        match self.on.put(&rollout, text) {
            Ok(put) => {
                let message = if put.new { format!("{} made", put.file) } else { format!("{} changed", put.file) };
                tracing::info!(%rollout, by, "{message}");
                self.await_manifest(rollout, Some(put.digest), message, reply);
            }
            Err(error) => drop(reply.send(Err(refusal(error)))),
        }
    }

    /// Takes a manifest out.
    pub(crate) fn remove(&mut self, rollout: RolloutId, by: &str, reply: Reply<Accepted>) {
        if let Some(error) = self.on.database().trouble() {
            return drop(reply.send(Err(unwritable(&error))));
        }
        match self.on.remove(&rollout, (self.clock)()) {
            Ok(file) => {
                let message = match file {
                    Some(file) => format!("{rollout} taken out of {file}"),
                    None => format!("{rollout} ends; its manifest was missing already"),
                };
                tracing::info!(%rollout, by, "{message}");
                self.manifests_changed();
                self.await_manifest(rollout, None, message, reply);
            }
            Err(error) => drop(reply.send(Err(refusal(error)))),
        }
    }

    fn await_manifest(&mut self, rollout: RolloutId, digest: Option<String>, message: String, reply: Reply<Accepted>) {
        let until = (self.clock)().after(PATIENCE);
        self.deployments.0.push(Deployment { rollout, digest, message, until, reply });
    }
}

fn unwritable(error: &str) -> Refusal {
    Refusal::Unavailable(format!("the store cannot be written ({error}): the manifest is as it was"))
}

fn refusal(error: PutError) -> Refusal {
    match error {
        PutError::Unknown(id) => Refusal::UnknownRollout(id),
        PutError::Invalid(errors) => Refusal::Invalid(errors),
        PutError::ReadOnly { .. } => Refusal::ReadOnly(error.to_string()),
        PutError::Conflicted(reason) => Refusal::Conflicted { done: None, reason },
        PutError::Folder(_) => Refusal::Folder(error.to_string()),
    }
}
