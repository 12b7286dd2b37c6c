//! Sequences of measurements and what they mean, and when something is measured.

use shunt_filter_core::{VersionName, Weight};
use shunt_spec::plan::Step;
use shunt_spec::plan::external_metrics::{Check, Condition, Connection, PrometheusSource, Reading, Source, Value, fill};
use shunt_spec::time::Span;
use test_case::test_case;

use super::*;
use crate::fixture::{plan_by, run, with};
use crate::state::{Ending, Previous, Run, Stage};

/// Steps 0 to 3: pause, setWeight 5, analysis, setWeight 50.
fn plan() -> Plan {
    plan_by("v2", "{pause: {duration: 1m}}, {setWeight: 5}, {analysis: {}}, {setWeight: 50}")
}

/// `value ≤ 0.5` every 30 s.
fn metric() -> ExternalMetric {
    let connection = Connection { timeout: Span::seconds(10), ca_file: None };
    let query =
        PrometheusSource { address: "http://x".to_owned(), query: "up".to_owned(), baseline: None, headers: Vec::new(), connection };
    ExternalMetric {
        name: "slow".to_owned(),
        source: Source::Prometheus(query),
        check: Check::Limits { min: None, max: Some(0.5) },
        interval: Span::seconds(30),
        initial_delay: Span::seconds(60),
        count: None,
        failure_limit: 0,
        inconclusive_limit: 0,
        consecutive_error_limit: 2,
        dry_run: false,
        steps: None,
    }
}

const EPOCH: u64 = 7;

/// One measurement per letter, 30 s apart: success, failure, inconclusive, no data, error; a capital: in the epoch before.
fn history(letters: &str) -> History {
    let mut history = History::new(Time(0));
    for (index, letter) in letters.chars().enumerate() {
        let (reading, value) = match letter.to_ascii_lowercase() {
            's' => (Reading::Success, "0.25"),
            'f' => (Reading::Failure, "0.75"),
            'i' => (Reading::Inconclusive, "0.5"),
            'n' => (Reading::NoData, "no data"),
            'e' => (Reading::Error("connection refused".to_owned()), ""),
            other => panic!("{other}"),
        };
        let epoch = if letter.is_uppercase() { EPOCH - 1 } else { EPOCH };
        let at = Time(60_000 + 30_000 * index as u64);
        history.take(Measurement { at, epoch, reading, value: value.to_owned(), baseline: String::new() });
    }
    history
}

/// Ten seconds after the last measurement.
fn judged(metric: &ExternalMetric, letters: &str) -> Verdict {
    let history = history(letters);
    let now = history.latest().map_or(Time(10_000), |latest| latest.at.after(Span::seconds(10)));
    verdict(metric, Some(&history), EPOCH, now)
}

#[test_case("", Outcome::NeedMoreData, "nothing is measured yet; the first time in 50s"; "nothing yet")]
#[test_case("s", Outcome::Pass, "0.25 keeps value ≤ 0.5"; "good")]
#[test_case("nnnnnnnn", Outcome::NeedMoreData, "Prometheus has no data for it"; "no data never is an error, nor a pass")]
#[test_case("sn", Outcome::NeedMoreData, "Prometheus has no data for it"; "no data after a good one")]
#[test_case("S", Outcome::NeedMoreData, "0.25; needs a measurement with the present weights"; "good, with the weights before")]
#[test_case("Ss", Outcome::Pass, "0.25 keeps value ≤ 0.5"; "good, now too")]
#[test_case("sf", Outcome::Fail, "0.75 breaks value ≤ 0.5: 1 of 2 measurements failed"; "bad once")]
#[test_case("Fs", Outcome::Fail, "0.75 breaks value ≤ 0.5: 1 of 2 measurements failed"; "bad once, with the weights before, stays bad")]
#[test_case("e", Outcome::SourceError, "Prometheus could not be asked: connection refused"; "an error")]
#[test_case("se", Outcome::SourceError, "Prometheus could not be asked: connection refused"; "an error after a good one is no pass")]
#[test_case("ees", Outcome::Pass, "0.25 keeps value ≤ 0.5"; "as many errors as allowed")]
#[test_case("eeseese", Outcome::SourceError, "Prometheus could not be asked: connection refused"; "never more in a row than allowed")]
#[test_case("eenee", Outcome::SourceError, "Prometheus could not be asked: connection refused"; "no data is an answer")]
#[test_case("eee", Outcome::Fail, "Prometheus could not be asked 3 times in a row, 2 allowed: connection refused"; "too many errors")]
#[test_case("eees", Outcome::Fail, "Prometheus could not be asked 3 times in a row, 2 allowed: connection refused"; "too many errors, for good")]
#[test_case("i", Outcome::Inconclusive, "1 of 1 measurements are inconclusive: 0.5"; "inconclusive")]
fn without_count(letters: &str, outcome: Outcome, sentence: &str) {
    let verdict = judged(&metric(), letters);
    assert_eq!((verdict.outcome, verdict.message), (outcome, format!("slow: {sentence}")));
}

#[test_case("ff", Outcome::NeedMoreData, "2 of 2 measurements failed, 2 failed allowed; needs one that does not fail"; "as many failures as allowed")]
#[test_case("ffs", Outcome::Pass, "keeps"; "good again")]
#[test_case("ffsf", Outcome::Fail, "3 of 4 measurements failed, 2 failed allowed"; "one too many")]
#[test_case("i", Outcome::NeedMoreData, "0.5 is neither good nor bad"; "an inconclusive one")]
#[test_case("isi", Outcome::Inconclusive, "2 of 3 measurements are inconclusive, 1 inconclusive allowed"; "one inconclusive too many")]
#[test_case("isis", Outcome::Inconclusive, "2 of 4 measurements are inconclusive"; "and it stays so")]
fn with_limits(letters: &str, outcome: Outcome, part: &str) {
    let verdict = judged(&ExternalMetric { failure_limit: 2, inconclusive_limit: 1, ..metric() }, letters);
    assert_eq!(verdict.outcome, outcome, "{}", verdict.message);
    assert!(verdict.message.contains(part), "{}", verdict.message);
}

#[test_case("ss", Outcome::NeedMoreData, "needs 1 more of 3 measurements"; "not all")]
#[test_case("sss", Outcome::Pass, "3 of 3 measurements keep value ≤ 0.5"; "all")]
#[test_case("SSS", Outcome::Pass, "3 of 3"; "all, before the weights changed")]
#[test_case("sfs", Outcome::Pass, "2 of 3 measurements keep"; "one bad one allowed")]
#[test_case("snns", Outcome::NeedMoreData, "needs 1 more of 3"; "no data does not count")]
#[test_case("fis", Outcome::Pass, "1 of 3"; "each limit kept")]
fn with_count(letters: &str, outcome: Outcome, part: &str) {
    let verdict = judged(&ExternalMetric { count: Some(3), failure_limit: 1, inconclusive_limit: 1, ..metric() }, letters);
    assert_eq!(verdict.outcome, outcome, "{}", verdict.message);
    assert!(verdict.message.contains(part), "{}", verdict.message);
}

#[test]
fn an_old_measurement_is_no_pass() {
    let (metric, history) = (metric(), history("s"));
    let at = |seconds: u64| verdict(&metric, Some(&history), EPOCH, Time(60_000 + seconds * 1_000));
    assert_eq!(at(71).outcome, Outcome::Pass);
    assert_eq!(at(72).outcome, Outcome::NeedMoreData);
    assert_eq!(at(72).message, "slow: 0.25, 1m12s ago; needs a newer one");
}

#[test_case("s", "slow (dry run): would pass: 0.25 keeps value ≤ 0.5"; "good")]
#[test_case("f", "slow (dry run): would fail: 0.75 breaks value ≤ 0.5: 1 of 1 measurements failed"; "bad")]
#[test_case("i", "slow (dry run): would hold the release: 1 of 1 measurements are inconclusive: 0.5"; "neither")]
#[test_case("e", "slow (dry run): Prometheus could not be asked: connection refused"; "an error")]
fn a_dry_run_says_what_it_would_do_and_decides_nothing(letters: &str, message: &str) {
    let verdict = judged(&ExternalMetric { dry_run: true, ..metric() }, letters);
    assert_eq!((verdict.outcome, verdict.message.as_str()), (Outcome::NotApplicable, message));
}

#[test]
fn conditions_read_values() {
    let condition = |text: &str| Some(Condition::new(text).unwrap());
    let both = Check::Conditions { success: condition("value < 0.1"), failure: condition("value > 0.5") };
    let success = Check::Conditions { success: condition("value < 0.1"), failure: None };
    let failure = Check::Conditions { success: None, failure: condition("value > 0.5") };
    let read = |check: &Check, value: f64| check.read(&Value::Number(value), &Value::Nothing);
    assert_eq!([0.05, 0.3, 0.7].map(|value| read(&both, value)), [Reading::Success, Reading::Inconclusive, Reading::Failure]);
    assert_eq!([0.05, 0.3].map(|value| read(&success, value)), [Reading::Success, Reading::Failure]);
    assert_eq!([0.3, 0.7].map(|value| read(&failure, value)), [Reading::Success, Reading::Failure]);
    assert_eq!(both.read(&Value::Nothing, &Value::Nothing), Reading::NoData);
    let compared = Check::Conditions { success: condition("value <= baseline"), failure: None };
    assert_eq!(compared.read(&Value::Number(1.0), &Value::Nothing), Reading::NoData, "nothing to compare with");
    assert!(matches!(both.read(&Value::Json("text".into()), &Value::Nothing), Reading::Error(_)));
}

#[test]
fn fixed_limits_hold_for_each_number_and_are_errors_for_anything_else() {
    let limits = Check::Limits { min: Some(0.0), max: Some(0.5) };
    let read = |value: Value| limits.read(&value, &Value::Nothing);
    assert_eq!(read(Value::Number(0.5)), Reading::Success);
    assert_eq!(read(Value::Numbers(vec![0.1, 0.6])), Reading::Failure);
    assert_eq!(read(Value::Number(f64::INFINITY)), Reading::Failure);
    assert_eq!(read(Value::Json("0.25".into())), Reading::Success, "many APIs write numbers as texts");
    assert!(matches!(read(Value::Json(true.into())), Reading::Error(_)));
}

/// v2 beside v1, at this stage with this weight.
fn running(stage: Stage, weight: u32) -> State {
    State { attempt: 3, ..with(Run { weight: Weight::ppm(weight * 10_000), ..run("v2", 0, stage) }) }
}

#[test_case(Stage::Preparing, 0, None; "being installed")]
#[test_case(Stage::Holding { step: 0 }, 0, None; "a pause before any user is sent")]
#[test_case(Stage::AwaitingPrerequisites { step: 1 }, 0, None; "the first weight waits for instances")]
#[test_case(Stage::Applying { step: 1 }, 5, Some(None); "the first weight")]
#[test_case(Stage::Holding { step: 2 }, 5, Some(None); "later")]
#[test_case(Stage::Shifting, 100, Some(None); "everybody")]
#[test_case(Stage::Reverting(Ending::RolledBack), 0, None; "on the way back")]
fn the_whole_release_is_measured_while_users_are_sent(stage: Stage, weight: u32, expected: Option<Option<usize>>) {
    let found = scope(&metric(), &plan(), &running(stage, weight));
    assert_eq!(found.ok(), expected.map(|step| Scope { attempt: 3, step }));
}

#[test]
fn a_step_is_measured_while_it_is_held_and_the_old_version_while_it_is_kept() {
    let plan = plan();
    assert!(matches!(plan.steps[2], Step::Analysis(_)));
    let of_step = ExternalMetric { steps: Some(vec![2]), ..metric() };
    let in_step = |stage| scope(&of_step, &plan, &running(stage, 5));
    assert_eq!(in_step(Stage::Holding { step: 2 }), Ok(Scope { attempt: 3, step: Some(2) }));
    assert!(in_step(Stage::Applying { step: 2 }).is_err() && in_step(Stage::Holding { step: 3 }).is_err());
    let mut kept = running(Stage::Shifting, 100);
    kept.run = None;
    assert!(scope(&metric(), &plan, &kept).is_err(), "at rest");
    kept.previous = Some(serde_json::from_value::<Previous>(serde_json::json!({"version": "v1", "until": 1, "size": 100})).unwrap());
    assert_eq!(scope(&metric(), &plan, &kept), Ok(Scope { attempt: 3, step: None }));
    assert!(scope(&of_step, &plan, &kept).is_err());
}

#[test_case("", 59, false; "before the initial delay is over")]
#[test_case("", 60, true; "after it")]
#[test_case("s", 89, false; "before the interval is over")]
#[test_case("s", 90, true; "after it, again")]
#[test_case("f", 90, false; "decided for good")]
#[test_case("eee", 300, false; "given up")]
#[test_case("ee", 120, true; "tried again after an error")]
fn what_is_due(letters: &str, second: u64, expected: bool) {
    assert_eq!(due(&metric(), &history(letters), Time(second * 1_000)), expected);
}

#[test]
fn a_history_keeps_its_counts_and_only_the_last_measurements() {
    let history = history(&"s".repeat(100));
    assert_eq!((history.successes, history.recent.len()), (100, RECENT_MAX));
    assert_eq!(history.latest().unwrap().at, Time(60_000 + 99 * 30_000));
}

#[test]
fn placeholders_stand_for_the_arm_that_is_asked_for() {
    let plan = plan();
    let subject = Subject::of(&running(Stage::Shifting, 100)).unwrap();
    let filled = |version: &VersionName| {
        let text = "{{version}} {{candidate}} {{stable}} {{cluster}} {{clusters}} {{shadowCluster}} {{namespace}}/{{name}}";
        fill(text, |placeholder| subject.value(&plan, version, Time(0), placeholder))
    };
    assert_eq!(
        filled(&subject.candidate),
        "v2 v2 v1 shunt/shop/checkout/v2 shunt/shop/checkout/v2(/fallback)? shunt/shop/checkout/v2/shadow shop/checkout"
    );
    assert_eq!(
        filled(&subject.stable),
        "v1 v2 v1 shunt/shop/checkout/v1 shunt/shop/checkout/v1(/fallback)? shunt/shop/checkout/v1/shadow shop/checkout"
    );
}
