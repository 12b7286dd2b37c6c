//! One stream's protocol, pure: requests and new snapshots go in, responses come out.
//!
//! The rules, from Envoy's "xDS REST and gRPC protocol":
//! - At most one response of a kind is unanswered; the next one waits. So a slow proxy costs one response a kind, never a queue.
//! - A request with the nonce of the unanswered response is its ACK, or its NACK when it carries an error. One with another nonce is
//!   stale: in the state-of-the-world variant it is ignored (a newer one is on its way); in delta its subscriptions still count.
//! - A NACK refuses the response, not each resource in it. So those refused in company are sent once more, one by one, where the
//!   variant allows it; one refused alone is not sent again until it changes, and the configuration is not acknowledged. A whole
//!   response that was refused is sent again as soon as anything in it changes, without what the proxy need not keep.
//! - Nothing is said before the first configuration: a proxy that reconnects to a restarted server would lose what it has.
//! - The first subscription to all resources of a kind is answered even when there are none: the proxy waits for it.
//! - Additions go in the order CDS, EDS, LDS, RDS. Listeners and routes wait until all before them is acknowledged, because they name
//!   it. Clusters go away only when routes and listeners that no longer name them are acknowledged, endpoints after them.
//! - A cluster that changed gets its endpoints again, right behind it on the stream: it warms anew, and Envoy withholds its ACK of CDS
//!   while clusters warm (seen on 1.40: waiting for that ACK costs 15 s, its time-out).
//! - ECDS (the policy) waits while all that is on its way, but not for what is refused: a way back must not hang on a bad cluster.
//!
//! A configuration is acknowledged when every kind is, as of that one or a later one. A kind of which the proxy should have anything counts
//! from the beginning, whether it has asked or not: one that has just started has nothing yet.

mod channel;
pub(crate) mod delta;
pub(crate) mod sotw;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::fleet::Nack;
use crate::resource::{Kind, MARK, Resource, store_of};
use crate::snapshot::Snapshot;
use channel::Channel;

/// A request, whichever variant it came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) kind: Kind,
    /// Empty on the first request of a stream.
    pub(crate) nonce: String,
    /// Set on a NACK.
    pub(crate) error: Option<String>,
    pub(crate) interest: Interest,
    pub(crate) knows: Knows,
}

impl Ask {
    /// The store that published what the proxy has from an earlier stream, when it is not this one; empty: one that marks nothing.
    pub(crate) fn foreign(&self, own: &str) -> Option<String> {
        if own.is_empty() || !self.nonce.is_empty() {
            return None;
        }
        let of = |version: &str| store_of(version).unwrap_or_default().to_owned();
        let stores: Vec<String> = match &self.knows {
            Knows::Whole(version) if version.is_empty() => Vec::new(),
            Knows::Whole(version) => vec![of(version)],
            Knows::Each(versions) => versions.values().map(|version| of(version)).collect(),
        };
        stores.into_iter().find(|store| store != own)
    }
}

/// What the proxy wants of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Interest {
    /// State of the world: exactly these names; none on the first request of a whole kind: all.
    Exactly(Vec<String>),
    /// Delta: more and fewer.
    Change { more: Vec<String>, fewer: Vec<String> },
}

/// What the proxy has from an earlier stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Knows {
    /// State of the world: the version of the whole kind.
    Whole(String),
    /// Delta: each resource's version.
    Each(BTreeMap<String, String>),
}

/// A response, before it is put in its variant.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Push {
    pub(crate) kind: Kind,
    pub(crate) nonce: String,
    /// Of all that the proxy has of this kind afterwards.
    pub(crate) version: String,
    pub(crate) changed: Vec<Arc<Resource>>,
    /// All that the proxy should have afterwards, for kinds that are sent whole.
    pub(crate) all: Vec<Arc<Resource>>,
    pub(crate) removed: Vec<String>,
}

impl std::fmt::Display for Push {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let changed: Vec<&str> = self.changed.iter().map(|resource| resource.name.as_str()).collect();
        write!(f, "{:?} nonce {}: {} changed, {} removed", self.kind, self.nonce, changed.join(", "), self.removed.join(", "))
    }
}

/// Which variant of the protocol a stream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// Whole kinds, or the changed ones of named kinds; what is gone is no longer named.
    StateOfTheWorld,
    /// Only differences; what is gone is said.
    Delta,
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Session {
    variant: Variant,
    target: Arc<Snapshot>,
    /// 0: nothing was published yet.
    sequence: u64,
    channels: BTreeMap<Kind, Channel>,
    /// The highest sequence as of which all of a kind is acknowledged.
    reached: BTreeMap<Kind, u64>,
    nonce: u64,
}

impl Session {
    /// A stream that has just opened.
    pub(crate) fn new(variant: Variant) -> Self {
        Self { variant, target: Arc::default(), sequence: 0, channels: BTreeMap::new(), reached: BTreeMap::new(), nonce: 0 }
    }

    /// A new snapshot to reach.
    pub(crate) fn set_target(&mut self, sequence: u64, target: Arc<Snapshot>) -> Vec<Push> {
        for channel in self.channels.values_mut() {
            channel.hold(&self.target, &target);
        }
        self.target = target;
        self.sequence = sequence;
        self.proceed()
    }

    /// A request of the proxy.
    pub(crate) fn hear(&mut self, ask: &Ask) -> Vec<Push> {
        let channel = self.channels.entry(ask.kind).or_insert_with(|| Channel::new(ask.kind, self.variant));
        if let Some(sequence) = channel.hear(ask) {
            let reached = self.reached.entry(ask.kind).or_default();
            *reached = sequence.max(*reached);
        }
        self.proceed()
    }

    /// The highest sequence of which every kind is acknowledged, as of it or of a later one; 0: none.
    pub(crate) fn acked_sequence(&self) -> u64 {
        Kind::ALL.iter().map(|kind| self.reached.get(kind).copied().unwrap_or(0)).min().unwrap_or(0)
    }

    /// What is refused at the moment.
    pub(crate) fn nack(&self) -> Option<Nack> {
        self.channels.iter().find_map(|(kind, channel)| {
            let (error, sequence) = channel.rejection(&self.target)?;
            let (type_url, resources) = (kind.type_url().to_owned(), channel.refused_alone(&self.target));
            Some(Nack { type_url, resources, error: error.to_owned(), sequence })
        })
    }

    fn proceed(&mut self) -> Vec<Push> {
        if self.sequence == 0 {
            return Vec::new();
        }
        self.channels.values_mut().for_each(|channel| channel.recall(&self.target));
        let mut pushes = Vec::new();
        for kind in Kind::ALL {
            if !self.may_add(kind) {
                continue;
            }
            let removing = self.may_remove(kind);
            let nonce = self.nonce.wrapping_add(1).to_string();
            let Some(channel) = self.channels.get_mut(&kind) else { continue };
            if let Some(push) = channel.push(&self.target, self.sequence, removing, nonce) {
                self.nonce = self.nonce.wrapping_add(1);
                if kind == Kind::Cluster {
                    self.again(&push);
                }
                pushes.push(push);
            }
        }
        let arrived: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| self.arrived(*kind)).collect();
        self.reached.extend(arrived.into_iter().map(|kind| (kind, self.sequence)));
        pushes
    }

    /// A cluster that changed warms anew and waits for its endpoints, before it acknowledges.
    fn again(&mut self, clusters: &Push) {
        if let Some(endpoints) = self.channels.get_mut(&Kind::Endpoints) {
            clusters.changed.iter().for_each(|cluster| endpoints.forget(&cluster.name));
        }
    }

    fn may_add(&self, kind: Kind) -> bool {
        let mut before = Kind::ALL.into_iter().filter(|earlier| *earlier < kind);
        match kind {
            Kind::Cluster | Kind::Endpoints => true,
            Kind::Listener | Kind::Routes => before.all(|earlier| self.added(earlier)),
            Kind::Extension => before.all(|earlier| !self.moving(earlier)),
        }
    }

    fn may_remove(&self, kind: Kind) -> bool {
        // In the state-of-the-world variant the proxy itself stops asking for named resources that nothing names any more.
        if self.variant == Variant::StateOfTheWorld && !kind.whole() {
            return false;
        }
        let naming: &[Kind] = match kind {
            Kind::Cluster => &[Kind::Listener, Kind::Routes],
            Kind::Endpoints => &[Kind::Listener, Kind::Routes, Kind::Cluster],
            Kind::Listener | Kind::Routes | Kind::Extension => &[],
        };
        naming.iter().all(|naming| self.arrived(*naming))
    }

    /// Something of this kind is unanswered, could be sent right away, or is about to be asked for. What is refused does not move.
    fn moving(&self, kind: Kind) -> bool {
        let sending = self.channels.get(&kind).is_some_and(|channel| {
            let sendable = channel.sendable(&self.target) && self.may_add(kind);
            channel.in_flight() || sendable
        });
        sending || self.awaited(kind)
    }

    /// The proxy has accepted what names resources of this kind, and will ask for them by itself.
    fn awaited(&self, kind: Kind) -> bool {
        let accepted = |leader: Kind, name: &str| match (self.channels.get(&leader), self.target.get(leader, name)) {
            (Some(channel), Some(resource)) => channel.has(resource),
            _ => false,
        };
        let named = |name: &str| match kind {
            Kind::Cluster | Kind::Listener => false,
            Kind::Endpoints => accepted(Kind::Cluster, name),
            Kind::Routes | Kind::Extension => self.target.of(Kind::Listener).any(|listener| accepted(Kind::Listener, &listener.name)),
        };
        let asked = |name: &str| self.channels.get(&kind).is_some_and(|channel| channel.wants(name));
        self.target.of(kind).any(|resource| !asked(&resource.name) && named(&resource.name))
    }

    /// The proxy asked for everything of this kind that it should have, and acknowledged it.
    fn added(&self, kind: Kind) -> bool {
        match self.channels.get(&kind) {
            Some(channel) => channel.has_all(&self.target),
            None => self.target.of(kind).next().is_none(),
        }
    }

    /// `added`, and nothing is left that should be gone.
    fn arrived(&self, kind: Kind) -> bool {
        self.added(kind) && self.channels.get(&kind).is_none_or(|channel| !channel.has_more(&self.target))
    }
}

/// The version of a set of resources: a hash of their names and versions, and the name of their store.
fn version_of<'r>(resources: impl Iterator<Item = (&'r str, &'r str)>) -> String {
    let mut store = None;
    let lines: BTreeSet<String> = resources
        .map(|(name, version)| {
            store = store.or(store_of(version));
            format!("{name}={version}\n")
        })
        .collect();
    let hash = crate::resource::digest(lines.into_iter().collect::<String>().as_bytes());
    store.map_or_else(|| hash.clone(), |store| format!("{hash}{MARK}{store}"))
}

#[cfg(test)]
mod tests;
