//! Who answered what was decided for a version, under one generation.

use super::*;
use shunt_core::observation::Answers;
use shunt_filter_core::VersionName;

fn v2() -> VersionName {
    "v2".parse().unwrap()
}

/// So many requests decided for v2 ended, and so many of them went astray.
fn ended(requests: u64, astray: u64) -> ServiceReport {
    let counters = Counters { started: requests, succeeded: requests, astray, ..Counters::default() };
    ServiceReport { misrouted: astray, versions: BTreeMap::from([(v2(), counters)]), ..ServiceReport::default() }
}

fn post(edge: &mut Edge, vm: &str, generation: u64, seconds: u64, service: ServiceReport) {
    edge.with(vm, generation, seconds, |report| report.services = BTreeMap::from([(id(), service)]));
}

fn answers(edge: &Edge, generation: u64, seconds: u64) -> Answers {
    edge.reports.answers(&id(), &v2(), generation, &expected(&["edge"]), at(seconds))
}

fn astray() -> Answers {
    Answers::Astray { nodes: vec!["edge".to_owned()] }
}

#[test]
fn without_requests_no_version_answered() {
    let mut edge = Edge::default();
    post(&mut edge, "w0", 1, 0, ended(0, 0));
    post(&mut edge, "w0", 2, 1, ended(0, 0));
    assert_eq!(answers(&edge, 2, 9), Answers::Nothing);
    assert_eq!(answers(&edge, 3, 9), Answers::Nothing, "nothing is known of a generation that no proxy has");
}

#[test]
fn what_went_astray_counts_until_the_version_answers() {
    let mut edge = Edge::default();
    post(&mut edge, "w0", 2, 0, ended(0, 0));
    post(&mut edge, "w0", 2, 1, ended(1, 1));
    // Long pauses change nothing.
    post(&mut edge, "w0", 2, 20, ended(1, 1));
    assert_eq!(answers(&edge, 2, 20), astray());
    post(&mut edge, "w0", 2, 21, ended(3, 2));
    assert_eq!(answers(&edge, 2, 21), Answers::Right, "one of them was right");
}

#[test]
fn an_answer_before_the_generation_says_nothing_about_it() {
    let mut edge = Edge::default();
    post(&mut edge, "w0", 1, 0, ended(5, 0));
    post(&mut edge, "w0", 2, 1, ended(9, 0));
    assert_eq!(answers(&edge, 2, 1), Answers::Nothing, "its first report also counts what was decided before");
    assert_eq!(answers(&edge, 1, 1), Answers::Right);
    post(&mut edge, "w0", 2, 2, ended(10, 1));
    assert_eq!(answers(&edge, 2, 2), astray());
}

#[test]
fn what_went_astray_at_the_border_of_a_generation_counts() {
    let mut edge = Edge::default();
    post(&mut edge, "w0", 1, 0, ended(0, 0));
    post(&mut edge, "w0", 2, 1, ended(4, 4));
    assert_eq!(answers(&edge, 2, 1), astray());
}

#[test]
fn one_worker_answers_for_its_proxy_and_no_proxy_for_another() {
    let mut edge = Edge::default();
    post(&mut edge, "w0", 2, 0, ended(0, 0));
    post(&mut edge, "w1", 2, 0, ended(0, 0));
    post(&mut edge, "w0", 2, 1, ended(1, 1));
    post(&mut edge, "w1", 2, 1, ended(1, 0));
    assert_eq!(answers(&edge, 2, 1), Answers::Right, "workers share their routes");
    let services = BTreeMap::from([(id(), ended(1, 1))]);
    let other = |sequence, services| Report { generation: 2, services, ..super::post("other", "w9", sequence) };
    edge.reports.take(other(1, BTreeMap::new()), at(1));
    edge.reports.take(other(2, services), at(2));
    let both = edge.reports.answers(&id(), &v2(), 2, &expected(&["edge", "other"]), at(2));
    assert_eq!(both, Answers::Astray { nodes: vec!["other".to_owned()] });
    assert_eq!(answers(&edge, 2, 2), Answers::Right, "a proxy that is not expected proves and disproves nothing");
}

#[test]
fn an_envoy_that_starts_anew_starts_anew() {
    let mut edge = Edge::default();
    post(&mut edge, "w0", 2, 0, ended(0, 0));
    post(&mut edge, "w0", 2, 1, ended(4, 4));
    edge.with("w0", 2, 2, |report| {
        report.services = BTreeMap::from([(id(), ended(4, 4))]);
        report.last = true;
    });
    post(&mut edge, "w1", 2, 3, ended(0, 0));
    assert_eq!(answers(&edge, 2, 3), Answers::Nothing, "it may have other routes");
}

#[test]
fn a_version_whose_clients_all_leave_has_not_answered() {
    let mut edge = Edge::default();
    let left = |abandoned, succeeded| {
        let counters = Counters { started: abandoned + succeeded, abandoned, succeeded, ..Counters::default() };
        ServiceReport { versions: BTreeMap::from([(v2(), counters)]), ..ServiceReport::default() }
    };
    post(&mut edge, "w0", 2, 0, left(0, 0));
    post(&mut edge, "w0", 2, 1, left(3, 0));
    assert_eq!(answers(&edge, 2, 20), astray());
    post(&mut edge, "w0", 2, 21, left(9, 1));
    assert_eq!(answers(&edge, 2, 21), Answers::Right);
}
