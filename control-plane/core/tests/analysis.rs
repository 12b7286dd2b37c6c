//! What people read of an analysis, and when it says what.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may panic")]

use shunt_core::analysis::{Analyst, Arms, Judging, Outcome, Verdict, Warmth};
use shunt_filter_core::outcome::ResponseClass;
use shunt_filter_core::policy::{Range, ResponsePolicy};
use shunt_filter_core::report::{Counters, EpochReport, Hanging, LATENCY_BOUNDS_MS, LATENCY_BUCKETS, LatencySlots, Responses, Slots};
use shunt_filter_core::{VersionName, Weight};
use shunt_spec::Span;
use shunt_spec::plan::metric::{Guard, LatencyTolerance, Metric, Tolerance};
use test_case::test_case;

#[path = "analysis/compared.rs"]
mod compared;

fn version(name: &str) -> VersionName {
    name.parse().unwrap()
}

fn metric(name: &str, guard: Guard) -> Metric {
    Metric { name: name.to_owned(), guard, min_samples: 100, warm_up: Span::default() }
}

fn errors() -> Metric {
    metric("errors", Guard::ErrorsNoWorseThanStable)
}

fn responses() -> Metric {
    metric("responses", Guard::ResponsesNoWorseThanStable(ResponsePolicy::all()))
}

fn hanging() -> Metric {
    metric("hanging", Guard::HangingNoWorseThanStable)
}

fn success(min: f64) -> Metric {
    metric("success", Guard::SuccessRateMin(min))
}

fn slow(percentile: f64, max: Span) -> Metric {
    metric("slow", Guard::LatencyMax { percentile, max })
}

/// A release of four steps whose instances are warm.
fn of_four(metrics: &[Metric]) -> Judging<'_> {
    Judging { metrics, steps: 4, warmth: Warmth::For(Span::seconds(60)) }
}

/// v2 with the first `points` points, v1 with the rest.
struct Split {
    candidate: VersionName,
    stable: VersionName,
    ranges: Vec<Range>,
}

fn split(points: u32) -> Split {
    let ranges = if points == 0 { Vec::new() } else { vec![Range { from: 0, to: points, version: version("v2") }] };
    Split { candidate: version("v2"), stable: version("v1"), ranges }
}

impl Split {
    fn arms(&self) -> Arms<'_> {
        Arms { candidate: &self.candidate, stable: &self.stable, ranges: &self.ranges }
    }
}

/// Five percent: slots 0 to 499.
const FIVE: u32 = 50_000;

struct Evidence(EpochReport);

impl Evidence {
    fn epoch(epoch: u64) -> Self {
        Self(EpochReport { epoch, ..EpochReport::default() })
    }

    /// So many requests of a version, so many of them failed.
    fn requests(mut self, name: &str, all: u64, failed: u64) -> Self {
        let counters = self.0.versions.entry(version(name)).or_default();
        (counters.started, counters.succeeded, counters.failed) = (all, all - failed, failed);
        self
    }

    /// Times by upper bound of their bucket in milliseconds; 0: slower than the last bound.
    fn times(mut self, name: &str, times: &[(u32, u64)]) -> Self {
        let mut latency = vec![0; LATENCY_BUCKETS];
        for (bound, count) in times {
            latency[LATENCY_BOUNDS_MS.iter().position(|b| b == bound).unwrap_or(LATENCY_BUCKETS - 1)] += count;
        }
        let all = latency.iter().sum();
        self.0.versions.insert(version(name), Counters { started: all, succeeded: all, latency, ..Counters::default() });
        self
    }

    fn seen(mut self, slots: impl IntoIterator<Item = u16>) -> Self {
        self.0.seen.union_with(&slots.into_iter().collect());
        self
    }

    /// So many answers of a class to a version, in these slots.
    fn answered(mut self, class: ResponseClass, name: &str, count: u64, slots: impl IntoIterator<Item = u16>) -> Self {
        let Responses { versions, slots: bad } = self.0.responses.entry(class).or_default();
        versions.insert(version(name), count);
        bad.union_with(&slots.into_iter().collect());
        self
    }

    /// So many requests of a version that were left, and that hang, in these slots.
    fn unanswered(mut self, name: &str, (abandoned, hanging): (u64, u64), slots: [Vec<u16>; 2]) -> Self {
        self.0.versions.entry(version(name)).or_default().abandoned = abandoned;
        let [left, hung] = slots;
        self.0.abandoned.union_with(&left.into_iter().collect());
        let Hanging { versions, slots } = self.0.hanging.get_or_insert_default();
        versions.insert(version(name), hanging);
        slots.union_with(&hung.into_iter().collect());
        self
    }

    fn failed(mut self, slots: impl IntoIterator<Item = u16>) -> Self {
        self.0.failed.union_with(&slots.into_iter().collect());
        self
    }
}

/// One evaluation of a fresh analyst at one metric.
fn verdict(metric: Metric, points: u32, evidence: &Evidence) -> Verdict {
    let split = split(points);
    Analyst::default().evaluate(of_four(&[metric]), split.arms(), &evidence.0).remove(0)
}

#[test]
fn a_bad_release_in_one_sentence() {
    let bad = Evidence::epoch(1).requests("v2", 48, 5).requests("v1", 912, 0).failed([3, 77, 150, 204, 499]);
    let verdict = verdict(errors(), FIVE, &bad);
    assert_eq!(verdict.outcome, Outcome::Fail);
    assert_eq!(verdict.message, "errors: v2 failed 5/48 (10.4 %) in 5 slots, v1 0/912 (0.0 %); E = 636768 ≥ 400: worse than stable");
    assert_eq!(
        (verdict.value.as_str(), verdict.baseline.as_str(), verdict.threshold.as_str(), verdict.samples),
        ("5/48 (10.4 %)", "0/912", "E ≥ 400", 48)
    );
}

#[test]
fn what_is_allowed_in_one_sentence() {
    let within = |by| Metric { guard: Guard::ErrorsWithin(by), ..errors() };
    let worse =
        Evidence::epoch(1).requests("v2", 480, 5).requests("v1", 9_120, 20).failed([3, 77, 150, 204, 499]).failed(600..619).seen(0..500);
    let judged = |metric| verdict(metric, FIVE, &worse);
    assert_eq!(judged(errors()).outcome, Outcome::Pass, "E is below 400: {}", judged(errors()).message);
    let allowed = judged(within(Tolerance::Ratio(3.0)));
    assert_eq!(allowed.outcome, Outcome::Pass);
    assert!(allowed.message.ends_with(" < 400: not worse than stable by more than 3x"), "{}", allowed.message);
    let e =
        |verdict: &Verdict| verdict.message.split("E = ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap().parse::<f64>().unwrap();
    assert!(e(&allowed) < e(&judged(errors())), "less is against it: {} and {}", allowed.message, judged(errors()).message);
    let points = judged(within(Tolerance::Points(Weight::ppm(5_000))));
    assert!(points.message.ends_with("not worse than stable by more than 0.5pp"), "{}", points.message);
    assert_eq!(e(&points), e(&judged(errors())), "the filters count what is allowed, not this test");
}

#[test]
fn a_good_release_in_one_sentence() {
    let good = Evidence::epoch(1).requests("v2", 300, 1).requests("v1", 5_700, 2).seen(0..60).failed([3, 700, 9_000]);
    let verdict = verdict(errors(), FIVE, &good);
    assert_eq!(verdict.outcome, Outcome::Pass);
    assert_eq!(verdict.message, "errors: v2 failed 1/300 (0.3 %) in 1 slot, v1 2/5700 (0.04 %); E = 1.73 < 400: not worse than stable");
}

#[test_case(48, 7, "needs 52 more requests of v2 and 3 more active slots")]
#[test_case(99, 10, "needs 1 more request of v2")]
#[test_case(100, 9, "needs 1 more active slot of v2")]
#[test_case(0, 0, "needs 100 more requests of v2 and 10 more active slots"; "nothing yet")]
fn nothing_passes_for_lack_of_data(requests: u64, active: u16, sentence: &str) {
    for metric in [errors(), success(99.0), slow(99.0, Span::millis(300))] {
        let evidence = Evidence::epoch(1).times("v2", &[(10, requests)]).seen(0..active).seen(600..700);
        let verdict = verdict(metric, FIVE, &evidence);
        assert_eq!(verdict.outcome, Outcome::NeedMoreData, "{}", verdict.message);
        assert!(verdict.message.ends_with(sentence), "{}", verdict.message);
    }
}

#[test]
fn a_weight_of_less_than_ten_slots_says_that_it_cannot_decide() {
    let verdict = verdict(errors(), 950, &Evidence::epoch(1).requests("v2", 500, 0).seen(0..9));
    assert_eq!(verdict.outcome, Outcome::NeedMoreData);
    assert!(
        verdict.message.ends_with("v2 has 9 whole slots of the hash space, 10 are needed: raise its weight to 0.1 % or more"),
        "{}",
        verdict.message
    );
}

#[test]
fn where_an_arm_has_no_weight_only_fixed_limits_judge_and_only_those_with_traffic() {
    let evidence = Evidence::epoch(1).requests("v2", 500, 100).seen(0..500).failed(0..50);
    let of = |points: u32| [errors(), success(99.0)].map(|metric| verdict(metric, points, &evidence).outcome);
    assert_eq!(of(0), [Outcome::NotApplicable, Outcome::NotApplicable]);
    assert_eq!(of(FIVE), [Outcome::Fail, Outcome::Fail]);
    assert_eq!(of(1_000_000), [Outcome::NotApplicable, Outcome::Fail]);
}

#[test]
fn the_error_is_divided_over_steps_and_comparisons() {
    let threshold = |steps: u32, metrics: &[Metric]| {
        let split = split(FIVE);
        Analyst::default()
            .evaluate(Judging { metrics, steps, warmth: Warmth::Cold }, split.arms(), &Evidence::epoch(1).0)
            .remove(0)
            .threshold
    };
    assert_eq!(threshold(0, &[errors()]), "E ≥ 100");
    assert_eq!(threshold(1, &[errors()]), "E ≥ 100");
    assert_eq!(threshold(4, &[errors(), success(99.0)]), "E ≥ 400");
    assert_eq!(threshold(4, &[errors(), errors()]), "E ≥ 800");
}

#[test]
fn two_users_are_no_reason_to_fail_and_three_are() {
    // At 0.1 % of keys two failures of the candidate alone are far beyond any threshold.
    let two = Evidence::epoch(1).requests("v2", 2, 2).failed([1, 2]);
    let verdict_of_two = verdict(errors(), 1_000, &two);
    assert_eq!(verdict_of_two.outcome, Outcome::NeedMoreData);
    assert!(verdict_of_two.message.ends_with("E = 7428 ≥ 400, but fewer than 3 slots: no judgement yet"), "{}", verdict_of_two.message);
    assert_eq!(verdict(errors(), 1_000, &two.failed([3])).outcome, Outcome::Fail);
}

#[test]
fn failures_of_stable_and_of_cut_slots_do_not_count_against_the_candidate() {
    let cut = Evidence::epoch(1).failed([499]);
    let metric = || errors();
    assert!(verdict(metric(), FIVE, &cut).message.contains("in 1 slot"));
    assert!(!verdict(metric(), FIVE - 50, &cut).message.contains("in 1 slot"), "slot 499 is half v2's: it is in neither arm");
    let stable = Evidence::epoch(1).requests("v2", 500, 0).seen(0..500).failed(500..600);
    assert_eq!(verdict(metric(), FIVE, &stable).outcome, Outcome::Pass);
}

#[test]
fn a_slot_counts_once_and_a_failure_stands() {
    let split = split(FIVE);
    let mut analyst = Analyst::default();
    let mut evaluate = |evidence: &Evidence| analyst.evaluate(of_four(&[errors()]), split.arms(), &evidence.0).remove(0);
    let two = Evidence::epoch(1).failed([3, 77]);
    let first = evaluate(&two);
    assert_eq!(evaluate(&two).message, first.message, "the same slots again change nothing");
    assert_eq!(evaluate(&Evidence::epoch(1)).message, first.message, "nor does evidence that has shrunk");
    assert_eq!(evaluate(&Evidence::epoch(1).failed([3, 77, 150, 204, 499])).outcome, Outcome::Fail);
    // Many failures of stable afterwards would bring E down again: the test has stopped.
    let both = Evidence::epoch(1).failed([3, 77, 150, 204, 499]).failed(500..1_500);
    assert_eq!(evaluate(&both).outcome, Outcome::Fail);
    // A fresh analyst sees all of it as one batch and finds nothing wrong.
    assert_ne!(verdict(errors(), FIVE, &both).outcome, Outcome::Fail);
}

#[test]
fn an_epoch_is_judged_alone() {
    let five = split(FIVE);
    let mut analyst = Analyst::default();
    let bad = Evidence::epoch(7).requests("v2", 48, 5).failed([3, 77, 150, 204, 499]);
    assert_eq!(analyst.evaluate(of_four(&[errors()]), five.arms(), &bad.0)[0].outcome, Outcome::Fail);
    // What is in flight of an older step changes nothing, whatever its arms.
    let half = split(500_000);
    let older = Evidence::epoch(6).requests("v2", 1, 0);
    let again = analyst.evaluate(of_four(&[errors()]), half.arms(), &older.0).remove(0);
    assert_eq!((again.outcome, again.samples), (Outcome::Fail, 48));
    // A newer step starts from nothing.
    let fresh = analyst.evaluate(of_four(&[errors()]), half.arms(), &Evidence::epoch(8).0).remove(0);
    assert_eq!((fresh.outcome, fresh.samples), (Outcome::NeedMoreData, 0));
    assert!(fresh.message.starts_with("errors: v2 failed 0/0, v1 0/0; needs"), "{}", fresh.message);
}

#[test]
fn other_arms_within_an_epoch_start_afresh() {
    let mut analyst = Analyst::default();
    let five = split(FIVE);
    let bad = Evidence::epoch(1).failed([3, 77, 150, 204, 499]);
    assert_eq!(analyst.evaluate(of_four(&[errors()]), five.arms(), &bad.0)[0].outcome, Outcome::Fail);
    // Whose slots 3, 77, … were when they failed is not known any more: they count for no version.
    let half = split(500_000);
    let first = analyst.evaluate(of_four(&[errors()]), half.arms(), &bad.0).remove(0);
    assert!(first.outcome == Outcome::NeedMoreData && !first.message.contains("slots,"), "{}", first.message);
    let next = analyst.evaluate(of_four(&[errors()]), half.arms(), &bad.failed([700]).0).remove(0);
    assert!(next.message.contains("in 1 slot,"), "{}", next.message);
}

#[test_case(100, 1, Outcome::Pass, "success: v2 failed 1/100 (1.0 %): 99 % success or more"; "exactly the limit")]
#[test_case(100, 2, Outcome::Fail, "success: v2 failed 2/100 (2.0 %): below 99 % success")]
#[test_case(40, 1, Outcome::NeedMoreData, "success: v2 failed 1/40 (2.5 %); needs 60 more requests of v2"; "may still be met")]
#[test_case(40, 2, Outcome::Fail, "success: v2 failed 2/40 (5.0 %): below 99 % success, even if the next 60 succeed"; "cannot be met any more")]
fn lowest_success_rate(requests: u64, failed: u64, outcome: Outcome, message: &str) {
    let verdict = verdict(success(99.0), FIVE, &Evidence::epoch(1).requests("v2", requests, failed).requests("v1", 900, 3).seen(0..50));
    assert_eq!((verdict.outcome, verdict.message.as_str()), (outcome, message));
    assert_eq!((verdict.threshold.as_str(), verdict.baseline.as_str()), ("success ≥ 99 %", "3/900"));
}

#[test_case(&[(100, 99), (1_000, 1)], 300, Outcome::Pass, "slow: v2 p99 ~ 100ms (1/100 (1.0 %) slower than 300ms): within p99 ≤ 300ms")]
#[test_case(&[(100, 98), (1_000, 2)], 300, Outcome::Fail, "slow: v2 p99 ~ 750ms (2/100 (2.0 %) slower than 300ms): above p99 ≤ 300ms")]
#[test_case(&[(100, 98), (500, 2)], 450, Outcome::Pass, "slow: v2 p99 ~ 400ms (~1/100 (1.0 %) slower than 450ms): within p99 ≤ 450ms"; "half a request of two")]
#[test_case(&[(100, 96), (500, 4)], 400, Outcome::Fail, "slow: v2 p99 ~ 450ms (~2/100 (2.0 %) slower than 400ms): above p99 ≤ 400ms"; "interpolated")]
#[test_case(&[(100, 20), (1_000, 2)], 300, Outcome::Fail, "slow: v2 p99 ~ 945ms (2/22 (9.1 %) slower than 300ms): above p99 ≤ 300ms, even if the next 78 are faster")]
#[test_case(&[(100, 20), (1_000, 1)], 300, Outcome::NeedMoreData, "slow: v2 p99 ~ 895ms (1/21 (4.8 %) slower than 300ms); needs 79 more requests of v2")]
#[test_case(&[(100, 90), (0, 10)], 20_000, Outcome::NotApplicable, "slow: v2 p99 > 10s (10/100 (10.0 %) slower than 20s): cannot be judged, times above 10s are not told apart")]
#[test_case(&[(100, 99), (0, 1)], 20_000, Outcome::Pass, "slow: v2 p99 ~ 100ms (1/100 (1.0 %) slower than 20s): within p99 ≤ 20s")]
fn highest_latency(times: &[(u32, u64)], max: u64, outcome: Outcome, message: &str) {
    let evidence = Evidence::epoch(1).times("v2", times).times("v1", &[(50, 100)]).seen(0..50);
    let verdict = verdict(slow(99.0, Span::millis(max)), FIVE, &evidence);
    assert_eq!((verdict.outcome, verdict.message.as_str()), (outcome, message));
    assert_eq!(verdict.baseline, "p99 ~ 50ms");
}

#[test]
fn how_many_users_saw_the_candidate() {
    let split = split(FIVE);
    // Stable's slots and one cut by no border do not count; 30 of 500 slots are about 31 users.
    let evidence = Evidence::epoch(1).seen(0..30).seen(500..900);
    let exposure = split.arms().exposure(&evidence.0);
    assert_eq!((exposure.slots, exposure.users), (30, 31));
}

fn as_fast() -> Metric {
    metric("slow", Guard::LatencyNoWorseThanStable(LatencyTolerance::USUAL))
}

/// Which slots were seen, first slow, above p90 and above p99; 300 requests of v2 and 5,700 of v1 with a time each.
fn timed(seen: &[u16], first_slow: &[u16], p90: &[u16], p99: &[u16]) -> Evidence {
    let slots = |of: &[u16]| of.iter().copied().collect::<Slots>();
    let mut evidence = Evidence::epoch(1).times("v2", &[(50, 240), (100, 60)]).times("v1", &[(50, 5_600), (100, 100)]).seen(0..60);
    evidence.0.latency =
        Some(LatencySlots { seen: slots(seen), first_slow: slots(first_slow), above_p90: slots(p90), above_p99: slots(p99) });
    evidence
}

#[test]
fn a_slow_release_in_one_sentence() {
    let seen: Vec<u16> = (0..60).chain(500..1_600).collect();
    let slow = verdict(as_fast(), FIVE, &timed(&seen, &[1, 600], &[3, 77, 150, 204, 499], &[3]));
    assert_eq!(slow.outcome, Outcome::Fail);
    assert_eq!(
        slow.message,
        "slow: p90 of v2 and v1 is 88 against 49 ms, 5 slots of v2 were slow; E = 118021 ≥ 2400 at p90: slower than stable by more than 20 %, at least 5ms"
    );
    let same = verdict(as_fast(), FIVE, &timed(&seen, &[1, 600], &[3, 700, 9_000], &[]));
    assert_eq!(same.outcome, Outcome::Pass);
    assert!(same.message.ends_with("< 600: not slower than stable by more than 20 %, at least 5ms"), "{}", same.message);
}

#[test]
fn each_percentile_alone_is_enough() {
    let seen: Vec<u16> = (0..100).chain(500..2_400).collect();
    let candidate: Vec<u16> = (0..100).collect();
    for (evidence, percentile) in [
        (timed(&seen, &candidate, &[], &[]), "≥ 2400 at p50"),
        (timed(&seen, &[], &[1, 2, 3, 4, 5, 6], &[]), "≥ 2400 at p90"),
        (timed(&seen, &[], &[], &[1, 2, 3, 4, 5, 6]), "≥ 600 at p99"),
    ] {
        let verdict = verdict(as_fast(), FIVE, &evidence);
        assert!(verdict.outcome == Outcome::Fail && verdict.message.contains(percentile), "{}", verdict.message);
    }
}

#[test]
fn the_first_report_of_a_slot_says_whether_its_first_request_was_slow() {
    let split = split(FIVE);
    let seen: Vec<u16> = (0..100).chain(500..2_400).collect();
    let slow: Vec<u16> = (0..100).collect();
    let evaluate =
        |analyst: &mut Analyst, evidence: &Evidence| analyst.evaluate(of_four(&[as_fast()]), split.arms(), &evidence.0).remove(0);
    let mut analyst = Analyst::default();
    let fast_first = evaluate(&mut analyst, &timed(&seen, &[], &[], &[]));
    // Another proxy met the same slots later, and there they were slow.
    let later = evaluate(&mut analyst, &timed(&seen, &slow, &[], &[]));
    assert_eq!((later.outcome, &later.message), (Outcome::Pass, &fast_first.message));
    assert_eq!(evaluate(&mut Analyst::default(), &timed(&seen, &slow, &[], &[])).outcome, Outcome::Fail, "at once it is one batch");
}

#[test]
fn latency_is_not_passed_while_it_is_not_known_what_is_slow() {
    let verdict = verdict(as_fast(), FIVE, &Evidence::epoch(1).times("v2", &[(50, 300)]).seen(0..60));
    assert_eq!(verdict.outcome, Outcome::NeedMoreData);
    assert!(verdict.message.ends_with("how long requests of v1 take is not known yet"), "{}", verdict.message);
}

#[test]
fn latency_shares_the_error_with_errors_and_is_not_compared_without_users_on_stable() {
    let split = split(1_000_000);
    let verdicts = Analyst::default().evaluate(of_four(&[errors(), as_fast()]), split.arms(), &Evidence::epoch(1).0);
    assert!(verdicts.iter().all(|verdict| verdict.outcome == Outcome::NotApplicable), "{verdicts:?}");
    let five = self::split(FIVE);
    let verdicts = Analyst::default().evaluate(of_four(&[errors(), as_fast()]), five.arms(), &Evidence::epoch(1).0);
    // One part for errors and six for latency, four of them for p99, over four steps.
    assert_eq!((verdicts[0].threshold.as_str(), verdicts[1].threshold.as_str()), ("E ≥ 2800", "E ≥ 700"));
}

#[test]
fn an_outcome_has_one_name_in_json_and_in_labels() {
    use Outcome::{Fail, Inconclusive, NeedMoreData, NotApplicable, Pass, SourceError};
    for outcome in [Pass, Fail, NeedMoreData, Inconclusive, SourceError, NotApplicable] {
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.as_str());
    }
}
