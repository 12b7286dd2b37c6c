//! What the API shows: views of Rollouts, proxies, problems, the policy; each replaced only when it changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use shunt_api::{Notice, ProxyStatus, RolloutNow};
use shunt_core::observation::{Freeze, Observation};
use shunt_core::status::{RolloutStatus, view};
use shunt_core::{Phase, State};
use shunt_filter_core::policy::FORMAT;
use shunt_filter_core::{RolloutId, RoutingPolicy};
use shunt_spec::Time;
use shunt_spec::manifest::ManifestError;
use tokio::sync::watch;

use crate::platform::Conflicted;

/// The sending ends; the API has the others.
#[derive(Debug)]
pub(crate) struct Show {
    views: BTreeMap<RolloutId, Arc<RolloutNow>>,
    rollouts: watch::Sender<Arc<Vec<Arc<RolloutNow>>>>,
    policy: watch::Sender<Arc<RoutingPolicy>>,
    proxies: watch::Sender<Arc<Vec<ProxyStatus>>>,
    problems: watch::Sender<Arc<Vec<ManifestError>>>,
    freeze: watch::Sender<Freeze>,
    ready: watch::Sender<bool>,
    notices: watch::Sender<Arc<Vec<Notice>>>,
}

/// The receiving ends.
#[derive(Debug)]
pub(crate) struct Shown {
    /// All Rollouts, in order of id.
    pub(crate) rollouts: watch::Receiver<Arc<Vec<Arc<RolloutNow>>>>,
    /// The policy published last.
    pub(crate) policy: watch::Receiver<Arc<RoutingPolicy>>,
    /// All proxies.
    pub(crate) proxies: watch::Receiver<Arc<Vec<ProxyStatus>>>,
    /// What is wrong with the manifests.
    pub(crate) problems: watch::Receiver<Arc<Vec<ManifestError>>>,
    /// Whether an operator has frozen all releases.
    pub(crate) freeze: watch::Receiver<Freeze>,
    /// Whether everything has contributed and is served.
    pub(crate) ready: watch::Receiver<bool>,
    /// What an operator should know about the control plane as a whole.
    pub(crate) notices: watch::Receiver<Arc<Vec<Notice>>>,
}

impl Show {
    /// Nothing is shown yet.
    pub(crate) fn new() -> (Self, Shown) {
        let empty = RoutingPolicy { format: FORMAT, generation: 0, report: None, signing: None, services: Vec::new(), flags: Vec::new() };
        let (rollouts, rollouts_seen) = watch::channel(Arc::default());
        let (policy, policy_seen) = watch::channel(Arc::new(empty));
        let (proxies, proxies_seen) = watch::channel(Arc::default());
        let (problems, problems_seen) = watch::channel(Arc::default());
        let (freeze, freeze_seen) = watch::channel(Freeze::Off);
        let (ready, ready_seen) = watch::channel(false);
        let (notices, notices_seen) = watch::channel(Arc::default());
        let show = Self { views: BTreeMap::new(), rollouts, policy, proxies, problems, freeze, ready, notices };
        let shown = Shown {
            rollouts: rollouts_seen,
            policy: policy_seen,
            proxies: proxies_seen,
            problems: problems_seen,
            freeze: freeze_seen,
            ready: ready_seen,
            notices: notices_seen,
        };
        (show, shown)
    }

    /// One Rollout as it is now.
    pub(crate) fn rollout(&mut self, now: RolloutNow) {
        let same = |old: &Arc<RolloutNow>| {
            let at = now.view.at;
            old.plan == now.plan && old.state == now.state && RolloutStatus { at, ..old.view.clone() } == now.view
        };
        if !self.views.get(&now.plan.id).is_some_and(same) {
            self.views.insert(now.plan.id.clone(), Arc::new(now));
        }
    }

    /// Whether an operator has frozen all releases.
    pub(crate) fn freeze(&self, freeze: &Freeze) {
        self.freeze.send_if_modified(|old| {
            let changed = old != freeze;
            old.clone_from(freeze);
            changed
        });
    }

    /// This Rollout is forgotten.
    pub(crate) fn forget(&mut self, id: &RolloutId) {
        self.views.remove(id);
    }

    /// Hands on what changed since the last time.
    pub(crate) fn rollouts(&self, conflicted: &BTreeMap<RolloutId, Conflicted>, problems: &[ManifestError], now: Time) {
        let refused = conflicted.iter().filter(|(id, _)| !self.views.contains_key(*id));
        let refused = refused.map(|(id, conflicted)| (id.clone(), Arc::new(conflict_view(conflicted, problems, now))));
        let all: BTreeMap<RolloutId, Arc<RolloutNow>> =
            self.views.iter().map(|(id, now)| (id.clone(), now.clone())).chain(refused).collect();
        self.rollouts.send_if_modified(|shown| {
            let same = shown.len() == all.len() && shown.iter().zip(all.values()).all(|(old, new)| is_same(old, new));
            if !same {
                *shown = Arc::new(all.into_values().collect());
            }
            !same
        });
    }

    /// The policy published last.
    pub(crate) fn policy(&self, policy: RoutingPolicy) {
        self.policy.send_replace(Arc::new(policy));
    }

    /// All proxies.
    pub(crate) fn proxies(&self, views: Vec<ProxyStatus>) {
        replace(&self.proxies, views);
    }

    /// What an operator should know about the control plane as a whole.
    pub(crate) fn notices(&self, notices: Vec<Notice>) {
        replace(&self.notices, notices);
    }

    /// What is wrong with the manifests.
    pub(crate) fn problems(&self, problems: &[ManifestError]) {
        if self.problems.borrow().as_slice() != problems {
            self.problems.send_replace(Arc::new(problems.to_vec()));
        }
    }

    /// Whether everything has contributed and is served.
    pub(crate) fn ready(&self, ready: bool) {
        self.ready.send_if_modified(|shown| std::mem::replace(shown, ready) != ready);
    }
}

fn replace<T: PartialEq>(sender: &watch::Sender<Arc<T>>, value: T) {
    sender.send_if_modified(|shown| {
        let changed = **shown != value;
        if changed {
            *shown = Arc::new(value);
        }
        changed
    });
}

/// Views of Rollouts that are not recorded are made anew each time.
fn is_same(old: &Arc<RolloutNow>, new: &Arc<RolloutNow>) -> bool {
    let at = new.view.at;
    Arc::ptr_eq(old, new) || (old.plan == new.plan && old.state == new.state && RolloutStatus { at, ..old.view.clone() } == new.view)
}

/// What is wrong with this Rollout's manifest, for its view.
pub(crate) fn warnings(id: &RolloutId, problems: &[ManifestError]) -> Vec<String> {
    let own = problems.iter().filter(|problem| problem.rollout.as_ref() == Some(id));
    own.map(|problem| format!("manifest refused, the last good version stays in force: {problem}")).collect()
}

/// A Rollout that was never admitted, because an older one owns a host of it.
fn conflict_view(conflicted: &Conflicted, problems: &[ManifestError], now: Time) -> RolloutNow {
    let plan = (*conflicted.plan).clone();
    let state = State::initial(&plan);
    let seen = Observation::unknown(now);
    let message = format!("Conflicted: {}", conflicted.reason);
    let view = RolloutStatus { phase: Phase::Degraded, message, warnings: warnings(&plan.id, problems), ..view(&plan, &state, &seen) };
    RolloutNow { view, plan, state }
}
