//! All proxies: what their reports and their connections tell, and which of them are expected.
//!
//! An expected proxy is one that may hold a policy of ours. It is recorded as soon as it connects or reports with a certificate, and
//! dropped only when it is certainly gone or the operator says so, because a version is destroyed only when all of them agree. A node
//! that only reports, without a certificate, may be made up: it is shown while it does, and holds up nothing.

mod heal;

use std::collections::{BTreeMap, BTreeSet};

use shunt_api::{Memory, Post, ProxyStatus, Rejection, Sender};
use shunt_core::delivery::{Belief, Reports, Survey};
use shunt_core::isolation::{Opinion, Refusal};
use shunt_core::observation::{Answers, Delivery};
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::{Span, Time};

use crate::platform::{Concerns, Platform, Presence, Refused, Sequence, StoreError};
use crate::policy_aggregator::{PolicyProof, RoutesProof};
use heal::Healer;

/// What helps when proxies claim generations that were never published.
const CLAIM_REMEDY: &str = "if the state was lost or restored from an older backup, `shunt recover` goes on above what the proxies run";

/// What is known of all proxies.
#[derive(Debug)]
pub(crate) struct Proxies {
    reports: Reports,
    nodes: BTreeMap<String, Presence>,
    expected: BTreeSet<String>,
    /// Those of them that are not recorded yet.
    unrecorded: BTreeSet<String>,
    healer: Healer,
    memory: Memory,
    /// How often connections had changed when they were taken over last.
    fleet: Option<u64>,
    /// Connected ones that refuse something.
    refusing: Vec<String>,
    /// Everything up to this sequence is acknowledged by every connected one; none: none is connected.
    acknowledged: Option<Sequence>,
    /// How far generations have come, as of the pass that is under way.
    survey: Option<Survey>,
    /// When the memory of all reports was counted last; none: proxies came or went since.
    counted: Option<Time>,
    /// When they were shown last; none: some came or went since.
    viewed: Option<Time>,
}

/// Up to this number of proxies each pass shows them anew, and more of them this often.
const VIEWED_ALWAYS: usize = 100;
const VIEW: Span = Span::millis(250);

/// The memory of all reports is counted this often; that of one proxy with each of its reports.
const COUNT: Span = Span::seconds(1);

impl Proxies {
    /// With the recorded ones, which have not connected to this process yet. `memory` is told what reports take.
    pub(crate) fn new(expected: BTreeSet<String>, memory: Memory, now: Time) -> Self {
        let mut reports = Reports::default();
        for node in &expected {
            reports.remember(node, now);
        }
        let unrecorded = BTreeSet::new();
        let (nodes, healer) = (BTreeMap::new(), Healer::default());
        let (fleet, refusing, acknowledged) = (None, Vec::new(), None);
        let (survey, counted, viewed) = (None, None, None);
        Self { reports, nodes, expected, unrecorded, healer, memory, fleet, refusing, acknowledged, survey, counted, viewed }
    }

    /// What was counted.
    pub(crate) fn reports(&self) -> &Reports {
        &self.reports
    }

    /// Takes one post; `published` is the newest generation that was ever published. Reports of a later one are not believed: they
    /// are kept as a claim of that proxy, and nothing else of them is looked at.
    pub(crate) fn take(&mut self, post: Post, published: u64, now: Time) -> Belief {
        let Post { report, sender, room: _room } = post;
        let (node, vm, generation, sequence) = (&report.node, &report.vm, report.generation, report.sequence);
        tracing::debug!(node, vm, generation, sequence, "a report");
        let belief = self.reports.believe(&report, published, now);
        match belief {
            Belief::Published => {
                if sender == Sender::Certified {
                    self.reports.vouch(&report.node, now);
                }
                let node = report.node.clone();
                self.reports.take(report, now);
                self.memory.keep_of(&node, self.reports.footprint(&node));
            }
            Belief::FirstClaim => {
                tracing::warn!(node, generation, published, "not believed: this generation was never published here; {CLAIM_REMEDY}");
            }
            Belief::Repeated => {}
        }
        belief
    }

    /// Takes over the connections as they are now.
    pub(crate) fn sync(&mut self, on: &Platform, now: Time) {
        let revision = on.presences_revision();
        if self.fleet.replace(revision) != Some(revision) {
            self.connections(on.presences(), now);
        }
    }

    fn connections(&mut self, nodes: Vec<Presence>, now: Time) {
        let nodes: BTreeMap<String, Presence> = nodes.into_iter().map(|status| (status.node.clone(), status)).collect();
        for (node, status) in &nodes {
            let same = |old: &Presence| (old.connected, old.since) == (status.connected, status.since);
            if !self.nodes.get(node).is_some_and(same) {
                self.reports.connection(node, status.connected, now);
            }
        }
        self.refusing =
            nodes.values().filter(|status| status.connected && status.refusal.is_some()).map(|status| status.node.clone()).collect();
        self.acknowledged = nodes.values().filter(|status| status.connected).map(|status| status.routes.sequence()).min();
        self.nodes = nodes;
        (self.counted, self.viewed) = (None, None);
    }

    /// The connections as they were taken over last.
    pub(crate) fn presences(&self) -> Vec<Presence> {
        self.nodes.values().cloned().collect()
    }

    /// By node, the highest generation that it reports and that was never published.
    pub(crate) fn ahead(&self, now: Time) -> BTreeMap<String, u64> {
        self.reports.claims(now)
    }

    /// Records who is expected from now on, and who no longer is.
    pub(crate) async fn keep(&mut self, on: &Platform, now: Time) -> Result<(), StoreError> {
        self.reports.sweep(now);
        if self.counted.is_none_or(|at| now.since(at) >= COUNT || at > now) {
            let known = self.nodes.keys().chain(&self.expected).cloned();
            self.memory.keep(self.reports.footprints(), known);
            self.counted = Some(now);
        }
        let there = self.reports.known(now).chain(self.connected().map(|status| &status.node));
        let new: BTreeSet<String> = there.filter(|node| !self.expected.contains(*node)).cloned().collect();
        if !new.is_empty() {
            (self.counted, self.viewed) = (None, None);
        }
        let gone: Vec<String> = self.reports.gone(&self.expected, now).into_iter().filter(|node| !self.is_connected(node)).collect();
        // They count from now on, also while they cannot be recorded.
        self.expected.extend(new.iter().cloned());
        self.unrecorded.extend(new);
        self.survey = Some(self.reports.survey(&self.expected, now));
        if !self.unrecorded.is_empty() {
            on.expect(self.unrecorded.iter().cloned().collect(), now).await?;
            self.unrecorded.clear();
        }
        if !gone.is_empty() {
            on.dismiss(gone.clone()).await?;
            for node in gone {
                tracing::info!(node, "is gone; it is expected no longer");
                self.expected.remove(&node);
            }
            self.viewed = None;
            self.survey = Some(self.reports.survey(&self.expected, now));
        }
        Ok(())
    }

    /// An operator says that a proxy is gone for good. False: it is not known.
    pub(crate) async fn forget(&mut self, node: &str, on: &Platform) -> Result<bool, StoreError> {
        if !self.expected.contains(node) && !self.nodes.contains_key(node) {
            return Ok(false);
        }
        on.dismiss(vec![node.to_owned()]).await?;
        self.expected.remove(node);
        self.reports.forget(node);
        (self.survey, self.counted, self.viewed) = (None, None, None);
        Ok(true)
    }

    /// Everything published up to this sequence is acknowledged by every connected proxy; none: none is connected.
    pub(crate) fn acknowledged(&self) -> Option<Sequence> {
        self.acknowledged
    }

    /// What connected proxies say of clusters, endpoints and routes, for finding the Rollout at fault.
    pub(crate) fn opinions(&self) -> Vec<Opinion> {
        let opinion = |status: &Presence| Opinion {
            node: status.node.clone(),
            since: status.since,
            acknowledged: status.routes.sequence(),
            refusal: status.refusal.as_ref().filter(|refused| is_of_routes(refused)).map(|refused| Refusal {
                kind: refused.kind.clone(),
                resources: refused.resources.clone(),
                error: refused.error.clone(),
                sequence: refused.sequence,
            }),
        };
        self.connected().map(opinion).collect()
    }

    /// How far a service has come among proxies that reported lately. A proxy that refuses the policy disproves it, whatever others
    /// report; refused routes are another Rollout's matter, or this one's other half.
    pub(crate) fn policy(&self, proof: PolicyProof, now: Time) -> Delivery {
        self.refuses_policy(proof.sequence).unwrap_or_else(|| self.delivery(proof.generation, now))
    }

    /// Who answers what is decided for a version where a service as published has come.
    pub(crate) fn answers(&self, id: &RolloutId, version: &VersionName, proof: PolicyProof, now: Time) -> Answers {
        self.reports.answers(id, version, proof.generation, &self.expected, now)
    }

    /// How far a service has come among all that are not gone.
    pub(crate) fn everywhere(&self, proof: PolicyProof, now: Time) -> Delivery {
        self.refuses_policy(proof.sequence).unwrap_or_else(|| self.has_everywhere(proof.generation, now))
    }

    /// How far routes have come.
    pub(crate) fn routes(&self, proof: RoutesProof, now: Time) -> Delivery {
        let (sequence, generation) = match proof {
            RoutesProof::None => {
                return Delivery::Live { since: Time::default(), proxies: u32::try_from(self.expected.len()).unwrap_or(u32::MAX) };
            }
            // No proxy can have reported a generation that is yet to be pushed.
            RoutesProof::Acknowledge(sequence) => (sequence, u64::MAX),
            RoutesProof::Report(sequence, generation) => (sequence, generation),
        };
        let refused = self.rejected(sequence).or_else(|| self.unacknowledged(sequence));
        refused.unwrap_or_else(|| self.delivery(generation, now))
    }

    /// Whether no proxy that may still be there, however silent, has other routes and endpoints than these: what stopping an
    /// instance asks for.
    pub(crate) fn no_proxy_uses_other_routes(&self, proof: RoutesProof, now: Time) -> bool {
        let generation = match proof {
            RoutesProof::None => return true,
            RoutesProof::Acknowledge(_) => u64::MAX,
            RoutesProof::Report(_, generation) => generation,
        };
        let here = match self.routes(proof, now) {
            Delivery::Live { .. } | Delivery::Unknown { .. } => true,
            Delivery::Waiting { .. } | Delivery::Rejected { .. } => false,
        };
        // Where no proxy is expected, none can have others.
        here && matches!(self.has_everywhere(generation, now), Delivery::Live { .. } | Delivery::Unknown { .. })
    }

    /// Among proxies that reported lately: from the survey of this pass, while it holds.
    fn delivery(&self, generation: u64, now: Time) -> Delivery {
        let walk = || self.reports.delivery(generation, &self.expected, now);
        self.survey(now).map_or_else(walk, |survey| survey.delivery(generation))
    }

    /// Among all that are not gone.
    fn has_everywhere(&self, generation: u64, now: Time) -> Delivery {
        let walk = || self.reports.everywhere(generation, &self.expected, now);
        self.survey(now).map_or_else(walk, |survey| survey.everywhere(generation))
    }

    fn survey(&self, now: Time) -> Option<&Survey> {
        self.survey.as_ref().filter(|survey| survey.is_of(&self.reports, now))
    }

    /// Some connected proxy refuses what was published as this sequence, or later.
    fn rejected(&self, sequence: Sequence) -> Option<Delivery> {
        self.refused(sequence, |_| true)
    }

    /// The same of the policy alone.
    fn refuses_policy(&self, sequence: Sequence) -> Option<Delivery> {
        self.refused(sequence, |refused| matches!(refused.concerns, Concerns::Policy | Concerns::Unknown))
    }

    fn refused(&self, sequence: Sequence, what: impl Fn(&Refused) -> bool) -> Option<Delivery> {
        let refusing = self.refusing.iter().filter_map(|node| self.nodes.get(node));
        let behind = refusing.filter(|status| status.routes.sequence() < sequence);
        let mut refused = behind.filter_map(|status| Some((status, status.refusal.as_ref().filter(|refused| what(refused))?)));
        let (status, refused) = refused.next()?;
        Some(Delivery::Rejected { node: status.node.clone(), error: format!("{}: {}", refused.kind, refused.error) })
    }

    fn unacknowledged(&self, sequence: Sequence) -> Option<Delivery> {
        if self.acknowledged.is_none_or(|all| all >= sequence) {
            return None;
        }
        let behind = self.connected().filter(|status| status.routes.sequence() < sequence);
        let behind: Vec<String> = behind.map(|status| status.node.clone()).collect();
        (!behind.is_empty()).then_some(Delivery::Waiting { behind })
    }

    fn connected(&self) -> impl Iterator<Item = &Presence> {
        self.nodes.values().filter(|status| status.connected)
    }

    fn is_connected(&self, node: &str) -> bool {
        self.nodes.get(node).is_some_and(|status| status.connected)
    }

    /// Why a push is wanted that changes nothing: a VM of some connected proxy is dead, and any push replaces it.
    pub(crate) fn heal(&mut self, now: Time) -> Option<String> {
        let with_dead_vms: Vec<String> = self.reports.with_dead_vms(now).into_iter().filter(|node| self.is_connected(node)).collect();
        self.healer
            .due(&with_dead_vms, now)
            .then(|| format!("a worker of {} went silent; a push replaces its VM", with_dead_vms.join(", ")))
    }

    /// A warning about proxies that are expected and have not reported lately; none: there are none.
    pub(crate) fn silence(&self, now: Time) -> Option<String> {
        let silent: Vec<&str> = self.expected.iter().filter(|node| !self.reports.talks_now(node, now)).map(String::as_str).collect();
        let names = silent.join(", ");
        (!silent.is_empty())
            .then(|| format!("silent, so nothing that they may use is taken away: {names}; gone for good? `shunt forget NODE`"))
    }

    /// A warning about proxies that we know and that run what was never published; none: there are none.
    pub(crate) fn disbelieved(&self, now: Time) -> Option<String> {
        let claims = self.reports.claims(now);
        let known = |node: &&String| self.expected.contains(*node) || self.is_connected(node);
        let names: Vec<&str> = claims.keys().filter(known).map(String::as_str).collect();
        (!names.is_empty())
            .then(|| format!("not believed, because they run a policy that was never published here: {}; {CLAIM_REMEDY}", names.join(", ")))
    }

    /// Whether they are to be shown anew. Then they count as shown.
    pub(crate) fn views_are_due(&mut self, now: Time) -> bool {
        let due = self.expected.len() <= VIEWED_ALWAYS || self.viewed.is_none_or(|at| now.since(at) >= VIEW || at > now);
        if due {
            self.viewed = Some(now);
        }
        due
    }

    /// For people, in order of node id.
    pub(crate) fn views(&self, now: Time) -> Vec<ProxyStatus> {
        let seen: BTreeMap<String, _> = self.reports.proxies(now).into_iter().map(|seen| (seen.node.clone(), seen)).collect();
        let claims = self.reports.claims(now);
        let there = self.connected().map(|status| &status.node);
        let refused = self.memory.refused(now);
        let odd = claims.keys().chain(refused.keys());
        let names: BTreeSet<&String> = self.expected.iter().chain(seen.keys()).chain(odd).chain(there).collect();
        let view = |node: &String| {
            let status = self.nodes.get(node).filter(|status| status.connected);
            let seen = seen.get(node).filter(|seen| seen.last > Time::default());
            ProxyStatus {
                node: node.clone(),
                connected: status.is_some(),
                expected: self.expected.contains(node),
                generation: seen.map(|seen| seen.generation),
                claimed: claims.get(node).copied(),
                refused: refused.get(node).cloned(),
                vms: seen.map_or(0, |seen| seen.vms),
                lost_vms: seen.map_or(0, |seen| seen.lost),
                dead_vms: seen.map_or(0, |seen| seen.dead),
                modules: seen.map(|seen| seen.modules.iter().cloned().collect()).unwrap_or_default(),
                misrouted: seen.map_or(0, |seen| seen.misrouted),
                unrouted: seen.map_or(0, |seen| seen.unrouted),
                last_misrouted: seen.and_then(|seen| seen.last_misrouted),
                last_report: seen.map(|seen| seen.last),
                silent: seen.is_none_or(|seen| seen.silent),
                rejected: status.and_then(rejection).into_iter().collect(),
            }
        };
        names.into_iter().map(view).collect()
    }
}

fn rejection(status: &Presence) -> Option<Rejection> {
    let Refused { kind, error, .. } = status.refusal.clone()?;
    Some(Rejection { kind, error })
}

/// Whether it is about what Rollouts have of their own: neither the listener, nor the policy, which all share. A configuration of ours that
/// is withheld because it would break requests is about routes, too.
fn is_of_routes(refused: &Refused) -> bool {
    match refused.concerns {
        Concerns::Routes | Concerns::Unknown => true,
        Concerns::Policy | Concerns::Listener => false,
    }
}

#[cfg(test)]
mod tests;
