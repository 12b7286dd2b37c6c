//! Sums of counters, and the form of an epoch on the wire.

use super::*;
use crate::exemplar::{Answer, Exemplar, ExemplarKind};
use crate::method::Method;
use test_case::test_case;

#[test_case(0, 0)]
#[test_case(1_000, 0; "a bound belongs to its bucket")]
#[test_case(1_001, 1)]
#[test_case(2_000, 1)]
#[test_case(34_000, 5)]
#[test_case(10_000_000, 15)]
#[test_case(10_000_001, 16; "slower than all bounds")]
fn buckets(microseconds: u64, bucket: usize) {
    assert_eq!(latency_bucket(Duration::from_micros(microseconds)), bucket);
}

#[test]
fn counters_add_up() {
    let mut sum = Counters { started: 3, succeeded: 1, ..Counters::default() };
    let mut other = Counters { started: 6, failed: 1, cancelled: 1, abandoned: 1, uncounted: 1, ..Counters::default() };
    other.observe(Duration::from_millis(3));
    sum.add(&other);
    sum.add(&other);
    assert_eq!((sum.started, sum.succeeded, sum.failed, sum.cancelled, sum.abandoned, sum.uncounted), (15, 1, 2, 2, 2, 2));
    assert_eq!(sum.ended(), 9);
    assert_eq!(sum.latency.get(2), Some(&2));
    assert_eq!(sum.latency.len(), LATENCY_BUCKETS);
}

#[test]
fn an_older_report_parses() {
    let counters: Counters = serde_json::from_str(r#"{"started":1,"succeeded":1,"failed":0,"cancelled":0,"new":1}"#).unwrap();
    assert_eq!(counters, Counters { started: 1, succeeded: 1, ..Counters::default() });
}

fn slots(numbers: &[u16]) -> Slots {
    numbers.iter().copied().collect()
}

fn name(text: &str) -> VersionName {
    text.parse().unwrap()
}

fn epoch(version: &str, slot: u16) -> EpochReport {
    let one = BTreeMap::from([(name(version), 1)]);
    let mut exemplars = Exemplars::default();
    exemplars.note(Exemplar::new(ExemplarKind::Rejected, Some(Answer::Status(404)), Method::Get, "/".to_owned()));
    EpochReport {
        epoch: 3,
        seen: slots(&[slot, 9]),
        abandoned: slots(&[slot]),
        hanging: Some(Hanging { versions: one.clone(), slots: slots(&[slot]) }),
        responses: BTreeMap::from([(ResponseClass::Rejected, Responses { versions: one, slots: slots(&[slot]) })]),
        exemplars: BTreeMap::from([(name(version), exemplars)]),
        ..EpochReport::default()
    }
}

#[test]
fn an_epoch_on_the_wire() {
    let report = epoch("v2", 7);
    let text = serde_json::to_string(&report).unwrap();
    let expected = concat!(
        r#"{"epoch":3,"versions":{},"seen":"b8002","failed":"l","abandoned":"b80","#,
        r#""hanging":{"versions":{"v2":1},"slots":"b80"},"responses":{"rejected":{"versions":{"v2":1},"slots":"b80"}},"#,
        r#""exemplars":{"v2":[{"kind":"rejected","answer":{"status":404},"method":"GET","path":"/","count":1}]}}"#,
    );
    assert_eq!(text, expected);
    assert_eq!(serde_json::from_str::<EpochReport>(&text).unwrap(), report);
    let quiet = serde_json::to_string(&EpochReport::default()).unwrap();
    assert_eq!(quiet, r#"{"epoch":0,"versions":{},"seen":"l","failed":"l"}"#, "what never happened takes no room");
    assert_eq!(serde_json::from_str::<EpochReport>(&quiet).unwrap(), EpochReport::default());
}

#[test]
fn epochs_of_several_vms_add_up() {
    let mut sum = epoch("v2", 1);
    sum.add(&epoch("v2", 2));
    sum.add(&epoch("v1", 2));
    assert_eq!((sum.seen, sum.abandoned), (slots(&[1, 2, 9]), slots(&[1, 2])));
    let counts = BTreeMap::from([(name("v1"), 1), (name("v2"), 2)]);
    assert_eq!(sum.hanging, Some(Hanging { versions: counts.clone(), slots: slots(&[1, 2]) }));
    let rejected = sum.responses.get(&ResponseClass::Rejected);
    assert_eq!(rejected, Some(&Responses { versions: counts, slots: slots(&[1, 2]) }));
    let exemplars = |version| sum.exemplars[&name(version)].iter().map(|exemplar| exemplar.count).collect::<Vec<_>>();
    assert_eq!((exemplars("v1"), exemplars("v2")), (vec![1], vec![2]));
}

#[test]
fn of_a_slot_that_two_vms_timed_the_first_that_was_told_counts() {
    let timed =
        |seen: &[u16], first_slow: &[u16]| LatencySlots { seen: slots(seen), first_slow: slots(first_slow), ..LatencySlots::default() };
    let mut sum = timed(&[1, 2], &[2]);
    sum.add(&timed(&[1, 2, 3, 4], &[1, 3]));
    assert_eq!(sum, timed(&[1, 2, 3, 4], &[2, 3]));
}

/// What an analysis adds to a report of one service with two versions; the figures stand in ARCHITECTURE.md.
#[test]
fn how_much_a_report_grows() {
    let size = |report: &EpochReport| serde_json::to_string(report).unwrap().len();
    let versions = BTreeMap::from([(name("v1"), 1_000_000), (name("v2"), 1_000_000)]);
    let with = |count: u16, exemplars: u16| {
        let some: Slots = (0..count).map(|slot| slot * (SLOTS / count.max(1))).collect();
        let responses = || Responses { versions: versions.clone(), slots: some.clone() };
        let mut of_version = Exemplars::default();
        for number in 0..exemplars {
            let answer = Some(Answer::GrpcStatus(number.into()));
            of_version.note(Exemplar::new(
                ExemplarKind::RejectedGrpc,
                answer,
                Method::Options,
                "/shop.checkout.v1.Checkout/PlaceOrder".to_owned(),
            ));
        }
        let of_versions = versions.keys().map(|version| (version.clone(), of_version.clone()));
        EpochReport {
            abandoned: some.clone(),
            hanging: Some(Hanging { versions: versions.clone(), slots: some.clone() }),
            responses: if count == 0 { BTreeMap::new() } else { ResponseClass::ALL.map(|class| (class, responses())).into() },
            exemplars: if exemplars == 0 { BTreeMap::new() } else { of_versions.collect() },
            ..EpochReport::default()
        }
    };
    let quiet = size(&EpochReport::default());
    let nothing = size(&EpochReport { hanging: Some(Hanging::default()), ..EpochReport::default() }) - quiet;
    let some = size(&with(20, 3)) - quiet;
    let worst = size(&with(SLOTS, 8)) - quiet;
    assert_eq!((nothing, some, worst), (38, 1_614, 17_394), "bytes: nothing happened, 20 slots of each kind, all there can be");
}
