//! One stream's protocol, pure: requests and new snapshots go in, responses come out.
//!
//! The rules, from Envoy's "xDS REST and gRPC protocol":
//! - At most one response of a kind is unanswered; the next one waits. So a slow proxy costs one response a kind, never a queue.
//! - A request with the nonce of the unanswered response is its ACK, or its NACK when it carries an error. One with another nonce is
//!   stale: in the state-of-the-world variant it is ignored (a newer one is on its way); in delta its subscriptions still count.
//! - A NACKed resource is not sent again until it changes; the world it belongs to is not acknowledged.
//! - Additions go in the order CDS, EDS, LDS, RDS: each waits until the kinds before it are acknowledged, because it names them.
//!   Clusters and endpoints go away only when routes and listeners that no longer name them are acknowledged.
//! - ECDS (the policy) waits while those are on their way, but not for a refused one: a way back must not hang on a bad cluster.
//! - A cluster that changed gets its endpoints again, because it warms anew.

mod channel;
pub(crate) mod delta;
pub(crate) mod sotw;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::fleet::Nack;
use crate::resource::{Kind, Resource};
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
    target: Snapshot,
    world: u64,
    acked_world: u64,
    channels: BTreeMap<Kind, Channel>,
    nonce: u64,
}

impl Session {
    /// A stream that has just opened.
    pub(crate) fn new(variant: Variant) -> Self {
        Self { variant, target: Snapshot::default(), world: 0, acked_world: 0, channels: BTreeMap::new(), nonce: 0 }
    }

    /// A new snapshot to reach.
    pub(crate) fn aim(&mut self, world: u64, target: Snapshot) -> Vec<Push> {
        for (kind, channel) in &mut self.channels {
            channel.hold(*kind, &self.target, &target);
        }
        self.target = target;
        self.world = world;
        self.proceed()
    }

    /// A request of the proxy.
    pub(crate) fn hear(&mut self, ask: &Ask) -> Vec<Push> {
        let channel = self.channels.entry(ask.kind).or_default();
        channel.hear(ask, self.world, &self.target);
        self.proceed()
    }

    /// The highest world of which everything is acknowledged.
    pub(crate) fn acked_world(&self) -> u64 {
        self.acked_world
    }

    /// What is refused at the moment.
    pub(crate) fn nack(&self) -> Option<Nack> {
        self.channels.iter().find_map(|(kind, channel)| {
            let (error, world) = channel.rejection()?;
            Some(Nack { type_url: kind.type_url().to_owned(), error: error.to_owned(), world })
        })
    }

    fn proceed(&mut self) -> Vec<Push> {
        let mut pushes = Vec::new();
        for kind in Kind::ALL {
            if !self.channels.contains_key(&kind) || !self.may_add(kind) {
                continue;
            }
            let removing = self.may_remove(kind);
            let nonce = self.nonce.wrapping_add(1).to_string();
            let Some(channel) = self.channels.get_mut(&kind) else { continue };
            if let Some(push) = channel.push(kind, &self.target, removing, nonce) {
                self.nonce = self.nonce.wrapping_add(1);
                self.again(&push);
                pushes.push(push);
            }
        }
        if self.world > 0 && !self.channels.is_empty() && Kind::ALL.into_iter().all(|kind| self.arrived(kind)) {
            self.acked_world = self.world;
        }
        pushes
    }

    /// A cluster that changed warms anew and waits for its endpoints.
    fn again(&mut self, push: &Push) {
        if push.kind != Kind::Cluster {
            return;
        }
        if let Some(endpoints) = self.channels.get_mut(&Kind::Endpoints) {
            push.changed.iter().for_each(|cluster| endpoints.forget(&cluster.name));
        }
    }

    fn may_add(&self, kind: Kind) -> bool {
        let before = Kind::ALL.into_iter().filter(|earlier| *earlier < kind);
        match kind {
            Kind::Extension => before.into_iter().all(|earlier| !self.moving(earlier)),
            _ => before.into_iter().all(|earlier| self.added(earlier)),
        }
    }

    fn may_remove(&self, kind: Kind) -> bool {
        // In the state-of-the-world variant the proxy itself stops asking for named resources that nothing names any more.
        if self.variant == Variant::StateOfTheWorld && !kind.whole() {
            return false;
        }
        match kind {
            Kind::Cluster | Kind::Endpoints => [Kind::Listener, Kind::Routes].into_iter().all(|naming| self.arrived(naming)),
            Kind::Listener | Kind::Routes | Kind::Extension => true,
        }
    }

    /// Something of this kind is unanswered, or could be sent right away.
    fn moving(&self, kind: Kind) -> bool {
        self.channels.get(&kind).is_some_and(|channel| channel.in_flight() || channel.sendable(kind, &self.target))
            && Kind::ALL.into_iter().filter(|earlier| *earlier < kind).all(|earlier| self.added(earlier))
    }

    /// Everything new of this kind is acknowledged, and asked for where another kind makes the proxy ask for it.
    fn added(&self, kind: Kind) -> bool {
        let Some(channel) = self.channels.get(&kind) else {
            return !self.follows(kind);
        };
        let asked = !self.follows(kind) || self.target.of(kind).all(|resource| channel.wants(&resource.name));
        asked && !channel.in_flight() && channel.has_all(kind, &self.target)
    }

    /// `added`, and nothing is left that should be gone.
    fn arrived(&self, kind: Kind) -> bool {
        self.added(kind) && self.channels.get(&kind).is_none_or(|channel| !channel.has_more(kind, &self.target))
    }

    /// Whether the proxy will ask for all of this kind by itself, because it has what names them, and there is any.
    fn follows(&self, kind: Kind) -> bool {
        let leader = match kind {
            Kind::Cluster | Kind::Listener => return false,
            Kind::Endpoints => Kind::Cluster,
            Kind::Routes | Kind::Extension => Kind::Listener,
        };
        self.channels.contains_key(&leader) && self.target.of(leader).next().is_some() && self.target.of(kind).next().is_some()
    }
}

/// The version of a set of resources: a hash of their names and versions.
fn version_of<'r>(resources: impl Iterator<Item = (&'r str, &'r str)>) -> String {
    let lines: BTreeSet<String> = resources.map(|(name, version)| format!("{name}={version}\n")).collect();
    crate::resource::digest(lines.into_iter().collect::<String>().as_bytes())
}

#[cfg(test)]
mod tests;
