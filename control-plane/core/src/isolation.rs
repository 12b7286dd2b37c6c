//! Whose routes a proxy refuses, so that one Rollout does not hold up all others.
//!
//! All Rollouts share one set of clusters and routes. When a proxy refuses a part of it, the Rollout at fault is found by the name in
//! the proxy's words, or, where they name none, by publishing halves of what is new. Its routes as they were accepted last, or none,
//! are published in place of what is refused, until what it wants changes or the proxy that refused it connects anew.
//!
//! Pure: what is wanted and what proxies said go in, what to publish comes out.

mod named;
mod search;

use std::collections::{BTreeMap, BTreeSet};

use shunt_filter_core::RolloutId;
use shunt_spec::time::{Span, Time};

use crate::desired::Routes;
use search::{Next, Search};

/// Number of a published configuration, as the server of the proxies counts them; anew in each process.
pub type Sequence = u64;

/// A proxy needs a moment to take a configuration from which what it refused is gone: until then its refusal is no news.
const SETTLING: Span = Span::seconds(3);

/// What one connected proxy says of the configurations that it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// Node id.
    pub node: String,
    /// Since when it is connected.
    pub since: Time,
    /// The highest one of which it has acknowledged everything.
    pub acknowledged: Sequence,
    /// What it refuses of clusters, endpoints and routes; none: nothing.
    pub refusal: Option<Refusal>,
}

/// Refused clusters, endpoints or routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For people: `clusters`.
    pub kind: String,
    /// Names of resources that were refused alone; empty: it is not known which.
    pub resources: Vec<String>,
    /// The proxy's own words.
    pub error: String,
    /// The configuration that was refused.
    pub sequence: Sequence,
}

/// What of a Rollout is not published, because a proxy refuses it.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    /// What it wanted; it is tried again when it wants something else.
    pub routes: Routes,
    /// Who refuses it.
    pub node: String,
    /// For people: `clusters`.
    pub kind: String,
    /// The proxy's own words.
    pub error: String,
    /// Since when.
    pub at: Time,
}

/// How a Rollout's routes stand with the proxies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing<'i> {
    /// What it wants is published.
    Published,
    /// It is not, for a moment, while the Rollout is sought whose routes are refused.
    Aside,
    /// It is refused; what was accepted before is published.
    Rejected(&'i Rejected),
}

/// What was published of a Rollout, since which sequence.
#[derive(Debug)]
struct Shown {
    routes: Option<Routes>,
    since: Sequence,
}

/// A proxy that refuses what no Rollout can mend; how it was when that was found.
#[derive(Debug, PartialEq)]
struct Odd {
    since: Time,
    acknowledged: Sequence,
}

/// What is published of each Rollout, and which of them are refused.
#[derive(Debug, Default)]
pub struct Isolation {
    /// Routes that every connected proxy acknowledged last.
    accepted: BTreeMap<RolloutId, Routes>,
    /// Of those the ones that are not recorded yet.
    unrecorded: BTreeSet<RolloutId>,
    effective: BTreeMap<RolloutId, Option<Routes>>,
    shown: BTreeMap<RolloutId, Shown>,
    /// Shown and not acknowledged yet.
    open: BTreeSet<RolloutId>,
    rejected: BTreeMap<RolloutId, Rejected>,
    search: Option<Search>,
    odd: BTreeMap<String, Odd>,
    newest: Sequence,
    /// What it published last because of a refusal, and until when older refusals are no news.
    handled: Option<(Sequence, Time)>,
    revision: u64,
}

impl Isolation {
    /// With the routes that were recorded as accepted.
    pub fn new(accepted: BTreeMap<RolloutId, Routes>) -> Self {
        Self { accepted, ..Self::default() }
    }

    /// Changes whenever [`Isolation::effective`] may say something else of any Rollout.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What to publish for a Rollout that wants these routes.
    pub fn effective(&mut self, id: &RolloutId, wanted: Option<Routes>) -> Option<Routes> {
        if self.rejected.get(id).is_some_and(|rejected| wanted.as_ref() != Some(&rejected.routes)) {
            self.rejected.remove(id);
        }
        let routes = match wanted {
            Some(_) if self.rejected.contains_key(id) => self.accepted.get(id).cloned(),
            Some(routes) if self.is_aside(id, &routes) => self.accepted.get(id).cloned(),
            other => other,
        };
        self.effective.insert(id.clone(), routes.clone());
        routes
    }

    /// Only what is new, and is not tried just now, waits while the one at fault is sought.
    fn is_aside(&self, id: &RolloutId, wanted: &Routes) -> bool {
        self.search.as_ref().is_some_and(|search| !search.tries(id)) && self.accepted.get(id) != Some(wanted)
    }

    /// How what this Rollout wants stands.
    pub fn standing(&self, id: &RolloutId) -> Standing<'_> {
        let shown = || self.effective.get(id).and_then(Option::as_ref);
        match (self.rejected.get(id), &self.search) {
            (Some(rejected), _) => Standing::Rejected(rejected),
            (None, Some(search)) if search.waits(id) && shown() == self.accepted.get(id) => Standing::Aside,
            (None, _) => Standing::Published,
        }
    }

    /// What [`Isolation::effective`] said of all is published as this sequence, or was already.
    pub fn published(&mut self, sequence: Sequence) {
        self.newest = sequence;
        for (id, routes) in &self.effective {
            if self.shown.get(id).is_some_and(|shown| shown.routes == *routes) {
                continue;
            }
            match self.accepted.get(id) == routes.as_ref() && routes.is_some() {
                true => self.open.remove(id),
                false => self.open.insert(id.clone()),
            };
            self.shown.insert(id.clone(), Shown { routes: routes.clone(), since: sequence });
        }
        if let Some(search) = &mut self.search {
            search.published(sequence);
        }
        if let Some((handled, _)) = self.handled.as_mut().filter(|(handled, _)| *handled == 0) {
            *handled = sequence;
        }
    }

    /// This Rollout is forgotten.
    pub fn forget(&mut self, id: &RolloutId) {
        self.accepted.remove(id);
        self.unrecorded.remove(id);
        self.effective.remove(id);
        self.shown.remove(id);
        self.open.remove(id);
        self.rejected.remove(id);
    }

    /// Accepted routes that are to be recorded; none: those that were are gone.
    pub fn unrecorded(&self) -> Vec<(RolloutId, Option<Routes>)> {
        self.unrecorded.iter().map(|id| (id.clone(), self.accepted.get(id).cloned())).collect()
    }

    /// They are.
    pub fn recorded(&mut self) {
        self.unrecorded.clear();
    }

    /// Takes what all connected proxies say now. Each Rollout that is refused by this, once.
    pub fn hear(&mut self, opinions: &[Opinion], now: Time) -> Vec<RolloutId> {
        self.forgive(opinions);
        self.learn(opinions);
        let before: BTreeSet<RolloutId> = self.rejected.keys().cloned().collect();
        match self.search.take() {
            Some(search) => self.go_on(search, opinions, now),
            None => self.begin(opinions, now),
        }
        self.rejected.keys().filter(|id| !before.contains(*id)).cloned().collect()
    }

    /// A proxy that connected anew may be another Envoy: what it refused is tried again.
    fn forgive(&mut self, opinions: &[Opinion]) {
        let now = |node: &str| opinions.iter().find(|opinion| opinion.node == node);
        self.odd.retain(|node, odd| now(node).is_some_and(|now| now.since == odd.since && now.acknowledged <= odd.acknowledged));
        let again = |rejected: &Rejected| now(&rejected.node).is_none_or(|now| now.since > rejected.at);
        let before = self.rejected.len();
        self.rejected.retain(|_, rejected| !again(rejected));
        if self.rejected.len() != before {
            self.changed();
        }
    }

    /// What every proxy has acknowledged is accepted.
    fn learn(&mut self, opinions: &[Opinion]) {
        let Some(everywhere) = self.sound(opinions).map(|opinion| opinion.acknowledged).min() else { return };
        let there: Vec<RolloutId> =
            self.open.iter().filter(|id| self.shown.get(*id).is_some_and(|shown| shown.since <= everywhere)).cloned().collect();
        for id in there {
            match self.shown.get(&id).and_then(|shown| shown.routes.clone()) {
                Some(routes) => drop(self.accepted.insert(id.clone(), routes)),
                None => drop(self.accepted.remove(&id)),
            }
            self.open.remove(&id);
            self.unrecorded.insert(id);
        }
    }

    fn sound<'o>(&self, opinions: &'o [Opinion]) -> impl Iterator<Item = &'o Opinion> {
        opinions.iter().filter(|opinion| !self.odd.contains_key(&opinion.node))
    }

    /// The first refusal that is news, with who refuses.
    fn news<'o>(&self, opinions: &'o [Opinion], now: Time) -> Option<(&'o Opinion, &'o Refusal)> {
        let news = |refusal: &&Refusal| {
            self.handled.is_none_or(|(sequence, until)| (sequence > 0 && refusal.sequence >= sequence) || now >= until)
        };
        self.sound(opinions).find_map(|opinion| Some((opinion, opinion.refusal.as_ref().filter(news)?)))
    }

    /// Everything that is new and shown may be at fault.
    fn begin(&mut self, opinions: &[Opinion], now: Time) {
        let Some((opinion, refusal)) = self.news(opinions, now) else { return };
        let suspects: BTreeMap<RolloutId, Routes> =
            self.open.iter().filter_map(|id| Some((id.clone(), self.shown.get(id)?.routes.clone()?))).collect();
        let named = named::rollouts(refusal);
        let guilty: Vec<(&RolloutId, &Routes)> = suspects.iter().filter(|(id, _)| named.contains(*id)).collect();
        if !guilty.is_empty() {
            guilty.into_iter().for_each(|(id, routes)| self.reject(id, routes.clone(), opinion, refusal, now));
            self.changed();
        } else if suspects.is_empty() || !named.is_empty() {
            // It refuses what others took, or took itself before: nothing that is new, so no Rollout can mend it.
            self.mark(opinion);
        } else {
            self.search = Some(Search::new(suspects, opinion.node.clone(), refusal.clone(), now));
            self.changed();
        }
        self.handled = Some((0, now.after(SETTLING)));
    }

    fn go_on(&mut self, mut search: Search, opinions: &[Opinion], now: Time) {
        let sound: Vec<&Opinion> = self.sound(opinions).collect();
        match search.next(&sound, now) {
            Next::Wait => return self.search = Some(search),
            Next::Try => self.search = Some(search),
            Next::Reject(id, node, refusal) => {
                // What was tried just now, or, where nothing was, what was refused in company.
                let tried =
                    self.shown.get(&id).and_then(|shown| shown.routes.clone()).filter(|shown| self.accepted.get(&id) != Some(shown));
                let routes = tried.or_else(|| search.suspect(&id).cloned());
                if let Some((opinion, routes)) = opinions.iter().find(|opinion| opinion.node == node).zip(routes) {
                    self.reject(&id, routes, opinion, &refusal, now);
                }
                self.search = search.goes_on().then_some(search);
            }
            // It refuses even what it had accepted.
            Next::Odd(node) => {
                if let Some(opinion) = opinions.iter().find(|opinion| opinion.node == node) {
                    self.mark(opinion);
                }
            }
            Next::Over => {}
        }
        self.changed();
        self.handled = Some((0, now.after(SETTLING)));
    }

    fn reject(&mut self, id: &RolloutId, routes: Routes, opinion: &Opinion, refusal: &Refusal, now: Time) {
        let (node, kind, error) = (opinion.node.clone(), refusal.kind.clone(), refusal.error.clone());
        self.rejected.insert(id.clone(), Rejected { routes, node, kind, error, at: now });
    }

    fn mark(&mut self, opinion: &Opinion) {
        self.odd.insert(opinion.node.clone(), Odd { since: opinion.since, acknowledged: opinion.acknowledged });
    }

    fn changed(&mut self) {
        self.revision = self.revision.saturating_add(1);
    }
}

#[cfg(test)]
mod tests;
