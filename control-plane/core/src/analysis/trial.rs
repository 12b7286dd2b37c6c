//! The tests of one epoch, with its arms.

use shunt_filter_core::VersionName;
use shunt_filter_core::policy::Range;
use shunt_filter_core::report::{Counters, EpochReport};
use shunt_spec::plan::metric::{Guard, Kind};

use super::arms::ArmSlots;
use super::evaluation::Evaluation;
use super::first_bad::FirstBad;
use super::latency_slots::LatencyComparison;
use super::responses::ResponseComparison;
use super::{Arms, Evidence, Judging, Verdict, common, counters, errors, hanging, reported, threshold};

/// One epoch with its arms.
#[derive(Debug, Clone)]
pub(super) struct Trial {
    pub(super) epoch: u64,
    candidate: VersionName,
    stable: VersionName,
    ranges: Vec<Range>,
    slots: ArmSlots,
    errors: FirstBad,
    responses: ResponseComparison,
    latency: LatencyComparison,
    hanging: FirstBad,
    latest: EpochReport,
}

impl Trial {
    /// Slots that failed or were slow in `before` are in neither arm.
    pub(super) fn new(arms: &Arms<'_>, ratio: f64, epoch: u64, before: &EpochReport) -> Self {
        let slots = ArmSlots::of(arms);
        Self {
            epoch,
            candidate: arms.candidate.clone(),
            stable: arms.stable.clone(),
            ranges: arms.ranges.to_vec(),
            errors: FirstBad::new(ratio, &slots, &before.failed),
            responses: ResponseComparison::new(&slots, before),
            latency: LatencyComparison::new(&slots, before.latency.clone().unwrap_or_default()),
            hanging: FirstBad::new(1.0, &slots, &reported::unanswered_slots(before)),
            slots,
            latest: EpochReport::default(),
        }
    }

    pub(super) fn is_of(&self, arms: &Arms<'_>, ratio: f64) -> bool {
        self.errors.ratio() == ratio && self.candidate == *arms.candidate && self.stable == *arms.stable && self.ranges == arms.ranges
    }

    /// Counts each slot that became bad, or was slow, since the last evaluation, once.
    pub(super) fn with(mut self, evidence: &EpochReport, skips: impl Fn(Kind) -> bool) -> Self {
        let slots = &self.slots;
        match skips(Kind::Errors) {
            true => self.errors.skip(slots, &evidence.failed),
            false => self.errors.take(slots, &evidence.failed),
        }
        match skips(Kind::Responses) {
            true => self.responses.skip(slots, evidence),
            false => self.responses.take(slots, evidence),
        }
        match skips(Kind::Hanging) {
            true => self.hanging.skip(slots, &reported::unanswered_slots(evidence)),
            false => self.hanging.take(slots, &reported::unanswered_slots(evidence)),
        }
        // In its warm-up no proxy marks slots by latency: the policy has no thresholds then.
        if let Some(seen) = &evidence.latency {
            self.latency.take(slots, seen);
        }
        self.latest.clone_from(evidence);
        self
    }

    pub(super) fn evidence(&self) -> Evidence {
        let candidate = self.latest.versions.get(&self.candidate);
        let requests = candidate.map_or(0, |counters| counters.succeeded.saturating_add(counters.failed));
        Evidence { requests, slots: common(&self.slots.candidate, &self.latest.seen) }
    }

    pub(super) fn judge(&mut self, judging: Judging<'_>) -> Vec<Verdict> {
        let nothing = Counters::default();
        let counters = |version| self.latest.versions.get(version).unwrap_or(&nothing);
        let (metrics, threshold) = (judging.metrics, threshold(judging.metrics, judging.steps));
        let arms = Arms { candidate: &self.candidate, stable: &self.stable, ranges: &self.ranges };
        let active = common(&self.slots.candidate, &self.latest.seen);
        let slots = self.slots.candidate.len() as u64;
        let (candidate, stable) = (counters(&self.candidate), counters(&self.stable));
        let evaluation =
            |metric| Evaluation { metric, arms, candidate, stable, evidence: &self.latest, slots, active, warmth: judging.warmth };
        let (errors, responses, latency, hanging) = (&mut self.errors, &mut self.responses, &mut self.latency, &mut self.hanging);
        let judged = metrics.iter().map(|metric| {
            let evaluation = evaluation(metric);
            if let Some(reason) = unjudged(&evaluation, &self.slots) {
                return evaluation.not_applicable(&reason);
            }
            match &metric.guard {
                Guard::ErrorsNoWorseThanStable | Guard::ErrorsWithin(_) => errors::judge(&evaluation, errors, threshold),
                Guard::SuccessRateMin(min) => counters::judge(&evaluation, *min),
                Guard::LatencyMax { percentile, max } => super::latency::judge(&evaluation, *percentile, *max),
                Guard::LatencyNoWorseThanStable(tolerance) => latency.judge(&evaluation, *tolerance, threshold),
                Guard::ResponsesNoWorseThanStable(counted) => responses.judge(&evaluation, &counted.classes, threshold),
                Guard::HangingNoWorseThanStable => hanging::judge(&evaluation, hanging, threshold),
            }
        });
        judged.collect()
    }
}

/// Why a metric cannot be judged in this step; none: it can.
fn unjudged(evaluation: &Evaluation<'_>, slots: &ArmSlots) -> Option<String> {
    let (candidate, stable) = (evaluation.arms.candidate, evaluation.arms.stable);
    if slots.candidate_points == 0 {
        return Some(format!("{candidate} has no weight in this step"));
    }
    evaluation.metric.guard.compares()?;
    if slots.stable_points == 0 {
        return Some(format!("{stable} has no weight in this step, there is nothing to compare with"));
    }
    let none = format!("{stable} has no whole slot of the hash space, there is nothing to compare with");
    slots.stable.is_empty().then_some(none)
}
