//! Answers, requests without one, and warm-ups, compared with stable.

use test_case::test_case;

use super::*;

#[test]
fn a_candidate_that_answers_otherwise_in_one_sentence() {
    let few = Evidence::epoch(1).requests("v2", 48, 0).requests("v1", 912, 0).answered(ResponseClass::Redirect, "v1", 3, [700, 701]);
    let bad = few.answered(ResponseClass::Rejected, "v2", 5, [3, 77, 150, 204, 499]);
    let verdict = verdict(responses(), FIVE, &bad);
    assert_eq!(verdict.outcome, Outcome::Fail);
    // Each of the four classes has a quarter of the error.
    assert_eq!(
        verdict.message,
        "responses: v2 answered 4xx to 5/48 (10.4 %) in 5 slots, v1 to 0/912 (0.0 %); E = 636768 ≥ 1600: worse than stable; \
         if that is meant, write ignore: [rejected]"
    );
    assert_eq!((verdict.value.as_str(), verdict.baseline.as_str()), ("4xx 5/48 (10.4 %)", "0/912"));
}

#[test_case(ResponseClass::Redirect, "3xx")]
#[test_case(ResponseClass::Rejected, "4xx")]
#[test_case(ResponseClass::Empty, "without a body")]
#[test_case(ResponseClass::RejectedGrpc, "a gRPC error")]
fn every_class_of_answers_is_compared_unless_it_is_ignored(class: ResponseClass, text: &str) {
    let base = || Evidence::epoch(1).requests("v2", 480, 0).requests("v1", 9_120, 0).seen(0..500);
    let bad = base().answered(class, "v2", 5, [3, 77, 150, 204, 499]);
    let failed = verdict(responses(), FIVE, &bad);
    assert!(failed.outcome == Outcome::Fail && failed.message.contains(&format!("answered {text} to 5/480")), "{}", failed.message);
    let both = bad.answered(class, "v1", 200, 500..700);
    assert_eq!(verdict(responses(), FIVE, &both).outcome, Outcome::Pass, "stable answers the same");
    let mut policy = ResponsePolicy::all();
    policy.classes.retain(|counted| *counted != class);
    let ignoring = metric("responses", Guard::ResponsesNoWorseThanStable(policy));
    let bad = base().answered(class, "v2", 5, [3, 77, 150, 204, 499]);
    let passed = verdict(ignoring, FIVE, &bad);
    assert_eq!((passed.outcome, passed.threshold.as_str()), (Outcome::Pass, "E ≥ 1200"), "three classes are left");
}

#[test]
fn a_candidate_that_does_not_answer_in_one_sentence() {
    // A slot counts with the first of either, and once: 77 hung and was then left.
    let slots = [vec![3, 77], vec![77, 150, 204]];
    let bad = Evidence::epoch(1).requests("v2", 0, 0).requests("v1", 912, 0).unanswered("v2", (2, 9), slots);
    let verdict = verdict(hanging(), FIVE, &bad);
    assert_eq!(verdict.outcome, Outcome::Fail);
    assert_eq!(
        verdict.message,
        "hanging: v2 left 11/11 (100.0 %) without an answer in 4 slots, v1 0/912 (0.0 %); E = 37734 ≥ 400: worse than stable"
    );
}

#[test]
fn clients_that_leave_both_versions_are_no_versions_fault() {
    let slots = || [(0..25).chain(500..975).collect(), Vec::new()];
    let left = Evidence::epoch(1).requests("v2", 300, 0).requests("v1", 5_700, 0).seen(0..60).unanswered("v2", (25, 0), slots());
    assert_eq!(verdict(hanging(), FIVE, &left).outcome, Outcome::Pass);
}

#[test]
fn what_comes_in_a_warm_up_counts_in_neither_arm() {
    let split = split(FIVE);
    let metrics = [Metric { warm_up: Span::seconds(10), ..errors() }];
    let mut analyst = Analyst::default();
    let mut evaluate = |warmth, evidence: &Evidence| {
        let judging = Judging { metrics: &metrics, steps: 4, warmth };
        analyst.evaluate(judging, split.arms(), &evidence.0).remove(0)
    };
    let cold = Evidence::epoch(1).requests("v2", 300, 5).requests("v1", 5_700, 0).seen(0..60).failed([3, 77, 150, 204, 499]);
    for warmth in [Warmth::Cold, Warmth::For(Span::millis(9_999))] {
        let warming = evaluate(warmth, &cold);
        assert_eq!(warming.outcome, Outcome::NeedMoreData, "nothing passes either: {}", warming.message);
        assert!(warming.message.ends_with("not judged until new instances have answered for 10s (warm-up)"), "{}", warming.message);
    }
    let warm = evaluate(Warmth::For(Span::seconds(10)), &cold);
    assert_eq!((warm.outcome, warm.message.contains("slots")), (Outcome::Pass, false), "{}", warm.message);
    let worse = Evidence::epoch(1).requests("v2", 400, 9).seen(0..60).failed([3, 77, 150, 204, 499]).failed([5, 6, 7, 8]);
    assert_eq!(evaluate(Warmth::For(Span::seconds(12)), &worse).outcome, Outcome::Fail, "what comes later counts");
    // A fresh analyst cannot tell what came in the warm-up, and counts none of it.
    let after_restart = Analyst::default().evaluate(
        Judging { metrics: &metrics, steps: 4, warmth: Warmth::For(Span::seconds(12)) },
        split.arms(),
        &worse.0,
    );
    assert_ne!(after_restart[0].outcome, Outcome::Fail, "{}", after_restart[0].message);
}

#[test]
fn latency_passes_only_when_instances_are_warm() {
    let split = split(FIVE);
    let metrics = [Metric { warm_up: Span::seconds(10), ..as_fast() }];
    let seen: Vec<u16> = (0..60).chain(500..1_600).collect();
    let outcome = |warmth| {
        let judging = Judging { metrics: &metrics, steps: 4, warmth };
        Analyst::default().evaluate(judging, split.arms(), &timed(&seen, &[1, 600], &[], &[]).0).remove(0).outcome
    };
    assert_eq!(outcome(Warmth::For(Span::seconds(9))), Outcome::NeedMoreData);
    assert_eq!(outcome(Warmth::For(Span::seconds(10))), Outcome::Pass);
}

#[test]
fn what_has_no_times_is_not_judged_by_them() {
    // WebSockets, for example: nothing would ever pass otherwise.
    let evidence = Evidence::epoch(1).requests("v2", 300, 0).requests("v1", 5_700, 0).seen(0..60);
    let verdict = verdict(as_fast(), FIVE, &evidence);
    assert_eq!(verdict.outcome, Outcome::NotApplicable, "{}", verdict.message);
}
