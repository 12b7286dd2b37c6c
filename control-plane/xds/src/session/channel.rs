//! One kind on one stream: what is wanted, what was sent, what is unanswered, what was refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Ask, Interest, Knows, Push, version_of};
use crate::resource::{Kind, Resource};
use crate::snapshot::Snapshot;

/// Delta: stands for "told that it does not exist".
const ABSENT: &str = "";

#[derive(Debug, Default)]
pub(super) struct Channel {
    /// False until the first request: an empty list means all only there.
    begun: bool,
    wildcard: bool,
    names: BTreeSet<String>,
    /// Version last sent of each resource, acknowledged or not.
    sent: BTreeMap<String, String>,
    flight: Option<Flight>,
    rejected: BTreeMap<String, Rejection>,
    /// Resources that should go but may not yet: whole kinds must go on naming them.
    held: BTreeMap<String, Arc<Resource>>,
}

#[derive(Debug)]
struct Flight {
    nonce: String,
    names: Vec<String>,
}

#[derive(Debug)]
struct Rejection {
    error: String,
    world: u64,
}

impl Channel {
    pub(super) fn hear(&mut self, ask: &Ask, world: u64, target: &Snapshot) {
        let first = ask.nonce.is_empty();
        let answers = self.flight.as_ref().is_some_and(|flight| flight.nonce == ask.nonce);
        if answers {
            self.answered(ask.error.as_deref(), world);
        }
        match &ask.interest {
            Interest::Exactly(names) if first || answers || self.flight.is_none() => self.exactly(ask.kind, names),
            Interest::Exactly(_) => return, // stale: the answer to the response in flight is on its way
            Interest::Change { more, fewer } => self.change(ask.kind, more, fewer),
        }
        if !self.begun {
            self.recall(ask, target);
        }
        self.begun = true;
    }

    fn answered(&mut self, error: Option<&str>, world: u64) {
        let Some(flight) = self.flight.take() else { return };
        for name in flight.names {
            match error {
                Some(error) => self.rejected.insert(name, Rejection { error: error.to_owned(), world }),
                None => self.rejected.remove(&name),
            };
        }
    }

    fn exactly(&mut self, kind: Kind, names: &[String]) {
        let wildcard = names.iter().any(|name| name == "*") || (names.is_empty() && kind.whole() && (!self.begun || self.wildcard));
        self.wildcard = wildcard;
        self.names = names.iter().filter(|name| *name != "*").cloned().collect();
        let (wildcard, names) = (self.wildcard, &self.names);
        // What it no longer asks for it drops; asked for again, it needs it again.
        self.sent.retain(|name, _| wildcard || names.contains(name));
        self.rejected.retain(|name, _| wildcard || names.contains(name));
    }

    fn change(&mut self, kind: Kind, more: &[String], fewer: &[String]) {
        if !self.begun && more.is_empty() && kind.whole() {
            self.wildcard = true;
        }
        for name in more {
            if name == "*" {
                self.wildcard = true;
            } else {
                self.names.insert(name.clone());
                // Asked for again: it must be sent again, even if it was sent before.
                self.sent.remove(name);
            }
        }
        for name in fewer {
            if name == "*" {
                self.wildcard = false;
            }
            self.names.remove(name);
            self.rejected.remove(name);
            if !self.wildcard {
                self.sent.remove(name);
            }
        }
    }

    /// The first request of a stream says what the proxy has already.
    fn recall(&mut self, ask: &Ask, target: &Snapshot) {
        match &ask.knows {
            Knows::Whole(version) => {
                let wanted = || self.wanted(ask.kind, target).map(|resource| (resource.name.as_str(), resource.version.as_str()));
                if !version.is_empty() && *version == version_of(wanted()) {
                    self.sent = wanted().map(|(name, version)| (name.to_owned(), version.to_owned())).collect();
                }
            }
            Knows::Each(versions) => self.sent.extend(versions.clone()),
        }
    }

    /// Remembers what is about to leave the target: it may have to stay for a while.
    pub(super) fn hold(&mut self, kind: Kind, old: &Snapshot, new: &Snapshot) {
        for resource in old.of(kind).filter(|resource| self.sent.contains_key(&resource.name)) {
            if new.get(kind, &resource.name).is_none() {
                self.held.insert(resource.name.clone(), resource.clone());
            }
        }
        self.held.retain(|name, _| new.get(kind, name).is_none());
    }

    /// The next response, if there is anything to say and nothing is unanswered.
    pub(super) fn push(&mut self, kind: Kind, target: &Snapshot, removing: bool, nonce: String) -> Option<Push> {
        if self.flight.is_some() || !self.begun {
            return None;
        }
        let changed: Vec<Arc<Resource>> = self.unsent(kind, target).cloned().collect();
        let removed: Vec<String> = if removing { self.superfluous(kind, target) } else { Vec::new() };
        if changed.is_empty() && removed.is_empty() {
            return None;
        }
        for name in &removed {
            self.held.remove(name);
            self.rejected.remove(name);
            match self.names.contains(name) {
                true => self.sent.insert(name.clone(), ABSENT.to_owned()),
                false => self.sent.remove(name),
            };
        }
        self.sent.extend(changed.iter().map(|resource| (resource.name.clone(), resource.version.clone())));
        let all: Vec<Arc<Resource>> = self.wanted(kind, target).chain(self.held.values()).cloned().collect();
        let version = version_of(all.iter().map(|resource| (resource.name.as_str(), resource.version.as_str())));
        let names = changed.iter().map(|resource| resource.name.clone()).collect();
        self.flight = Some(Flight { nonce: nonce.clone(), names });
        Some(Push { kind, nonce, version, changed, all, removed })
    }

    fn wanted<'s>(&'s self, kind: Kind, target: &'s Snapshot) -> impl Iterator<Item = &'s Arc<Resource>> {
        target.of(kind).filter(|resource| self.wants(&resource.name))
    }

    fn unsent<'s>(&'s self, kind: Kind, target: &'s Snapshot) -> impl Iterator<Item = &'s Arc<Resource>> {
        self.wanted(kind, target).filter(|resource| self.sent.get(&resource.name) != Some(&resource.version))
    }

    /// Sent, or asked for by name, and not in the target.
    fn superfluous(&self, kind: Kind, target: &Snapshot) -> Vec<String> {
        let gone = |name: &&String| target.get(kind, name).is_none();
        let had = self.sent.iter().filter(|(_, version)| *version != ABSENT).map(|(name, _)| name);
        let unknown = self.names.iter().filter(|name| !self.sent.contains_key(*name));
        had.chain(unknown).filter(gone).cloned().collect()
    }

    pub(super) fn wants(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    pub(super) fn in_flight(&self) -> bool {
        self.flight.is_some()
    }

    pub(super) fn sendable(&self, kind: Kind, target: &Snapshot) -> bool {
        self.begun && self.unsent(kind, target).next().is_some()
    }

    /// Everything wanted was sent and nothing of it refused.
    pub(super) fn has_all(&self, kind: Kind, target: &Snapshot) -> bool {
        self.unsent(kind, target).next().is_none() && self.wanted(kind, target).all(|resource| !self.rejected.contains_key(&resource.name))
    }

    /// It still has what should be gone.
    pub(super) fn has_more(&self, kind: Kind, target: &Snapshot) -> bool {
        self.sent.iter().any(|(name, version)| version != ABSENT && target.get(kind, name).is_none())
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.sent.remove(name);
    }

    pub(super) fn rejection(&self) -> Option<(&str, u64)> {
        self.rejected.values().next().map(|rejection| (rejection.error.as_str(), rejection.world))
    }
}
