//! What reports and connections prove, and what they do not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[path = "delivery/answered.rs"]
mod answered;
#[path = "delivery/bounds.rs"]
mod bounds;
#[path = "delivery/claims.rs"]
mod claims;
#[path = "delivery/counted.rs"]
mod counted;

use std::collections::{BTreeMap, BTreeSet};

use shunt_core::delivery::Reports;
use shunt_core::observation::{Delivery, Misrouting};
use shunt_filter_core::RolloutId;
use shunt_filter_core::report::{Counters, EpochReport, Hanging, Report, ServiceReport};
use shunt_spec::time::Time;

fn id() -> RolloutId {
    "shop/checkout".parse().unwrap()
}

/// A report of generation 1 that counts nothing.
fn post(node: &str, vm: &str, sequence: u64) -> Report {
    let (node, vm) = (node.to_owned(), vm.to_owned());
    Report { node, vm, sequence, generation: 1, last: false, module: String::new(), services: BTreeMap::new() }
}

fn at(seconds: u64) -> Time {
    Time(seconds * 1_000)
}

fn expected(nodes: &[&str]) -> BTreeSet<String> {
    nodes.iter().map(|node| (*node).to_owned()).collect()
}

/// A proxy `edge` whose VMs post.
#[derive(Default)]
struct Edge {
    reports: Reports,
    sequences: BTreeMap<String, u64>,
}

impl Edge {
    fn post(&mut self, vm: &str, generation: u64, seconds: u64) -> bool {
        self.with(vm, generation, seconds, |_| {})
    }

    fn last(&mut self, vm: &str, generation: u64, seconds: u64) -> bool {
        self.with(vm, generation, seconds, |report| report.last = true)
    }

    fn counted(&mut self, vm: &str, seconds: u64, service: ServiceReport, last: bool) -> bool {
        self.with(vm, 1, seconds, |report| {
            report.services = BTreeMap::from([(id(), service)]);
            report.last = last;
        })
    }

    fn with(&mut self, vm: &str, generation: u64, seconds: u64, change: impl FnOnce(&mut Report)) -> bool {
        let sequence = self.sequences.entry(vm.to_owned()).or_default();
        *sequence += 1;
        let mut report = Report { generation, ..post("edge", vm, *sequence) };
        change(&mut report);
        self.reports.vouch("edge", at(seconds));
        self.reports.take(report, at(seconds))
    }

    /// All of these VMs post every five seconds.
    fn run(&mut self, vms: &[&str], generation: u64, from: u64, to: u64) {
        for seconds in (from..to).step_by(5) {
            for vm in vms {
                self.post(vm, generation, seconds);
            }
        }
    }

    fn policy(&self, generation: u64, seconds: u64) -> Delivery {
        self.reports.delivery(generation, &expected(&["edge"]), at(seconds))
    }

    fn everywhere(&self, generation: u64, seconds: u64) -> Delivery {
        self.reports.everywhere(generation, &expected(&["edge"]), at(seconds))
    }
}

fn live(seconds: u64) -> Delivery {
    Delivery::Live { since: at(seconds), proxies: 1 }
}

fn behind() -> Delivery {
    Delivery::Waiting { behind: vec!["edge".to_owned()] }
}

fn requests(started: u64, succeeded: u64, failed: u64) -> ServiceReport {
    let counters = Counters { started, succeeded, failed, ..Counters::default() };
    ServiceReport { versions: BTreeMap::from([("v2".parse().unwrap(), counters)]), ..ServiceReport::default() }
}

fn in_epoch(epoch: u64, slot: u16, ended: u64) -> ServiceReport {
    let mut report = EpochReport { epoch, ..EpochReport::default() };
    report.seen.insert(slot);
    report.versions.insert("v2".parse().unwrap(), Counters { started: ended, succeeded: ended, ..Counters::default() });
    ServiceReport { epoch: Some(report), ..ServiceReport::default() }
}

#[test]
fn a_proxy_that_connected_a_moment_ago_is_waited_for() {
    let mut edge = Edge::default();
    edge.run(&["main", "w0"], 1, 0, 10);
    edge.reports.connection("second", true, at(10));
    let of_both = |edge: &Edge, seconds: u64| edge.reports.delivery(1, &expected(&["edge", "second"]), at(seconds));
    assert_eq!(of_both(&edge, 11), Delivery::Waiting { behind: vec!["second".to_owned()] }, "its listener may serve users already");
    edge.reports.take(post("second", "main", 1), at(12));
    assert_eq!(of_both(&edge, 12), Delivery::Live { since: at(12), proxies: 2 });

    let mut edge = Edge::default();
    edge.reports.connection("second", true, at(10));
    edge.run(&["main"], 1, 0, 45);
    assert_eq!(of_both(&edge, 41), live(0), "one that never reports does not hold a step for ever");
}

#[test]
fn live_when_the_last_vm_has_it() {
    let mut edge = Edge::default();
    assert_eq!(edge.policy(1, 0), Delivery::Unknown { since: at(0) });
    edge.run(&["main", "w0", "w1"], 1, 0, 10);
    edge.post("main", 2, 10);
    edge.post("w0", 2, 11);
    assert_eq!(edge.policy(2, 11), behind());
    edge.post("w1", 2, 12);
    assert_eq!(edge.policy(2, 12), live(12));
    assert_eq!(edge.policy(1, 12), live(0), "a later generation proves the earlier one, since the earlier one");
    assert_eq!(edge.policy(3, 12), behind());
}

#[test]
fn pushes_for_others_do_not_make_a_proof_young() {
    let mut edge = Edge::default();
    for generation in 1..60 {
        edge.post("w0", generation, generation);
    }
    assert_eq!(edge.policy(10, 60), live(10));
}

#[test]
fn a_generation_that_goes_back_is_not_reached() {
    let mut edge = Edge::default();
    edge.post("w0", 5, 0);
    edge.post("w0", 4, 1);
    assert_eq!(edge.policy(5, 1), behind());
    assert_eq!(edge.policy(4, 1), live(1));
}

#[test]
fn as_many_as_ever_at_once_must_have_it() {
    let mut edge = Edge::default();
    edge.run(&["main", "w0", "w1"], 1, 0, 20);
    // w1 dies; the others go on for a long time.
    edge.run(&["main", "w0"], 2, 20, 200);
    assert_eq!(edge.policy(2, 200), behind(), "a dead worker decides nothing, so nothing is proved");
    assert_eq!(edge.reports.with_dead_vms(at(200)), ["edge"]);
    let seen = |edge: &Edge, second: u64| edge.reports.proxies(at(second)).first().map(|seen| (seen.vms, seen.lost, seen.dead));
    assert_eq!(seen(&edge, 199), Some((2, 1, 1)));
    // A push replaces it.
    edge.run(&["main", "w0", "w1b"], 3, 200, 240);
    assert_eq!(edge.policy(3, 236), live(200));
    assert!(edge.reports.with_dead_vms(at(236)).is_empty());
    assert_eq!(seen(&edge, 236), Some((3, 0, 1)), "replaced, and not forgotten at once");
}

#[test]
fn a_vm_that_takes_the_place_of_a_dead_one_is_not_one_more() {
    for pause in [1, 5, 16, 40] {
        let mut edge = Edge::default();
        edge.run(&["main", "w0", "w1"], 1, 0, 20);
        edge.run(&["main", "w0"], 1, 20, 20 + pause);
        edge.run(&["main", "w0", "w1b"], 2, 20 + pause, 200);
        assert_eq!(edge.policy(2, 196), live(20 + pause), "replaced after {pause} s");
        assert!(edge.reports.with_dead_vms(at(196)).is_empty());
    }
}

#[test]
fn a_replaced_vm_says_its_last_word() {
    let mut edge = Edge::default();
    edge.run(&["main", "w0"], 1, 0, 10);
    edge.post("main2", 2, 10);
    edge.post("w02", 2, 10);
    edge.last("main", 1, 11);
    edge.last("w0", 1, 11);
    edge.run(&["main2", "w02"], 2, 11, 30);
    assert_eq!(edge.policy(2, 26), live(10));
    // It is not forgotten that there were two.
    edge.run(&["main2"], 3, 30, 100);
    assert_eq!(edge.policy(3, 96), behind());
}

#[test]
fn killed_and_started_again_with_fewer_workers() {
    let mut edge = Edge::default();
    edge.reports.connection("edge", true, at(0));
    edge.run(&["main", "w0", "w1", "w2"], 1, 1, 20);
    edge.reports.connection("edge", false, at(20));
    edge.reports.connection("edge", true, at(22));
    edge.run(&["main2", "w02"], 2, 22, 30);
    assert_eq!(edge.policy(2, 27), behind(), "the old ones might still be there");
    edge.run(&["main2", "w02"], 2, 30, 50);
    assert_eq!(edge.policy(2, 46), live(22));
    edge.run(&["main2"], 3, 50, 120);
    assert_eq!(edge.policy(3, 116), behind(), "two at once since it started again");
}

#[test]
fn a_connection_that_flaps_forgets_no_vm() {
    let mut edge = Edge::default();
    edge.reports.connection("edge", true, at(0));
    edge.run(&["main", "w0"], 1, 1, 20);
    edge.reports.connection("edge", false, at(20));
    edge.reports.connection("edge", true, at(21));
    edge.run(&["main"], 2, 21, 90);
    assert_eq!(edge.policy(2, 86), behind());
    edge.run(&["main", "w0"], 2, 90, 100);
    assert_eq!(edge.policy(2, 96), live(90));
}

#[test]
fn silent_then_gone() {
    let mut edge = Edge::default();
    edge.reports.connection("edge", true, at(0));
    edge.run(&["main", "w0"], 1, 1, 10);
    assert_eq!(edge.policy(2, 35), behind());
    assert_eq!(edge.policy(2, 40), Delivery::Unknown { since: at(6) }, "silent for 30 s: it holds up no step");
    assert_eq!(edge.everywhere(2, 3_000), behind(), "connected, so it may hold what it was sent, for ever");
    edge.reports.connection("edge", false, at(3_000));
    assert_eq!(edge.everywhere(2, 3_059), behind());
    assert!(edge.reports.gone(&expected(&["edge"]), at(3_059)).is_empty());
    assert!(matches!(edge.everywhere(2, 3_060), Delivery::Unknown { .. }));
    assert_eq!(edge.reports.gone(&expected(&["edge"]), at(3_060)), ["edge"]);
}

#[test]
fn never_heard_of_but_expected() {
    let mut edge = Edge::default();
    edge.post("main", 1, 0);
    let both = expected(&["edge", "other"]);
    assert_eq!(edge.reports.delivery(1, &both, at(1)), live(0));
    assert_eq!(edge.reports.everywhere(1, &both, at(1)), Delivery::Waiting { behind: vec!["other".to_owned()] });
    edge.reports.connection("other", false, at(1));
    edge.post("main", 1, 60);
    assert_eq!(edge.reports.everywhere(1, &both, at(60)), Delivery::Waiting { behind: vec!["other".to_owned()] });
    assert_eq!(edge.reports.everywhere(1, &both, at(61)), live(0));
}

#[test]
fn after_a_restart_the_first_report_proves_nothing_for_others() {
    let mut edge = Edge::default();
    edge.reports.remember("edge", at(0));
    edge.reports.remember("other", at(0));
    let both = expected(&["edge", "other"]);
    let policy = |edge: &Edge, second| edge.reports.delivery(2, &both, at(second));
    assert_eq!(policy(&edge, 1), Delivery::Waiting { behind: vec!["edge".to_owned(), "other".to_owned()] });
    edge.post("main", 2, 10);
    assert_eq!(edge.policy(2, 10), behind(), "its workers may not have reported yet");
    edge.post("w0", 1, 10);
    assert_eq!(edge.policy(2, 11), behind(), "one has not come so far");
    edge.post("w0", 2, 12);
    assert_eq!(edge.policy(2, 12), live(12));
    assert_eq!(policy(&edge, 12), Delivery::Waiting { behind: vec!["other".to_owned()] }, "it may still come");
    edge.run(&["main", "w0"], 2, 13, 31);
    assert_eq!(policy(&edge, 29), Delivery::Waiting { behind: vec!["other".to_owned()] });
    assert_eq!(policy(&edge, 30), live(12), "silent for 30 s: it holds up no step");
}

#[test]
fn gone_after_its_last_word() {
    let mut edge = Edge::default();
    edge.run(&["main", "w0"], 1, 0, 5);
    edge.last("main", 1, 6);
    assert!(edge.reports.gone(&expected(&["edge"]), at(6)).is_empty());
    edge.last("w0", 1, 6);
    assert_eq!(edge.reports.gone(&expected(&["edge"]), at(6)), ["edge"]);
}

#[test]
fn forgotten() {
    let mut edge = Edge::default();
    edge.counted("w0", 0, requests(5, 1, 0), false);
    edge.reports.forget("edge");
    assert!(edge.reports.proxies(at(1)).is_empty());
    assert_eq!(edge.reports.service(&id()), ServiceReport::default());
}

#[test]
fn an_outage_of_the_network_is_forgotten() {
    let mut edge = Edge::default();
    edge.run(&["main", "w0", "w1"], 1, 0, 20);
    edge.run(&["main", "w0", "w1"], 2, 600, 620);
    assert_eq!(edge.policy(2, 616), live(600));
}

#[test]
fn vms_of_an_envoy_that_was_killed_are_buried_with_what_they_counted() {
    let mut edge = Edge::default();
    edge.reports.connection("edge", true, at(0));
    for restart in 0..400_u64 {
        let start = restart * 100 + 1;
        for vm in ["main", "w0"] {
            edge.counted(&format!("{vm}-{restart}"), start, requests(3, 2, 0), false);
            edge.counted(&format!("{vm}-{restart}"), start + 5, requests(3, 2, 0), false);
        }
        edge.reports.connection("edge", false, at(start + 10));
        edge.reports.connection("edge", true, at(start + 11));
    }
    edge.run(&["main", "w0"], 2, 40_011, 40_100);
    assert_eq!(edge.policy(2, 40_096), live(40_011));
    let counters = edge.reports.service(&id()).versions.remove(&"v2".parse().unwrap()).unwrap();
    assert_eq!((counters.started, counters.succeeded), (1_600, 1_600));
}
