//! Reports and expected proxies -> how far a generation has come, and what was counted.

mod aggregates;
mod answers;
mod claims;
mod counted;
mod growth;
mod left;
mod node;
mod sums;
mod survey;
#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shunt_filter_core::report::{LatencySlots, Report};
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::time::{Span, Time};

use crate::observation::{Answers, Delivery, MISROUTED_QUIET, Misrouting};
use aggregates::Aggregates;
pub use claims::Belief;
use claims::Claims;
use counted::earliest;
use left::Left;
use node::Node;
pub use survey::Survey;

/// A proxy that has not reported for this long is silent: it does not hold up a step, and is listed.
pub const SILENT: Span = Span::seconds(30);

/// A proxy whose connection is closed and that has been silent for this long is gone.
pub const GONE: Span = Span::seconds(60);

/// Most proxies that are kept apart; reports of further ones are refused. Bounds memory against made-up node ids.
pub const NODES_MAX: usize = 10_000;

/// How many of them may be strangers: nodes that report without a certificate and had no xDS connection lately.
pub const STRANGERS_MAX: usize = 1_000;

/// All that the filters told, kept in memory: after a restart nothing is proved until it is reported again.
#[derive(Debug, Default)]
pub struct Reports {
    nodes: BTreeMap<String, Node>,
    claims: Claims,
    /// What proxies counted that made room for others.
    left: Left,
    misrouting: BTreeMap<RolloutId, Streak>,
    /// What all of them counted, by Rollout.
    aggregates: Aggregates,
    /// No VM that counts as living goes silent before this; none: there is none.
    next_silence: Option<Time>,
    /// Raised by every change.
    version: u64,
    /// By Rollout, its newest epoch, and the first that was told of each slot in it.
    firsts: BTreeMap<RolloutId, (u64, LatencySlots)>,
    began: Option<Time>,
    now: Time,
}

/// Growth of a counter without longer pauses than [`MISROUTED_QUIET`].
#[derive(Debug, Clone, Copy)]
struct Streak {
    since: Time,
    last: Time,
}

impl Reports {
    /// Takes one post. True when it brought something new to any service or generation.
    pub fn take(&mut self, report: Report, now: Time) -> bool {
        self.tick(now);
        if !self.has_room(&report.node, Acquaintance::Stranger, now) {
            return false;
        }
        let (name, vm) = (report.node.clone(), report.vm.clone());
        if !self.nodes.entry(name.clone()).or_default().accepts(&report) {
            return false;
        }
        self.note_firsts(&report);
        let Some(taken) = self.nodes.get_mut(&name).and_then(|node| node.take(report, now)) else {
            return false;
        };
        self.aggregate(&name, &vm, taken.before.as_ref(), taken.expired);
        if self.misrouting.len() >= NODES_MAX {
            self.misrouting.retain(|_, streak| now.since(streak.last) < MISROUTED_QUIET);
        }
        for id in taken.misrouted {
            let streak = self.misrouting.entry(id).or_insert(Streak { since: now, last: now });
            if now.since(streak.last) >= MISROUTED_QUIET {
                streak.since = now;
            }
            streak.last = now;
        }
        taken.changed
    }

    /// Proxies that are gone make room for others; what they counted stays. Strangers have a share that leaves room for the rest.
    fn has_room(&mut self, node: &str, whose: Acquaintance, now: Time) -> bool {
        if self.nodes.contains_key(node) {
            return true;
        }
        if self.nodes.len() >= NODES_MAX {
            self.remove(|node| node.gone(now));
        }
        let room = match whose {
            Acquaintance::Known => NODES_MAX,
            Acquaintance::Stranger => {
                let strangers = |of: &BTreeMap<String, Node>| of.values().filter(|node| !node.is_known()).count();
                if strangers(&self.nodes) >= STRANGERS_MAX {
                    self.remove(|node| !node.is_known() && node.gone(now));
                }
                if strangers(&self.nodes) < STRANGERS_MAX { NODES_MAX } else { 0 }
            }
        };
        self.nodes.len() < room
    }

    fn remove(&mut self, which: impl Fn(&Node) -> bool) {
        let gone: Vec<String> = self.nodes.iter().filter(|(_, node)| which(node)).map(|(name, _)| name.clone()).collect();
        for node in gone.iter().filter_map(|name| self.nodes.remove(name)).collect::<Vec<_>>() {
            self.aggregates.expire(node.rollouts().cloned());
            node.leave(&mut self.left);
        }
    }

    /// Every change begins with it.
    fn tick(&mut self, now: Time) {
        self.version = self.version.wrapping_add(1);
        self.now = self.now.max(now);
        self.began.get_or_insert(now);
        if self.next_silence.is_some_and(|next| next <= self.now) {
            self.next_silence = None;
            for node in self.nodes.values_mut() {
                let (expired, next) = node.recount(self.now);
                self.aggregates.expire(expired);
                self.next_silence = earliest(self.next_silence, next);
            }
        }
    }

    /// How far `generation` has come among the `expected` proxies (node ids recorded as possibly holding a policy of ours) that
    /// reported lately: what raising a weight and promoting ask for. Silent proxies do not hold it up, but those that had no time to
    /// report since a restart do: otherwise the first one that reports would prove it for all.
    pub fn delivery(&self, generation: u64, expected: &BTreeSet<String>, now: Time) -> Delivery {
        self.judge(generation, expected.iter().filter(|name| self.talks(name, now)), now)
    }

    /// The same among all expected proxies that are not gone, however long they have been silent: what destroying asks for.
    pub fn everywhere(&self, generation: u64, expected: &BTreeSet<String>, now: Time) -> Delivery {
        self.judge(generation, expected.iter().filter(|name| self.is_there(name, now)), now)
    }

    fn talks(&self, name: &str, now: Time) -> bool {
        self.nodes.get(name).is_some_and(|node| !node.silent(now) || node.unheard(now))
    }

    fn is_there(&self, name: &str, now: Time) -> bool {
        !self.nodes.get(name).is_some_and(|node| node.gone(now))
    }

    fn judge<'n>(&self, generation: u64, names: impl Iterator<Item = &'n String>, now: Time) -> Delivery {
        let mut behind = Vec::new();
        let mut since = Time::default();
        let mut proxies = 0_u32;
        for name in names {
            match self.nodes.get(name).and_then(|node| node.reached(generation, now)) {
                Some(at) => {
                    since = since.max(at);
                    proxies = proxies.saturating_add(1);
                }
                None => behind.push(name.clone()),
            }
        }
        if !behind.is_empty() {
            Delivery::Waiting { behind }
        } else if proxies == 0 {
            Delivery::Unknown { since: self.silent_since(now) }
        } else {
            Delivery::Live { since, proxies }
        }
    }

    /// The last report of any proxy, or the beginning.
    fn silent_since(&self, now: Time) -> Time {
        let last = self.nodes.values().map(Node::last).filter(|last| *last > Time::default()).max();
        last.or(self.began).unwrap_or(now)
    }

    /// Whether misrouted or unrouted requests of this service grow.
    pub fn misrouting(&self, id: &RolloutId, now: Time) -> Misrouting {
        match self.misrouting.get(id) {
            Some(streak) if now.since(streak.last) < MISROUTED_QUIET => Misrouting::Growing { since: streak.since },
            Some(streak) => Misrouting::Quiet { since: streak.last },
            None => Misrouting::Quiet { since: self.began.unwrap_or(now) },
        }
    }

    /// Who has answered what was decided for a version at the `expected` proxies, since each of their VMs reported the generation. Each
    /// proxy counts for itself: its routes are its own.
    pub fn answers(&self, id: &RolloutId, version: &VersionName, generation: u64, expected: &BTreeSet<String>, now: Time) -> Answers {
        let Some(aggregate) = self.aggregates.get(id) else { return Answers::Nothing };
        let (mut right, mut nodes) = (false, Vec::new());
        for name in aggregate.holders.iter().filter(|name| expected.contains(*name)) {
            let seen = self.nodes.get(name).map(|node| node.answers(id, version, generation, now)).unwrap_or_default();
            right |= seen.right;
            if seen.astray && !seen.right {
                nodes.push(name.clone());
            }
        }
        match (nodes.is_empty(), right) {
            (false, _) => Answers::Astray { nodes },
            (true, true) => Answers::Right,
            (true, false) => Answers::Nothing,
        }
    }

    /// Whether the report's generation may be believed when `published` is the newest one that was ever published. What is not
    /// believed must not be taken; it is kept as a claim of that proxy.
    pub fn believe(&mut self, report: &Report, published: u64, now: Time) -> Belief {
        self.tick(now);
        self.claims.judge(report, published, now)
    }

    /// Bytes of memory that what this node reported takes.
    pub fn footprint(&self, node: &str) -> usize {
        self.nodes.get(node).map_or(0, Node::footprint)
    }

    /// The same of each node.
    pub fn footprints(&self) -> impl Iterator<Item = (String, usize)> {
        self.nodes.iter().map(|(name, node)| (name.clone(), node.footprint()))
    }

    /// By node, the highest generation that it claims to run and that was never published. Facts about proxies, proofs of nothing.
    pub fn claims(&self, now: Time) -> BTreeMap<String, u64> {
        self.claims.by_node(now)
    }

    /// A certificate proves that this node reports: it is no stranger.
    pub fn vouch(&mut self, node: &str, now: Time) {
        self.tick(now);
        if self.has_room(node, Acquaintance::Known, now) {
            self.nodes.entry(node.to_owned()).or_default().vouch();
        }
    }

    /// Whether this node was ever connected, on record or certified; anything may report under a name.
    pub fn knows(&self, node: &str) -> bool {
        self.nodes.get(node).is_some_and(Node::is_known)
    }

    /// Nodes that were ever connected, on record or certified, and are not gone.
    pub fn known(&self, now: Time) -> impl Iterator<Item = &String> {
        self.nodes.iter().filter(move |(_, node)| node.is_known() && !node.gone(now)).map(|(name, _)| name)
    }

    /// Whether this node is there and reported within [`SILENT`].
    pub fn talks_now(&self, node: &str, now: Time) -> bool {
        self.nodes.get(node).is_some_and(|node| !node.gone(now) && !node.silent(now))
    }

    /// Strangers that have been silent for [`GONE`] are forgotten; what they counted stays. To be called before sums are read: those that
    /// are not up to date are counted anew, once for all readers.
    pub fn sweep(&mut self, now: Time) {
        self.tick(now);
        self.claims.sweep(now);
        let gone = |node: &Node| !node.is_known() && node.gone(now);
        self.remove(gone);
        self.refresh();
    }

    /// How far generations have come among these proxies now, for many questions: one walk.
    pub fn survey(&self, expected: &BTreeSet<String>, now: Time) -> Survey {
        Survey::new(self, expected, now)
    }

    /// All proxies that ever reported and are not gone, for `shunt get` and `shunt proxies`.
    pub fn proxies(&self, now: Time) -> Vec<ProxySeen> {
        self.nodes.iter().filter(|(_, node)| !node.gone(now)).map(|(name, node)| node.seen(name, now)).collect()
    }

    /// Proxies of which a VM went silent without a last word while others still report: its VM is dead and the next push heals it.
    pub fn with_dead_vms(&self, now: Time) -> Vec<String> {
        self.nodes.iter().filter(|(_, node)| node.has_dead_vm(now)).map(|(name, _)| name.clone()).collect()
    }

    /// This node is on record from before this process began, and has not connected to it yet.
    pub fn remember(&mut self, node: &str, now: Time) {
        self.tick(now);
        if self.has_room(node, Acquaintance::Known, now) {
            self.nodes.entry(node.to_owned()).or_default().remember(now);
            self.recount(node);
        }
    }

    /// The platform saw the connection of this node close or open again.
    pub fn connection(&mut self, node: &str, open: bool, now: Time) {
        self.tick(now);
        if self.has_room(node, Acquaintance::Known, now) {
            self.nodes.entry(node.to_owned()).or_default().connection(open, now);
            self.recount(node);
        }
    }

    /// `shunt forget NODE`: the operator says that it is gone for good.
    pub fn forget(&mut self, node: &str) {
        self.version = self.version.wrapping_add(1);
        if let Some(node) = self.nodes.remove(node) {
            self.aggregates.expire(node.rollouts().cloned());
        }
        self.claims.forget(node);
    }

    /// Expected proxies that are certainly gone and may be dropped from the record.
    pub fn gone(&self, expected: &BTreeSet<String>, now: Time) -> Vec<String> {
        expected.iter().filter(|name| self.nodes.get(*name).is_some_and(|node| node.gone(now))).cloned().collect()
    }
}

/// Whether a node is more than a name in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acquaintance {
    /// It is connected, on record or certified.
    Known,
    /// Nothing but reports speaks for it.
    Stranger,
}

/// One proxy as its reports show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxySeen {
    /// Node id.
    pub node: String,
    /// Of its slowest VM.
    pub generation: u64,
    /// Living VMs.
    pub vms: u32,
    /// VMs that went silent without a last word while others report, and were not replaced.
    pub lost: u32,
    /// VMs that did so in the last minutes, replaced or not.
    pub dead: u32,
    /// Versions of the filter's module in its living VMs.
    pub modules: BTreeSet<String>,
    /// Requests that another version answered than was decided, since the Envoy started.
    pub misrouted: u64,
    /// Requests for which no cluster was chosen.
    pub unrouted: u64,
    /// When one of the two grew last.
    pub last_misrouted: Option<Time>,
    /// Last report.
    pub last: Time,
    /// True: no report for [`SILENT`].
    pub silent: bool,
}
