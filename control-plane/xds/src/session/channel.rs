//! One kind on one stream: what is wanted, what was sent, what is unanswered, what was refused.

mod interest;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Ask, Knows, Push, Variant, version_of};
use crate::resource::{Kind, Resource};
use crate::snapshot::Snapshot;

/// Delta: stands for "told that it does not exist".
const ABSENT: &str = "";

#[derive(Debug)]
pub(super) struct Channel {
    kind: Kind,
    variant: Variant,
    /// False until the first request: an empty list means all only there.
    begun: bool,
    /// It has had a response on this stream, or needs none: an empty configuration is an answer too, and a proxy waits for it.
    greeted: bool,
    /// State of the world: the version that the proxy has from an earlier stream, until there is a configuration to compare it with.
    known: Option<String>,
    wildcard: bool,
    names: BTreeSet<String>,
    /// Version last sent of each resource, acknowledged or not.
    sent: BTreeMap<String, String>,
    in_flight: Option<InFlight>,
    rejected: BTreeMap<String, Rejection>,
    /// Resources that should go but may not yet: a whole response must go on naming them.
    held: BTreeMap<String, Arc<Resource>>,
}

/// The unanswered response.
#[derive(Debug)]
struct InFlight {
    nonce: String,
    names: Vec<String>,
    sequence: u64,
    /// With it the proxy has all of this kind as of `sequence`.
    complete: bool,
}

#[derive(Debug)]
struct Rejection {
    error: String,
    sequence: u64,
    /// It was refused together with others, perhaps for another's sake, and has not been tried alone.
    in_company: bool,
}

impl Channel {
    pub(super) fn new(kind: Kind, variant: Variant) -> Self {
        Self {
            kind,
            variant,
            begun: false,
            greeted: false,
            known: None,
            wildcard: false,
            names: BTreeSet::new(),
            sent: BTreeMap::new(),
            in_flight: None,
            rejected: BTreeMap::new(),
            held: BTreeMap::new(),
        }
    }

    /// A request. Returns the sequence as of which all of this kind is acknowledged, if it is by this.
    pub(super) fn hear(&mut self, ask: &Ask) -> Option<u64> {
        let answered = self.in_flight.take_if(|in_flight| in_flight.nonce == ask.nonce);
        // Stale in the state-of-the-world variant: the answer to the response in flight is on its way and says more.
        let stale = self.in_flight.is_some() && !ask.nonce.is_empty();
        let reached = answered.and_then(|in_flight| self.answered(in_flight, ask.error.as_deref()));
        self.interest(&ask.interest, stale);
        if !self.begun {
            self.remember(&ask.knows);
        }
        self.begun = true;
        reached
    }

    fn answered(&mut self, in_flight: InFlight, error: Option<&str>) -> Option<u64> {
        let Some(error) = error else {
            if self.whole() {
                self.rejected.clear();
            }
            in_flight.names.iter().for_each(|name| drop(self.rejected.remove(name)));
            return in_flight.complete.then_some(in_flight.sequence);
        };
        let in_company = in_flight.names.len() > 1;
        for name in in_flight.names {
            self.rejected.insert(name, Rejection { error: error.to_owned(), sequence: in_flight.sequence, in_company });
        }
        None
    }

    /// The first request of a stream says what the proxy has already.
    fn remember(&mut self, knows: &Knows) {
        match knows {
            Knows::Whole(version) if version.is_empty() => {}
            Knows::Whole(version) => self.known = Some(version.clone()),
            Knows::Each(versions) => {
                self.greeted = !versions.is_empty();
                self.sent.extend(versions.clone());
            }
        }
    }

    /// State of the world: if the proxy has from an earlier stream just what it should have, nothing needs to be sent.
    pub(super) fn recall(&mut self, target: &Snapshot) {
        let Some(known) = self.known.take() else { return };
        let wanted = || self.wanted(target).map(|resource| (resource.name.as_str(), resource.version.as_str()));
        if known == version_of(wanted()) {
            self.sent = wanted().map(|(name, version)| (name.to_owned(), version.to_owned())).collect();
            self.greeted = true;
        }
    }

    /// Remembers what is about to leave the target: it may have to stay for a while.
    pub(super) fn hold(&mut self, old: &Snapshot, new: &Snapshot) {
        if !self.whole() {
            return;
        }
        self.mend(old, new);
        for resource in old.of(self.kind).filter(|resource| self.sent.contains_key(&resource.name)) {
            if new.get(self.kind, &resource.name).is_none() {
                self.held.insert(resource.name.clone(), resource.clone());
            }
        }
        self.held.retain(|name, _| new.get(self.kind, name).is_none());
    }

    /// A whole response was refused, and another one would differ: nothing of what was refused counts as sent, and what should be gone
    /// must not be in it again.
    fn mend(&mut self, old: &Snapshot, new: &Snapshot) {
        let content = |snapshot: &Snapshot| version_of(snapshot.of(self.kind).map(|one| (one.name.as_str(), one.version.as_str())));
        if self.rejected.is_empty() || content(old) == content(new) {
            return;
        }
        for name in self.rejected.keys() {
            self.sent.remove(name);
        }
        self.held.retain(|name, _| !self.rejected.contains_key(name));
    }

    /// The next response, if there is anything to say and nothing is unanswered.
    pub(super) fn push(&mut self, target: &Snapshot, sequence: u64, removing: bool, nonce: String) -> Option<Push> {
        if self.in_flight.is_some() || !self.begun {
            return None;
        }
        let removed: Vec<String> = if removing { self.superfluous(target) } else { Vec::new() };
        let mut changed: Vec<Arc<Resource>> = self.unsent(target).cloned().collect();
        if changed.is_empty() && removed.is_empty() {
            changed.extend(self.suspect(target).cloned());
        }
        let greeting = self.wildcard && !self.greeted;
        if changed.is_empty() && removed.is_empty() && !greeting {
            return None;
        }
        self.greeted = true;
        self.forget_removed(&removed);
        self.sent.extend(changed.iter().map(|resource| (resource.name.clone(), resource.version.clone())));
        let all: Vec<Arc<Resource>> = self.wanted(target).chain(self.held.values()).cloned().collect();
        let version = version_of(all.iter().map(|resource| (resource.name.as_str(), resource.version.as_str())));
        let names: Vec<String> = changed.iter().map(|resource| resource.name.clone()).collect();
        let refused = self.wanted(target).any(|resource| self.rejected.contains_key(&resource.name) && !names.contains(&resource.name));
        let complete = self.wants_all(target) && !self.has_more(target) && (!refused || self.whole());
        self.in_flight = Some(InFlight { nonce: nonce.clone(), names, sequence, complete });
        Some(Push { kind: self.kind, nonce, version, changed, all, removed })
    }

    fn forget_removed(&mut self, removed: &[String]) {
        for name in removed {
            self.held.remove(name);
            self.rejected.remove(name);
            match self.names.contains(name) {
                true => self.sent.insert(name.clone(), ABSENT.to_owned()),
                false => self.sent.remove(name),
            };
        }
    }

    /// Whether a response holds all resources of the kind, and so can say that one is gone by leaving it out.
    fn whole(&self) -> bool {
        self.variant == Variant::StateOfTheWorld && self.kind.whole()
    }

    fn wanted<'s>(&'s self, target: &'s Snapshot) -> impl Iterator<Item = &'s Arc<Resource>> {
        target.of(self.kind).filter(|resource| self.wants(&resource.name))
    }

    fn unsent<'s>(&'s self, target: &'s Snapshot) -> impl Iterator<Item = &'s Arc<Resource>> {
        self.wanted(target).filter(|resource| self.sent.get(&resource.name) != Some(&resource.version))
    }

    /// One that was refused in company. A whole response cannot be taken apart.
    fn suspect<'s>(&'s self, target: &'s Snapshot) -> Option<&'s Arc<Resource>> {
        if self.whole() {
            return None;
        }
        self.wanted(target).find(|resource| self.rejected.get(&resource.name).is_some_and(|rejection| rejection.in_company))
    }

    /// Sent, or asked for by name, and not in the target.
    fn superfluous(&self, target: &Snapshot) -> Vec<String> {
        let gone = |name: &&String| target.get(self.kind, name).is_none();
        let had = self.sent.iter().filter(|(_, version)| *version != ABSENT).map(|(name, _)| name);
        let unknown = self.names.iter().filter(|name| !self.sent.contains_key(*name));
        had.chain(unknown).filter(gone).cloned().collect()
    }

    pub(super) fn wants(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    /// The proxy asked for everything that it should have.
    pub(super) fn wants_all(&self, target: &Snapshot) -> bool {
        target.of(self.kind).all(|resource| self.wants(&resource.name))
    }

    pub(super) fn in_flight(&self) -> bool {
        self.in_flight.is_some()
    }

    pub(super) fn sendable(&self, target: &Snapshot) -> bool {
        self.begun && (self.unsent(target).next().is_some() || self.suspect(target).is_some())
    }

    /// The proxy acknowledged this very resource.
    pub(super) fn has(&self, resource: &Resource) -> bool {
        let flying = self.in_flight.as_ref().is_some_and(|in_flight| in_flight.names.contains(&resource.name));
        self.sent.get(&resource.name) == Some(&resource.version) && !flying && !self.rejected.contains_key(&resource.name)
    }

    /// The proxy acknowledged everything that it should have, and nothing is unanswered.
    pub(super) fn has_all(&self, target: &Snapshot) -> bool {
        self.in_flight.is_none()
            && self.wants_all(target)
            && self.unsent(target).next().is_none()
            && self.wanted(target).all(|resource| !self.rejected.contains_key(&resource.name))
    }

    /// It still has what should be gone.
    pub(super) fn has_more(&self, target: &Snapshot) -> bool {
        self.sent.iter().any(|(name, version)| version != ABSENT && target.get(self.kind, name).is_none())
    }

    pub(super) fn forget(&mut self, name: &str) {
        self.sent.remove(name);
    }

    /// Names of what was refused without company.
    pub(super) fn refused_alone(&self, target: &Snapshot) -> Vec<String> {
        let alone = self.rejected.iter().filter(|(name, one)| !one.in_company && target.get(self.kind, name).is_some());
        alone.map(|(name, _)| name.clone()).collect()
    }

    /// What is refused, the culprit rather than its company: error and sequence.
    pub(super) fn rejection(&self, target: &Snapshot) -> Option<(&str, u64)> {
        let there = self.rejected.iter().filter(|(name, _)| target.get(self.kind, name).is_some()).map(|(_, rejection)| rejection);
        there.min_by_key(|rejection| rejection.in_company).map(|rejection| (rejection.error.as_str(), rejection.sequence))
    }
}
