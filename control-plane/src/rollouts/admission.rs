//! What is recorded follows what users want: new Rollouts, changed ones, those that claim another's host, those that are gone. Written
//! once, whatever platform the wishes come from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shunt_filter_core::RolloutId;
use shunt_spec::manifest::conflicts;
use shunt_spec::{Plan, Time};

use super::Rollouts;
use super::writes::Failure;
use crate::platform::{Conflicted, Resources};

/// Rollouts that are not recorded, or want something that they cannot have.
#[derive(Debug, Default)]
pub(super) struct Admission {
    pub(super) conflicted: BTreeMap<RolloutId, Conflicted>,
    new: BTreeMap<RolloutId, Candidate>,
}

/// A new one that is not recorded yet.
#[derive(Debug)]
struct Candidate {
    plan: Arc<Plan>,
    first_seen: Time,
    writing: Option<Arc<Plan>>,
    failure: Option<Failure>,
}

impl Admission {
    /// New ones whose first record is due; they count as begun.
    pub(super) fn due(&mut self, now: Time) -> Vec<(Arc<Plan>, Time)> {
        let free = |one: &&mut Candidate| one.writing.is_none() && one.failure.as_ref().is_none_or(|failure| failure.until <= now);
        let begin = |one: &mut Candidate| {
            one.writing = Some(one.plan.clone());
            (one.plan.clone(), one.first_seen)
        };
        self.new.values_mut().filter(free).map(begin).collect()
    }

    /// This one is recorded, or refused. What it should be by now, where that changed meanwhile.
    pub(super) fn admitted(&mut self, plan: &Arc<Plan>) -> Option<Arc<Plan>> {
        self.new.remove(&plan.id).map(|one| one.plan).filter(|newest| newest != plan)
    }

    /// This one could not be recorded.
    pub(super) fn failed(&mut self, id: &RolloutId, failure: impl FnOnce(Option<Failure>) -> Failure) {
        if let Some(one) = self.new.get_mut(id) {
            one.writing = None;
            one.failure = Some(failure(one.failure.take()));
        }
    }

    /// This one changes nothing.
    pub(super) fn refuse(&mut self, plan: Arc<Plan>, reason: String) {
        tracing::warn!(rollout = %plan.id, "conflicted: {reason}");
        self.conflicted.insert(plan.id.clone(), Conflicted { plan, reason });
    }
}

impl Rollouts {
    /// Takes what users want by now; what follows is recorded from now on. Says each change in the log.
    pub(crate) fn accept(&mut self, resources: Resources, now: Time) {
        let Resources { plans, gone } = resources;
        self.retire(&gone);
        self.admission.conflicted.clear();
        let (known, new): (Vec<Plan>, Vec<Plan>) = plans.into_iter().partition(|plan| self.all.contains_key(&plan.id));
        let names: BTreeSet<RolloutId> = new.iter().map(|plan| plan.id.clone()).collect();
        // One that is wanted no more is not admitted, unless that has begun.
        self.admission.new.retain(|id, one| names.contains(id) || one.writing.is_some());
        for plan in known {
            self.update(Arc::new(plan));
        }
        let begun = self.admission.new.values().filter_map(|one| one.writing.clone()).collect::<Vec<_>>();
        let wanted = self.wanted();
        let held = wanted.iter().chain(&begun).map(|plan| (&**plan, Time(0)));
        let refused = conflicts(
            &held
                .chain(new.iter().filter(|plan| begun.iter().all(|begun| begun.id != plan.id)).map(|plan| (plan, Time(1))))
                .collect::<Vec<_>>(),
        );
        for plan in new {
            let plan = Arc::new(plan);
            match refused.get(&plan.id) {
                Some(reason) => {
                    self.admission.new.remove(&plan.id);
                    self.admission.refuse(plan, reason.clone());
                }
                None => match self.admission.new.get_mut(&plan.id) {
                    Some(one) => one.plan = plan,
                    None => {
                        let id = plan.id.clone();
                        self.admission.new.insert(id, Candidate { plan, first_seen: now, writing: None, failure: None });
                    }
                },
            }
        }
        self.pump(now);
    }

    /// What recorded Rollouts should be by now, whether that is recorded or not.
    fn wanted(&self) -> Vec<Arc<Plan>> {
        self.all.values().map(|tracked| tracked.planned.as_ref().unwrap_or(&tracked.stored.plan).clone()).collect()
    }

    fn retire(&mut self, gone: &BTreeSet<RolloutId>) {
        for id in gone {
            if let Some(tracked) = self.all.get_mut(id) {
                let plan = tracked.planned.as_ref().unwrap_or(&tracked.stored.plan);
                tracked.planned = Some(Arc::new(Plan { gone: true, ..Plan::clone(plan) }));
            }
        }
    }

    /// A known Rollout's plan as it is now: in force, unless it claims a host that another one has.
    fn update(&mut self, plan: Arc<Plan>) {
        let Some(tracked) = self.all.get(&plan.id) else { return };
        let before = tracked.planned.as_ref().unwrap_or(&tracked.stored.plan).clone();
        if before == plan {
            return;
        }
        if (&before.hosts, before.port) != (&plan.hosts, plan.port) {
            let wanted = self.wanted();
            let others = wanted.iter().filter(|other| other.id != plan.id).map(|other| (&**other, Time(0)));
            if let Some(reason) = conflicts(&others.chain([(&*plan, Time(1))]).collect::<Vec<_>>()).remove(&plan.id) {
                return self.admission.refuse(plan, reason);
            }
        }
        if let Some(tracked) = self.all.get_mut(&plan.id) {
            tracked.planned = Some(plan).filter(|plan| *plan != tracked.stored.plan || tracked.writing);
        }
    }
}
