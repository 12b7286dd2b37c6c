//! What people and pipelines ask through the API, and who still waits for an answer.

use std::collections::BTreeMap;

use shunt_api::logs::{Logs, LogsWanted};
use shunt_api::rollouts::History;
use shunt_api::{Accepted, ControlRequest, Refusal, Reply};
use shunt_core::advance::Next;
use shunt_core::call::CallView;
use shunt_core::journal::{Entry, ReleaseAsked};
use shunt_core::observation::Freeze;
use shunt_core::replay::Incident;
use shunt_core::status::HistoryEntry;
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::manifest::EditError;
use shunt_spec::{Span, Time};

use crate::reconcile::Reconciler;
use crate::standalone::{NewCommand, ReleaseError, Standalone, StoreError, Written};

/// How long a release waits for its manifest to be read before it is answered all the same.
const PATIENCE: Span = Span::seconds(3);

/// Who waits for what.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    commands: BTreeMap<u64, Reply<Accepted>>,
    releases: Vec<Release>,
}

/// A manifest that was edited and not yet read again.
#[derive(Debug)]
struct Release {
    rollout: RolloutId,
    version: VersionName,
    /// What the manifest named before; none: the same.
    before: Option<VersionName>,
    message: String,
    until: Time,
    reply: Reply<Accepted>,
}

impl Waiting {
    /// Answers the authors of the commands that a transition used up.
    pub(crate) fn answer(&mut self, next: &Next) {
        for answer in &next.answered {
            let Some(reply) = self.commands.remove(&answer.command) else { continue };
            let result = answer.result.clone().map(|message| Accepted { revision: next.state.revision, message });
            drop(reply.send(result.map_err(Refusal::Command)));
        }
    }

    /// A release that is answered with an error has not happened: what the manifest named before is written back when the store cannot
    /// record what it names now.
    pub(crate) fn undo(&mut self, on: &Standalone) {
        let Some(error) = on.database().trouble() else { return };
        for release in std::mem::take(&mut self.releases) {
            let in_force = on.read(&release.rollout).is_some_and(|stored| stored.plan.release == release.version);
            match &release.before {
                Some(before) if !in_force => {
                    let undone = match on.release(&release.rollout, before) {
                        Ok(_) => format!("release: {before} is written back"),
                        Err(undo) => format!("{}, and that could not be undone ({undo})", release.message),
                    };
                    let refusal = format!("the store cannot be written ({error}): nothing is released, {undone}");
                    drop(release.reply.send(Err(Refusal::Unavailable(refusal))));
                }
                _ => self.releases.push(release),
            }
        }
    }

    /// Answers those whose edited manifest is in force by now, was refused, or takes too long to be read.
    pub(crate) fn answer_due(&mut self, on: &Standalone, now: Time) {
        for release in std::mem::take(&mut self.releases) {
            match release.outcome(on, now) {
                Some(result) => drop(release.reply.send(result)),
                None => self.releases.push(release),
            }
        }
    }
}

impl Release {
    fn outcome(&self, on: &Standalone, now: Time) -> Option<Result<Accepted, Refusal>> {
        let (stored, message) = (on.read(&self.rollout), &self.message);
        let revision = stored.map_or(0, |stored| stored.state.revision);
        if stored.is_some_and(|stored| stored.plan.release == self.version) {
            return Some(Ok(Accepted { revision, message: message.clone() }));
        }
        if let Some(conflicted) = on.conflicted().get(&self.rollout).filter(|conflicted| conflicted.plan.release == self.version) {
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
    /// Does what is asked, or leaves it for the next pass.
    pub(crate) async fn handle(&mut self, request: ControlRequest) {
        match request {
            ControlRequest::Command { rollout, verb, revision, by, reason, confirm, reply } => match self.revision(&rollout, revision) {
                Ok(revision) => self.command(&rollout, NewCommand { verb, revision, by, reason, confirm }, reply).await,
                Err(refusal) => drop(reply.send(Err(refusal))),
            },
            ControlRequest::Release { rollout, version, by, reason, reply } => {
                let asked = ReleaseAsked { at: (self.clock)(), version, by, reason };
                self.release(rollout, asked, reply).await;
            }
            ControlRequest::Put { rollout, text, by, reply } => self.put(rollout, &text, &by, reply),
            ControlRequest::Remove { rollout, by, reply } => self.remove(rollout, &by, reply),
            ControlRequest::History { rollout, limit, reply } => {
                let history = self.history(&rollout, limit).await;
                drop(reply.send(self.known(&rollout, history, |history| history.entries.is_empty())));
            }
            ControlRequest::Incident { rollout, limit, reply } => {
                let incident = self.incident(&rollout, limit).await;
                drop(reply.send(self.known(&rollout, incident, |incident| incident.entries.is_empty())));
            }
            ControlRequest::Register { rollout, version, address, reply } => {
                let now = (self.clock)();
                drop(reply.send(self.instances.register(&self.on, &(rollout, version), address, now).await));
            }
            ControlRequest::Deregister { rollout, version, address, reply } => {
                let now = (self.clock)();
                drop(reply.send(self.instances.deregister(&self.on, &(rollout, version), address, now).await));
            }
            ControlRequest::Registration { rollout, version, address, reply } => {
                drop(reply.send(Ok(self.instances.registration(&(rollout, version), address))));
            }
            ControlRequest::Logs { rollout, wanted, reply } => self.logs(&rollout, wanted, reply),
            ControlRequest::Recover { body, by, reply } => self.recover(body, &by, reply).await,
            ControlRequest::Freeze { freeze, reply } => drop(reply.send(self.frozen(freeze).await)),
            ControlRequest::Forget { node, reply } => {
                let forgotten = self.proxies.forget(&node, self.on.database()).await.map_err(|error| unavailable(&error));
                drop(reply.send(match forgotten {
                    Ok(true) => Ok(()),
                    Ok(false) => Err(Refusal::UnknownProxy(node)),
                    Err(refusal) => Err(refusal),
                }));
            }
        }
    }

    async fn history(&self, rollout: &RolloutId, limit: usize) -> Result<History, StoreError> {
        let entries = self.on.history(rollout, limit).await?;
        let calls = self.calls_since(rollout, entries.first()).await?;
        let releases = self.releases_since(rollout, entries.first()).await?;
        Ok(History { entries: entries.iter().map(HistoryEntry::from).collect(), calls, releases })
    }

    async fn incident(&self, rollout: &RolloutId, limit: usize) -> Result<Incident, StoreError> {
        let incident = self.on.database().incident(rollout, limit).await?;
        let calls = self.calls_since(rollout, incident.entries.first()).await?;
        let releases = self.releases_since(rollout, incident.entries.first()).await?;
        Ok(Incident { calls, releases, ..incident })
    }

    async fn calls_since(&self, rollout: &RolloutId, first: Option<&Entry>) -> Result<Vec<CallView>, StoreError> {
        let calls = self.on.database().calls_of(rollout).await?.into_iter();
        Ok(calls.filter(|call| first.is_some_and(|first| call.at >= first.at)).collect())
    }

    /// What began the first of the entries came a moment before it.
    async fn releases_since(&self, rollout: &RolloutId, first: Option<&Entry>) -> Result<Vec<ReleaseAsked>, StoreError> {
        let asked = self.on.database().releases_of(rollout).await?.into_iter();
        Ok(asked.filter(|asked| first.is_some_and(|first| asked.at.after(PATIENCE) >= first.at)).collect())
    }

    /// What was found of a Rollout; nothing of one that is not known is an error.
    fn known<T>(&self, rollout: &RolloutId, found: Result<T, StoreError>, nothing: impl Fn(&T) -> bool) -> Result<T, Refusal> {
        let found = found.map_err(|error| unavailable(&error))?;
        let known = self.on.read(rollout).is_some() || self.on.conflicted().contains_key(rollout);
        if nothing(&found) && !known { Err(Refusal::UnknownRollout(rollout.clone())) } else { Ok(found) }
    }

    /// Reading files takes a while: elsewhere.
    fn logs(&self, rollout: &RolloutId, wanted: LogsWanted, reply: Reply<Logs>) {
        let stored = self.on.read(rollout).ok_or_else(|| Refusal::UnknownRollout(rollout.clone()));
        match stored.and_then(|stored| self.instances.logs(stored, wanted)) {
            Ok(reading) => drop(tokio::task::spawn_blocking(move || drop(reply.send(Ok(reading.read()))))),
            Err(refusal) => drop(reply.send(Err(refusal))),
        }
    }

    async fn frozen(&mut self, wanted: Freeze) -> Result<Freeze, Refusal> {
        let freeze = match wanted {
            Freeze::On { by, reason, .. } => Freeze::On { by, reason, since: (self.clock)() },
            Freeze::Off => Freeze::Off,
        };
        self.on.database().set_freeze(freeze.clone()).await.map_err(|error| unavailable(&error))?;
        match &freeze {
            Freeze::On { by, reason, .. } => tracing::warn!(by, "all releases are frozen: {reason}"),
            Freeze::Off => tracing::info!("releases go on, nothing is frozen"),
        }
        self.freeze = freeze.clone();
        Ok(freeze)
    }

    async fn command(&mut self, id: &RolloutId, new: NewCommand, reply: Reply<Accepted>) {
        match self.on.command(id, new).await {
            Ok(command) => drop(self.waiting.commands.insert(command.id, reply)),
            Err(error) => drop(reply.send(Err(unavailable(&error)))),
        }
    }

    /// The revision that a command is meant for.
    fn revision(&self, id: &RolloutId, seen: Option<u64>) -> Result<u64, Refusal> {
        let Some(stored) = self.on.read(id) else {
            return Err(match self.on.conflicted().get(id) {
                Some(conflicted) => Refusal::Conflicted { done: None, reason: conflicted.reason.clone() },
                None => Refusal::UnknownRollout(id.clone()),
            });
        };
        let now = stored.state.revision;
        match seen {
            Some(seen) if seen != now => Err(Refusal::Stale { seen, now }),
            _ => Ok(now),
        }
    }

    async fn release(&mut self, rollout: RolloutId, asked: ReleaseAsked, reply: Reply<Accepted>) {
        let ReleaseAsked { at, version, by, .. } = asked.clone();
        let known = self.on.read(&rollout).map(|stored| stored.plan.clone());
        let known = known.or_else(|| self.on.conflicted().get(&rollout).map(|conflicted| conflicted.plan.clone()));
        let Some(plan) = known else {
            return drop(reply.send(Err(Refusal::UnknownRollout(rollout))));
        };
        if let Some(error) = self.on.database().trouble() {
            let refusal = format!("the store cannot be written ({error}): nothing is released, and the manifest is as it was");
            return drop(reply.send(Err(Refusal::Unavailable(refusal))));
        }
        let mut before = None;
        let message = match self.on.release(&rollout, &version) {
            Ok(Written::Changed { file, line }) => {
                before = Some(plan.release.clone());
                format!("release: {version} written to {file}, line {line}")
            }
            Ok(Written::Already) => format!("release is {version} already"),
            Err(ReleaseError::Edit { error: EditError::UnknownVersion { .. }, .. }) => {
                let known = plan.versions.iter().map(|version| version.name.clone()).collect();
                return drop(reply.send(Err(Refusal::UnknownVersion { rollout, version, known })));
            }
            Err(error @ ReleaseError::ReadOnly { .. }) => return drop(reply.send(Err(Refusal::ReadOnly(error.to_string())))),
            Err(error) => return drop(reply.send(Err(Refusal::NotEditable(error.to_string())))),
        };
        tracing::info!(%rollout, by, "{message}");
        // The manifest is changed by now: a store that cannot take the reason does not undo that.
        if let Err(error) = self.on.database().log_release(&rollout, asked).await {
            tracing::warn!(%rollout, "who asked for the release is not recorded: {error}");
        }
        let until = at.after(PATIENCE);
        self.waiting.releases.push(Release { rollout, version, before, message, until, reply });
    }
}

fn unavailable(error: &StoreError) -> Refusal {
    Refusal::Unavailable(error.to_string())
}
