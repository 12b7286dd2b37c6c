//! What every metric sees at one evaluation.

use shunt_filter_core::report::{Counters, EpochReport};
use shunt_spec::plan::metric::Metric;
use shunt_spec::plural::counted;

use super::{Arms, Outcome, Verdict, Warmth};

/// Candidate slots with at least one request below which nothing passes: fewer users say little about a release.
pub(crate) const MIN_ACTIVE_SLOTS: u64 = 10;

/// One metric, and what is known of both arms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evaluation<'a> {
    pub(super) metric: &'a Metric,
    pub(super) arms: Arms<'a>,
    pub(super) candidate: &'a Counters,
    pub(super) stable: &'a Counters,
    /// The whole report that both are of.
    pub(super) evidence: &'a EpochReport,
    /// Whole slots of the candidate.
    pub(super) slots: u64,
    /// Those with at least one ended request.
    pub(super) active: u64,
    /// How warm the instances are.
    pub(super) warmth: Warmth,
}

impl Evaluation<'_> {
    /// Whether new instances have answered for less than the metric's warm-up.
    pub(super) fn is_warming(&self) -> bool {
        self.warmth.is_below(self.metric.warm_up)
    }

    /// Requests of the candidate that ended well or badly.
    pub(super) fn samples(&self) -> u64 {
        self.candidate.succeeded.saturating_add(self.candidate.failed)
    }

    /// What a pass still needs, as a part of a sentence; none when there is enough.
    pub(super) fn missing(&self, samples: u64) -> Option<String> {
        let version = self.arms.candidate;
        if self.is_warming() {
            return Some(format!("not judged until new instances have answered for {} (warm-up)", self.metric.warm_up));
        }
        if self.slots < MIN_ACTIVE_SLOTS {
            let slots = counted(self.slots, "whole slot");
            return Some(format!(
                "{version} has {slots} of the hash space, {MIN_ACTIVE_SLOTS} are needed: raise its weight to 0.1 % or more"
            ));
        }
        let requests = self.metric.min_samples.saturating_sub(samples);
        let slots = MIN_ACTIVE_SLOTS.saturating_sub(self.active);
        let requests = (requests > 0).then(|| format!("{} of {version}", counted(requests, "more request")));
        let slots = (slots > 0).then(|| counted(slots, "more active slot"));
        match (requests, slots) {
            (None, None) => None,
            (Some(one), None) => Some(format!("needs {one}")),
            (None, Some(one)) => Some(format!("needs {one} of {version}")),
            (Some(requests), Some(slots)) => Some(format!("needs {requests} and {slots}")),
        }
    }

    /// A verdict without a baseline.
    pub(super) fn verdict(&self, outcome: Outcome, value: String, samples: u64, threshold: String, sentence: &str) -> Verdict {
        let metric = self.metric.name.clone();
        let message = format!("{metric}: {sentence}");
        Verdict { metric, outcome, value, baseline: String::new(), samples, threshold, message }
    }

    /// It cannot be judged in this step, for this reason.
    pub(super) fn not_applicable(&self, reason: &str) -> Verdict {
        self.verdict(Outcome::NotApplicable, String::new(), self.samples(), String::new(), reason)
    }
}

/// Whether more than `allowed` percent are bad, of `samples`, or of `min_samples` while there are fewer: then it stays so even if all
/// that are still missing are good. So a fixed limit may fail from the first request on, and never for one that could still be met.
pub(super) fn exceeds(bad: f64, allowed: f64, samples: u64, min_samples: u64) -> bool {
    let of = samples.max(min_samples) as f64;
    // The margin is below one request and above rounding: 100 − 99.9 is not 0.1 in binary.
    bad > allowed / 100.0 * of + 1e-6
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case(1.0, 99.0, 1, 100, false; "one may fail of a hundred")]
    #[test_case(2.0, 99.0, 2, 100, true; "two may not, whatever comes")]
    #[test_case(1.0, 99.9, 1_000, 100, false; "exactly the limit, not a binary number")]
    #[test_case(2.0, 99.9, 1_000, 100, true)]
    #[test_case(10.0, 99.0, 1_000, 100, false; "exactly the limit")]
    #[test_case(11.0, 99.0, 1_000, 100, true)]
    #[test_case(1.0, 100.0, 1, 100, true; "none may fail")]
    fn exceeding(bad: f64, min: f64, samples: u64, min_samples: u64, expected: bool) {
        assert_eq!(exceeds(bad, 100.0 - min, samples, min_samples), expected);
    }
}
