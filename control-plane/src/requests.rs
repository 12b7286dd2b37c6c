//! What people and pipelines ask through the API, and who still waits for an answer.

use std::collections::BTreeMap;

use shunt_api::logs::{Logs, LogsWanted};
use shunt_api::rollouts::History;
use shunt_api::{Accepted, ControlRequest, InstanceRefused, Refusal, Reply};
use shunt_core::advance::Next;
use shunt_core::call::CallView;
use shunt_core::journal::{Entry, ReleaseAsked};
use shunt_core::observation::Freeze;
use shunt_core::replay::Incident;
use shunt_core::status::HistoryEntry;
use shunt_filter_core::RolloutId;

use crate::edits::PATIENCE;
use crate::platform::{Edit, NewCommand, StoreError};
use crate::reconcile::Reconciler;

/// Who waits for the answer of which command.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Those whose command is not recorded yet, by ticket.
    tickets: BTreeMap<u64, Reply<Accepted>>,
    commands: BTreeMap<u64, Reply<Accepted>>,
    next: u64,
}

impl Waiting {
    /// For the author of a command that is about to be recorded.
    fn ticket(&mut self, reply: Reply<Accepted>) -> u64 {
        self.next = self.next.saturating_add(1);
        self.tickets.insert(self.next, reply);
        self.next
    }

    /// The command is recorded under this number, or it is refused.
    pub(crate) fn numbered(&mut self, ticket: u64, number: Result<u64, Refusal>) {
        let Some(reply) = self.tickets.remove(&ticket) else { return };
        match number {
            Ok(number) => drop(self.commands.insert(number, reply)),
            Err(refusal) => drop(reply.send(Err(refusal))),
        }
    }

    /// Answers the authors of the commands that a transition used up.
    pub(crate) fn answer(&mut self, next: &Next) {
        for answer in &next.answered {
            let Some(reply) = self.commands.remove(&answer.command) else { continue };
            let result = answer.result.clone().map(|message| Accepted { revision: next.state.revision, message });
            drop(reply.send(result.map_err(Refusal::Command)));
        }
    }
}

impl Reconciler {
    /// Does what is asked, or leaves it for the next pass.
    pub(crate) async fn handle(&mut self, request: ControlRequest) {
        match request {
            ControlRequest::Command { rollout, verb, revision, by, reason, confirm, reply } => match self.revision(&rollout, revision) {
                Ok(revision) => {
                    let ticket = self.waiting.ticket(reply);
                    self.rollouts.command(&rollout, NewCommand { verb, revision, by, reason, confirm }, ticket);
                }
                Err(refusal) => drop(reply.send(Err(refusal))),
            },
            ControlRequest::Release { rollout, version, by, reason, reply } => {
                let asked = ReleaseAsked { at: (self.clock)(), version, by, reason };
                self.release(rollout, asked, reply).await;
            }
            ControlRequest::Put { rollout, text, by, reply } => self.edit(rollout, Edit::Put(text), &by, reply),
            ControlRequest::Remove { rollout, by, reply } => self.edit(rollout, Edit::Remove((self.clock)()), &by, reply),
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
                drop(reply.send(match self.on.instances() {
                    Some((instances, store)) => instances.register(store, &self.rollouts, &(rollout, version), address, now).await,
                    None => Err(InstanceRefused::NotRegistered(version).into()),
                }));
            }
            ControlRequest::Deregister { rollout, version, address, reply } => {
                let now = (self.clock)();
                drop(reply.send(match self.on.instances() {
                    Some((instances, store)) => instances.deregister(store, &self.rollouts, &(rollout, version), address, now).await,
                    None => Err(InstanceRefused::NotRegistered(version).into()),
                }));
            }
            ControlRequest::Registration { rollout, version, address, reply } => {
                let found = self.on.instances().and_then(|(instances, _)| instances.registration(&(rollout, version), address));
                drop(reply.send(Ok(found)));
            }
            ControlRequest::Logs { rollout, wanted, reply } => self.logs(&rollout, wanted, reply),
            ControlRequest::Recover { body, by, reply } => self.recover(body, &by, reply).await,
            ControlRequest::Freeze { freeze, reply } => drop(reply.send(self.frozen(freeze).await)),
            ControlRequest::Forget { node, reply } => {
                let forgotten = self.proxies.forget(&node, &self.on).await.map_err(|error| unavailable(&error));
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
        let incident = self.on.incident(rollout, limit).await?;
        let calls = self.calls_since(rollout, incident.entries.first()).await?;
        let releases = self.releases_since(rollout, incident.entries.first()).await?;
        Ok(Incident { calls, releases, ..incident })
    }

    async fn calls_since(&self, rollout: &RolloutId, first: Option<&Entry>) -> Result<Vec<CallView>, StoreError> {
        let calls = self.auxiliary.calls_of(rollout).await?.into_iter();
        Ok(calls.filter(|call| first.is_some_and(|first| call.at >= first.at)).collect())
    }

    /// What began the first of the entries came a moment before it.
    async fn releases_since(&self, rollout: &RolloutId, first: Option<&Entry>) -> Result<Vec<ReleaseAsked>, StoreError> {
        let asked = self.auxiliary.releases_of(rollout).await?.into_iter();
        Ok(asked.filter(|asked| first.is_some_and(|first| asked.at.after(PATIENCE) >= first.at)).collect())
    }

    /// What was found of a Rollout; nothing of one that is not known is an error.
    fn known<T>(&self, rollout: &RolloutId, found: Result<T, StoreError>, nothing: impl Fn(&T) -> bool) -> Result<T, Refusal> {
        let found = found.map_err(|error| unavailable(&error))?;
        let known = self.rollouts.read(rollout).is_some() || self.rollouts.conflicted().contains_key(rollout);
        if nothing(&found) && !known { Err(Refusal::UnknownRollout(rollout.clone())) } else { Ok(found) }
    }

    /// Reading files takes a while: elsewhere.
    fn logs(&mut self, rollout: &RolloutId, wanted: LogsWanted, reply: Reply<Logs>) {
        let stored = self.rollouts.read(rollout).ok_or_else(|| Refusal::UnknownRollout(rollout.clone()));
        let reading = stored.and_then(|stored| match self.on.instances() {
            Some((instances, _)) => instances.logs(stored, wanted),
            None => Err(InstanceRefused::NotRun(format!("versions of {rollout}")).into()),
        });
        match reading {
            Ok(reading) => drop(tokio::task::spawn_blocking(move || drop(reply.send(Ok(reading.read()))))),
            Err(refusal) => drop(reply.send(Err(refusal))),
        }
    }

    async fn frozen(&mut self, wanted: Freeze) -> Result<Freeze, Refusal> {
        let freeze = match wanted {
            Freeze::On { by, reason, .. } => Freeze::On { by, reason, since: (self.clock)() },
            Freeze::Off => Freeze::Off,
        };
        self.on.set_freeze(freeze.clone()).await.map_err(|error| unavailable(&error))?;
        match &freeze {
            Freeze::On { by, reason, .. } => tracing::warn!(by, "all releases are frozen: {reason}"),
            Freeze::Off => tracing::info!("releases go on, nothing is frozen"),
        }
        self.freeze = freeze.clone();
        Ok(freeze)
    }

    /// The revision that a command is meant for.
    fn revision(&self, id: &RolloutId, seen: Option<u64>) -> Result<u64, Refusal> {
        let Some(stored) = self.rollouts.read(id) else {
            return Err(match self.rollouts.conflicted().get(id) {
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
}

fn unavailable(error: &StoreError) -> Refusal {
    Refusal::Unavailable(error.to_string())
}
