//! Reports and expected proxies -> how far a generation has come, and what was counted.

mod answers;
mod claims;
mod left;
mod node;
mod sums;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use shunt_filter_core::report::{EpochReport, LatencySlots, Report, ServiceReport};
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::time::{Span, Time};

use crate::observation::{Answers, Delivery, MISROUTED_QUIET, Misrouting};
pub use claims::Belief;
use claims::Claims;
use left::Left;
use node::Node;

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
        let latencies = latencies(&report);
        let node = self.nodes.entry(report.node.clone()).or_default();
        let Some(taken) = node.take(report, now) else {
            return false;
        };
        for (id, epoch, slots) in latencies {
            self.note_first(id, epoch, &slots);
        }
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

    /// The first report of a slot wins: what is noted here never changes within an epoch, whichever proxy reports later or again.
    fn note_first(&mut self, id: RolloutId, epoch: u64, slots: &LatencySlots) {
        if self.firsts.len() >= NODES_MAX && !self.firsts.contains_key(&id) {
            return;
        }
        let (known, firsts) = self.firsts.entry(id).or_default();
        if *known < epoch {
            (*known, *firsts) = (epoch, LatencySlots::default());
        }
        if *known == epoch {
            firsts.add(slots);
        }
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
            node.leave(&mut self.left);
        }
    }

    fn tick(&mut self, now: Time) {
        self.now = self.now.max(now);
        self.began.get_or_insert(now);
    }

    /// How far `generation` has come among the `expected` proxies (node ids recorded as possibly holding a policy of ours) that
    /// reported lately: what raising a weight and promoting ask for. Silent proxies do not hold it up, but those that had no time to
    /// report since a restart do: otherwise the first one that reports would prove it for all.
    pub fn delivery(&self, generation: u64, expected: &BTreeSet<String>, now: Time) -> Delivery {
        let talks = |node: &Node| !node.silent(now) || node.unheard(now);
        let talking = expected.iter().filter(|name| self.nodes.get(*name).is_some_and(talks));
        self.judge(generation, talking, now)
    }

    /// The same among all expected proxies that are not gone, however long they have been silent: what destroying asks for.
    pub fn everywhere(&self, generation: u64, expected: &BTreeSet<String>, now: Time) -> Delivery {
        let there = expected.iter().filter(|name| !self.nodes.get(*name).is_some_and(|node| node.gone(now)));
        self.judge(generation, there, now)
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
            let last = self.nodes.values().map(Node::last).filter(|last| *last > Time::default()).max();
            Delivery::Unknown { since: last.or(self.began).unwrap_or(now) }
        } else {
            Delivery::Live { since, proxies }
        }
    }

    /// Counters of one service, summed over all VMs ever seen. Those that ended without a final report have nothing in flight:
    /// their open requests are lost, not running.
    pub fn service(&self, id: &RolloutId) -> ServiceReport {
        let mut sum = self.left.get(id).cloned().unwrap_or_default();
        for node in self.nodes.values() {
            node.add_service(id, self.now, &mut sum);
        }
        sum
    }

    /// The union of all VMs' reports of one epoch.
    pub fn epoch(&self, id: &RolloutId, epoch: u64) -> EpochReport {
        let mut sum = EpochReport { epoch, ..EpochReport::default() };
        if let Some(left) = self.left.get(id).and_then(|left| left.epoch.as_ref()).filter(|left| left.epoch == epoch) {
            sum.add(left);
        }
        for node in self.nodes.values() {
            node.add_epoch(id, self.now, &mut sum);
        }
        if let (Some(latency), Some((_, firsts))) = (&mut sum.latency, self.firsts.get(id).filter(|(known, _)| *known == epoch)) {
            latency.first_slow = firsts.first_slow.clone();
        }
        sum
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
        let of_node = |name: &String| Some((name.clone(), self.nodes.get(name)?.answers(id, version, generation, now)));
        let (right, others): (Vec<_>, Vec<_>) = expected.iter().filter_map(of_node).partition(|(_, seen)| seen.right);
        let nodes: Vec<String> = others.into_iter().filter(|(_, seen)| seen.astray).map(|(name, _)| name).collect();
        match (nodes.is_empty(), right.is_empty()) {
            (false, _) => Answers::Astray { nodes },
            (true, false) => Answers::Right,
            (true, true) => Answers::Nothing,
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

    /// Strangers that have been silent for [`GONE`] are forgotten; what they counted stays.
    pub fn sweep(&mut self, now: Time) {
        self.tick(now);
        self.claims.sweep(now);
        let gone = |node: &Node| !node.is_known() && node.gone(now);
        self.remove(gone);
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
        }
    }

    /// The platform saw the connection of this node close or open again.
    pub fn connection(&mut self, node: &str, open: bool, now: Time) {
        self.tick(now);
        if self.has_room(node, Acquaintance::Known, now) {
            self.nodes.entry(node.to_owned()).or_default().connection(open, now);
        }
    }

    /// `shunt forget NODE`: the operator says that it is gone for good.
    pub fn forget(&mut self, node: &str) {
        self.nodes.remove(node);
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

/// What a report says of slots by latency.
fn latencies(report: &Report) -> Vec<(RolloutId, u64, LatencySlots)> {
    let epochs = report.services.iter().filter_map(|(id, service)| Some((id, service.epoch.as_ref()?)));
    epochs.filter_map(|(id, epoch)| Some((id.clone(), epoch.epoch, epoch.latency.clone()?))).collect()
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
