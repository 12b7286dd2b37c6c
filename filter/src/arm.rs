//! A version's part of an epoch: where requests count that the split assigned, or the counted rule.

use std::rc::Rc;
use std::time::Duration;

use shunt_filter_core::decision::Counted;
use shunt_filter_core::exemplar::{Exemplar, ExemplarKind};
use shunt_filter_core::goal::{CompiledGoal, GoalAnswer};
use shunt_filter_core::outcome::{Class, ResponseClass};
use shunt_filter_core::policy::{LatencyThresholds, ResponsePolicy, Tolerance};
use shunt_filter_core::{VersionName, Watch};

use crate::ending::Ended;
use crate::host::Map;
use crate::tally::{EpochTally, VersionTally};
use crate::trail::Asked;
use crate::vm::Vm;

/// The version's part of the epoch, under one policy.
#[derive(Debug)]
pub(crate) struct Arm {
    version: VersionName,
    epoch: Rc<EpochTally>,
    counters: Rc<VersionTally>,
    thresholds: Option<LatencyThresholds>,
    /// The share of its successes that count as failed too, when it is what others are compared with.
    tolerance: Option<Tolerance>,
    responses: Option<ResponsePolicy>,
    hang_after: Option<u64>,
    goals: Rc<[Goal]>,
}

/// What a user may reach, kept beyond the policy.
#[derive(Debug)]
pub(crate) struct Goal {
    name: String,
    answer: GoalAnswer,
}

/// The goals of a service or flag, for all its arms.
pub(crate) fn goals(goals: &[CompiledGoal]) -> Rc<[Goal]> {
    goals.iter().map(|goal| Goal { name: goal.name().to_owned(), answer: goal.answer().clone() }).collect()
}

impl Arm {
    /// The arm of a version; from now on the epoch looks at what the policy asks for.
    #[inline(never)]
    pub(crate) fn new(epoch: &Rc<EpochTally>, version: &VersionName, watch: &Watch, goals: &Rc<[Goal]>) -> Self {
        if watch.latency().is_some() {
            epoch.time();
        }
        if watch.hang_after().is_some() {
            epoch.count_hanging();
        }
        if !goals.is_empty() {
            epoch.count_cells();
        }
        Self {
            version: version.clone(),
            epoch: Rc::clone(epoch),
            counters: epoch.version(version),
            thresholds: watch.latency().map(|latency| latency.of(version)),
            tolerance: watch.tolerance().filter(|tolerance| tolerance.version == *version).cloned(),
            responses: watch.responses().cloned(),
            hang_after: watch.hang_after(),
            goals: Rc::clone(goals),
        }
    }

    /// True when answers of this class are counted.
    pub(crate) fn counts(&self, class: ResponseClass) -> bool {
        self.responses.as_ref().is_some_and(|responses| responses.has(class))
    }

    /// After how long a request counts as hanging, nanoseconds; none: not known.
    pub(crate) fn hang_after(&self) -> Option<u64> {
        self.hang_after
    }

    /// A request was decided.
    pub(crate) fn start(&self) {
        self.counters.start();
    }

    /// One of them hangs.
    pub(crate) fn hang(&self, counted: Counted, asked: &Asked) {
        self.counters.hang();
        self.epoch.mark_hanging(counted.slot());
        self.note(ExemplarKind::Hanging, None, asked);
    }

    /// One that hung does not any more.
    pub(crate) fn unhang(&self) {
        self.counters.unhang();
    }

    /// One of them ended. The generator is asked at most once, and only where the policy tolerates something.
    #[inline(never)]
    pub(crate) fn end(&self, vm: &Vm, counted: Counted, asked: &Asked, ended: Ended, latency: Option<Duration>) {
        self.counters.end(ended.class, latency);
        if ended.class == Class::Uncounted {
            return;
        }
        let tolerated = |tolerance: &Tolerance| tolerance.fails(vm.random.next()[0]);
        let padded = ended.class == Class::Succeeded && self.tolerance.as_ref().is_some_and(tolerated);
        self.epoch.mark(counted.slot(), if padded { Class::Failed } else { ended.class });
        if let (Some(latency), Some(thresholds)) = (latency, &self.thresholds) {
            self.epoch.mark_time(counted.slot(), latency, thresholds);
        }
        self.judge(counted, asked, ended);
        if let Some(cell) = counted.cell().filter(|_| !self.goals.is_empty()) {
            self.epoch.mark_cell(cell);
            let header = |name: &str| vm.host().header(Map::Response, name);
            let reached = counted.goals.choose(&self.goals).filter(|goal| goal.answer.is_reached(ended.code, ended.class, header));
            reached.for_each(|goal| self.epoch.mark_goal(&goal.name, cell));
        }
    }

    /// Counts an answer that is no failure and yet may be wrong, and keeps an example of whatever is not as usual.
    fn judge(&self, counted: Counted, asked: &Asked, ended: Ended) {
        let counts = |class: &ResponseClass| self.responses.as_ref().is_some_and(|responses| responses.counts(*class, ended.answer));
        let response = ended.response.filter(counts);
        if let Some(class) = response {
            self.epoch.mark_response(class, &self.version, counted.slot());
        }
        match (ended.class, response) {
            (Class::Failed, _) => self.note(ExemplarKind::Failed, Some(ended), asked),
            (Class::Abandoned, _) => self.note(ExemplarKind::Abandoned, None, asked),
            (Class::Succeeded | Class::Cancelled, Some(class)) => self.note(class.into(), Some(ended), asked),
            (Class::Succeeded | Class::Cancelled | Class::Uncounted, _) => {}
        }
    }

    #[inline(never)]
    fn note(&self, kind: ExemplarKind, ended: Option<Ended>, asked: &Asked) {
        let answer = ended.and_then(|ended| ended.answer);
        self.epoch.note(&self.version, Exemplar::new(kind, answer, asked.method, asked.path.clone()));
    }
}
