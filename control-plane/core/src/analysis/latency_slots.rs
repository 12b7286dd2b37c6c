//! Is the candidate slower than stable? Three tests over slots of the hash space, one for each percentile above which a request counts
//! as slow: those of stable for its own requests, and for the candidate's those moved by what is allowed (`tolerance.rs`).
//!
//! Above p90 and p99: a slot's first request above the threshold is an event like a failure (`sequential.rs`). At p50 most slots have
//! such a request soon, so what counts is whether the first request of a slot was slow (`first_slow.rs`). A shift of all requests shows
//! at p50, a long tail at p99.
//!
//! Each of the three has a part of the error of its own. Their mean against 1/α would not do: each is a supermartingale for those who
//! see only its own slots, not for those who also see the others' (slots above p90 are the ones that get above p99 next), and a stopping
//! rule on the mean sees all. The parts are not equal: what stalls a few requests in a hundred shows above p99 alone, in few slots, while
//! what makes many requests slow has evidence to spare at the other two (`bench analysis` has a row for each).

use shunt_filter_core::report::{Counters, LatencySlots, Slots};
use shunt_spec::plan::metric::LatencyTolerance;

use super::arms::ArmSlots;
use super::common;
use super::evaluation::Evaluation;
use super::first_slow::{FirstSlow, Newly};
use super::latency::{self, Time};
use super::number;
use super::sequential::{LogRank, MIN_FAILED_SLOTS};
use super::{Outcome, Verdict};

/// Alternatives above p90: ten times as many slow requests is all there can be.
const SLOW: [f64; 8] = [1.25, 1.5, 2.0, 3.0, 4.0, 8.0, 16.0, 64.0];

/// Alternatives above p99: a hundred times as many is all there can be, and a few in a hundred that stall are three or four times.
const SLOWEST: [f64; 8] = [1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 12.0, 50.0];

/// Parts of the error that the three tests get, in order of their percentiles; any other test gets one.
const PARTS_OF: [u32; 3] = [1, 1, 4];

/// All three together.
pub(super) const PARTS: u32 = PARTS_OF[0] + PARTS_OF[1] + PARTS_OF[2];

/// The test that is nearest to its threshold.
struct Strongest {
    percentile: f64,
    ln_e: f64,
    /// Its part of the error.
    parts: u32,
    /// Slow slots of the candidate in it.
    slow: u64,
}

/// The tests of one epoch with their stopping rule: what was said when it failed stands.
#[derive(Debug, Clone)]
pub(super) struct LatencyComparison {
    p50: FirstSlow,
    p90: LogRank,
    p99: LogRank,
    /// What needs no counting any more. (Which slots were slow first is known when they were seen, so that is not kept.)
    counted: LatencySlots,
    /// Whether proxies report slots by latency in this epoch.
    reported: bool,
    failed: bool,
}

impl Strongest {
    /// How near it is to its threshold, beside the others.
    fn weighed(&self) -> f64 {
        self.ln_e + f64::from(self.parts).ln()
    }
}

impl LatencyComparison {
    /// With the slots of these arms. Slots in `before` are in neither.
    pub(super) fn new(slots: &ArmSlots, before: LatencySlots) -> Self {
        let test = |thetas, before: &Slots| {
            let at_risk = |arm: &Slots| arm.minus(before).len() as u64;
            LogRank::new(thetas, at_risk(&slots.candidate), at_risk(&slots.stable))
        };
        Self {
            p50: FirstSlow::default(),
            p90: test(SLOW, &before.above_p90),
            p99: test(SLOWEST, &before.above_p99),
            counted: before,
            reported: false,
            failed: false,
        }
    }

    /// One evaluation; a test that has failed has stopped.
    pub(super) fn take(&mut self, slots: &ArmSlots, seen: &LatencySlots) {
        self.reported = true;
        if self.failed {
            return;
        }
        for (test, now, counted) in
            [(&mut self.p90, &seen.above_p90, &mut self.counted.above_p90), (&mut self.p99, &seen.above_p99, &mut self.counted.above_p99)]
        {
            let newly = now.minus(counted);
            if !newly.is_empty() {
                test.take(common(&newly, &slots.candidate), common(&newly, &slots.stable));
                counted.union_with(&newly);
            }
        }
        // Proxies may disagree which request of a slot was its first: the first report counts, and of several at once the slow one.
        let newly = seen.seen.minus(&self.counted.seen);
        if !newly.is_empty() {
            let fast = newly.minus(&seen.first_slow);
            let (candidate, stable) = (common(&newly, &slots.candidate), common(&newly, &slots.stable));
            self.p50.take(Newly {
                candidate,
                stable,
                candidate_slow: candidate.saturating_sub(common(&fast, &slots.candidate)),
                stable_slow: stable.saturating_sub(common(&fast, &slots.stable)),
            });
            self.counted.seen.union_with(&newly);
        }
    }

    fn strongest(&self) -> Strongest {
        let [of_p50, of_p90, of_p99] = PARTS_OF;
        let p50 = Strongest { percentile: 50.0, ln_e: self.p50.ln_e(), parts: of_p50, slow: self.p50.slow() };
        let p90 = Strongest { percentile: 90.0, ln_e: self.p90.ln_e(), parts: of_p90, slow: self.p90.failed() };
        let p99 = Strongest { percentile: 99.0, ln_e: self.p99.ln_e(), parts: of_p99, slow: self.p99.failed() };
        [p90, p99].into_iter().fold(p50, |most, test| if test.weighed() > most.weighed() { test } else { most })
    }

    /// The verdict. `threshold` is 1/α of a test with one part of the error.
    pub(super) fn judge(&mut self, evaluation: &Evaluation<'_>, tolerance: LatencyTolerance, threshold: f64) -> Verdict {
        let strongest = self.strongest();
        let threshold = threshold / f64::from(strongest.parts);
        let reached = strongest.ln_e >= threshold.ln();
        self.failed |= reached && strongest.slow >= MIN_FAILED_SLOTS;
        let samples = latency::total(evaluation.candidate);
        if !self.failed && samples == 0 && latency::total(evaluation.stable) == 0 && evaluation.samples() >= evaluation.metric.min_samples {
            return evaluation.not_applicable("no request has a time to response headers (upgraded connections have none)");
        }
        let e = number::evidence(strongest.ln_e);
        let percentile = strongest.percentile;
        let more = if tolerance == LatencyTolerance::NONE { String::new() } else { format!(" by more than {tolerance}") };
        let (outcome, rest) = if self.failed {
            (Outcome::Fail, format!("E = {e} ≥ {threshold} at p{percentile}: slower than stable{more}"))
        } else if reached {
            (
                Outcome::NeedMoreData,
                format!("E = {e} ≥ {threshold} at p{percentile}, but fewer than {MIN_FAILED_SLOTS} slots: no judgement yet"),
            )
        } else if let Some(missing) = evaluation.missing(samples) {
            (Outcome::NeedMoreData, missing)
        } else if !self.reported {
            (Outcome::NeedMoreData, format!("how long requests of {} take is not known yet", evaluation.arms.stable))
        } else {
            (Outcome::Pass, format!("E = {e} < {threshold}: not slower than stable{more}"))
        };
        let compared = match outcome {
            Outcome::Fail => differing(evaluation, &strongest),
            _ => all_percentiles(evaluation),
        };
        let (value, baseline) = (percentiles(evaluation.candidate), percentiles(evaluation.stable));
        Verdict { baseline, ..evaluation.verdict(outcome, value, samples, format!("E ≥ {threshold}"), &format!("{compared}; {rest}")) }
    }
}

/// `p90 of v2 and v1 is 88 against 49 ms, 5 slots of v2 were slow`: the percentile that failed, with digits that show the difference.
fn differing(evaluation: &Evaluation<'_>, strongest: &Strongest) -> String {
    let Strongest { percentile, slow, .. } = *strongest;
    let (candidate, stable) = (evaluation.arms.candidate, evaluation.arms.stable);
    let at = |counters| latency::at_percentile(counters, percentile);
    match (at(evaluation.candidate), at(evaluation.stable)) {
        (Some(Time::About(own)), Some(Time::About(other))) if own > other => {
            format!("p{percentile} of {candidate} and {stable} is {}, {slow} slots of {candidate} were slow", number::against(own, other))
        }
        // More slots are slow, but with few requests each: the times of all requests do not show it.
        _ => format!("{}; above p{percentile} in {slow} slots of {candidate}", all_percentiles(evaluation)),
    }
}

/// All three of both.
fn all_percentiles(evaluation: &Evaluation<'_>) -> String {
    let written = |counters| match percentiles(counters) {
        text if text.is_empty() => "has no times yet".to_owned(),
        text => text,
    };
    format!("{} {}, {} {}", evaluation.arms.candidate, written(evaluation.candidate), evaluation.arms.stable, written(evaluation.stable))
}

/// `p50 ~ 30ms, p90 ~ 80ms, p99 ~ 310ms`; empty without requests.
fn percentiles(counters: &Counters) -> String {
    let texts: Option<Vec<String>> = [50.0, 90.0, 99.0].into_iter().map(|p| latency::percentile_text(counters, p)).collect();
    texts.map(|texts| texts.join(", ")).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    const SLOTS: u16 = 10;

    fn slots(mask: u16) -> Slots {
        (0..SLOTS).filter(|slot| mask & (1 << slot) != 0).collect()
    }

    /// Masks of slots seen, first slow, above p90 and above p99, as cumulative as reports are.
    fn seen([seen, first_slow, p90, p99]: [u16; 4]) -> LatencySlots {
        LatencySlots { seen: slots(seen), first_slow: slots(first_slow), above_p90: slots(p90), above_p99: slots(p99) }
    }

    /// All three together, where slots that are slow at one percentile are likely to be slow at the others: over all placements of the
    /// candidate's slots the tests, each at its part of the error, fail as rarely as promised.
    #[test]
    fn the_three_tests_together_keep_the_error() {
        let all = (1_u16 << SLOTS) - 1;
        let schedule: Vec<LatencySlots> = [
            [0b11, 0b01, 0b01, 0b00],
            [0b1111, 0b0101, 0b0101, 0b0100],
            [0b1111_1111, 0b0101_0101, 0b0101, 0b0101],
            [all, 0b11_0101_0101, 0b1101_0101, 0b1100_0101],
            [all, 0b11_0101_0101, 0b11_1101_0111, 0b01_1100_0101],
            [all, 0b11_0101_0101, all, 0b11_1100_1101],
        ]
        .map(seen)
        .to_vec();
        let mut failures = 0;
        for candidate in 1..SLOTS {
            let arms: Vec<u16> = (0..=all).filter(|arm| arm.count_ones() == u32::from(candidate)).collect();
            let highest: Vec<f64> = arms.iter().map(|arm| highest(&split(*arm, all), &schedule)).collect();
            for threshold in [1.1, 1.2, 1.5, 2.0, 3.0, 5.0] {
                let reached = highest.iter().filter(|e| **e >= f64::from(PARTS) * threshold).count();
                failures += reached;
                assert!(
                    reached as f64 / arms.len() as f64 <= 1.0 / threshold,
                    "{reached} of {} at {threshold}, {candidate} slots",
                    arms.len()
                );
            }
        }
        assert!(failures > 20, "nothing ever failed ({failures}): the test above cannot");
    }

    /// A candidate that is slower by what is allowed exceeds its moved thresholds at most when an equal one would have exceeded stable's:
    /// take slow requests away from the candidate's slots in any way, or let them come an evaluation later, and there is never more
    /// evidence.
    #[test]
    fn fewer_slow_requests_of_the_candidate_are_never_more_evidence() {
        let all = (1_u16 << SLOTS) - 1;
        let whole = [[0b11, 0b01, 0b01, 0b00], [0b1111, 0b0101, 0b0101, 0b0100], [all, 0b11_0101_0101, 0b1101_0101, 0b1100_0101]];
        let mut less = 0;
        for arm in (1..all).filter(|arm| arm.count_ones() <= 5) {
            let arms = split(arm, all);
            for spared in [0b1, 0b1_0101, 0b11_0000_0000, arm] {
                let spared = spared & arm;
                let kept = |evaluation: usize| {
                    // What is spared comes one evaluation later, and that of the last evaluation never.
                    let before = if evaluation == 0 { [0; 4] } else { whole[evaluation - 1] };
                    let [seen_now, first, p90, p99] = whole[evaluation];
                    let mix = |now: u16, before: u16| (now & !spared) | (before & spared);
                    seen([seen_now, first & !spared, mix(p90, before[2]), mix(p99, before[3])])
                };
                let (mut equal, mut tolerated) =
                    (LatencyComparison::new(&arms, LatencySlots::default()), LatencyComparison::new(&arms, LatencySlots::default()));
                for (evaluation, reported) in whole.into_iter().enumerate() {
                    equal.take(&arms, &seen(reported));
                    tolerated.take(&arms, &kept(evaluation));
                    for (equal, tolerated) in [
                        (equal.p50.ln_e(), tolerated.p50.ln_e()),
                        (equal.p90.ln_e(), tolerated.p90.ln_e()),
                        (equal.p99.ln_e(), tolerated.p99.ln_e()),
                    ] {
                        assert!(tolerated <= equal + 1e-9, "{tolerated} of {arm:b} without {spared:b}, {equal} with it");
                        less += usize::from(tolerated < equal - 1e-9);
                    }
                }
            }
        }
        assert!(less > 100, "nothing was ever taken away ({less}): the test above cannot fail");
    }

    fn split(arm: u16, all: u16) -> ArmSlots {
        let (candidate, stable) = (slots(arm), slots(all & !arm));
        ArmSlots { candidate, stable, candidate_points: 1, stable_points: 1 }
    }

    fn highest(arms: &ArmSlots, schedule: &[LatencySlots]) -> f64 {
        let mut comparison = LatencyComparison::new(arms, LatencySlots::default());
        let evaluations = schedule.iter().map(|seen| {
            comparison.take(arms, seen);
            comparison.strongest().weighed().exp()
        });
        evaluations.fold(0.0, f64::max)
    }
}
