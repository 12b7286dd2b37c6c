//! One kind of bad request, candidate against stable: the first of its kind in each slot of an epoch.

use shunt_filter_core::report::Slots;

use super::arms::ArmSlots;
use super::common;
use super::sequential::{FAILURES, LogRank, MIN_FAILED_SLOTS};

/// The test of one kind with its stopping rule: what it said when it failed stands.
#[derive(Debug, Clone)]
pub(super) struct FirstBad {
    test: LogRank,
    /// Slots that need no counting any more.
    counted: Slots,
    failed: bool,
}

/// Where a test stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Worse than stable.
    Failed,
    /// E says so, but of too few slots.
    Few,
    /// Not worse, so far.
    Below,
}

impl FirstBad {
    /// With the slots of these arms, those of the candidate allowed to be bad `ratio` times as readily. Slots in `before` are in neither.
    pub(super) fn new(ratio: f64, slots: &ArmSlots, before: &Slots) -> Self {
        let at_risk = |arm: &Slots| arm.minus(before).len() as u64;
        let test = LogRank::new(FAILURES, at_risk(&slots.candidate), at_risk(&slots.stable)).tolerating(ratio);
        Self { test, counted: before.clone(), failed: false }
    }

    /// How many times as readily slots of the candidate may be bad.
    pub(super) fn ratio(&self) -> f64 {
        self.test.ratio()
    }

    /// One evaluation: each slot that became bad since the last one counts, once. A test that has failed has stopped.
    pub(super) fn take(&mut self, slots: &ArmSlots, bad: &Slots) {
        if let Some((candidate, stable)) = self.newly(slots, bad).filter(|_| !self.failed) {
            self.test.take(candidate, stable);
        }
    }

    /// The same while nothing is judged: slots that became bad meanwhile are in neither arm any more.
    pub(super) fn skip(&mut self, slots: &ArmSlots, bad: &Slots) {
        if let Some((candidate, stable)) = self.newly(slots, bad) {
            self.test.leave(candidate, stable);
        }
    }

    fn newly(&mut self, slots: &ArmSlots, bad: &Slots) -> Option<(u64, u64)> {
        let newly = bad.minus(&self.counted);
        if newly.is_empty() {
            return None;
        }
        self.counted.union_with(&newly);
        Some((common(&newly, &slots.candidate), common(&newly, &slots.stable)))
    }

    /// Bad slots of the candidate.
    pub(super) fn bad(&self) -> u64 {
        self.test.failed()
    }

    /// ln E.
    pub(super) fn ln_e(&self) -> f64 {
        self.test.ln_e()
    }

    /// Where it stands. `threshold` is 1/α.
    pub(super) fn stand(&mut self, threshold: f64) -> Standing {
        self.failed |= self.test.fails(threshold);
        let reached = self.ln_e() >= threshold.ln() && self.bad() < MIN_FAILED_SLOTS;
        match (self.failed, reached) {
            (true, _) => Standing::Failed,
            (false, true) => Standing::Few,
            (false, false) => Standing::Below,
        }
    }
}
