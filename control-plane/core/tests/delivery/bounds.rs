//! Whatever is posted, the memory does not fill up, and no step is held up by it.

use super::*;
use shunt_core::delivery::{NODES_MAX, STRANGERS_MAX};

#[test]
fn no_number_of_nodes_fills_the_memory() {
    let mut reports = Reports::default();
    let take = |reports: &mut Reports, report: Report, now| {
        reports.vouch(&report.node, now);
        reports.take(report, now)
    };
    let report = |node: usize, last| {
        let services = BTreeMap::from([(id(), requests(3, 2, 0))]);
        Report { last, services, ..post(&format!("n{node}"), "w0", if last { 2 } else { 1 }) }
    };
    for node in 0..NODES_MAX {
        assert!(take(&mut reports, report(node, false), at(0)));
    }
    assert!(!take(&mut reports, report(NODES_MAX, false), at(1)), "full");
    reports.connection("another", true, at(1));
    assert_eq!(reports.proxies(at(1)).len(), NODES_MAX);
    assert!(take(&mut reports, report(7, true), at(2)));
    assert!(take(&mut reports, report(NODES_MAX, false), at(3)), "one that is gone makes room");
    let sum = reports.service(&id()).versions.remove(&"v2".parse().unwrap()).unwrap();
    assert_eq!(sum.succeeded, 2 * (NODES_MAX as u64 + 1), "and what it counted stays");
    assert_eq!(reports.service(&id()).versions.len(), 1);
}

#[test]
fn made_up_nodes_leave_room_for_real_ones_and_age_out_in_a_minute() {
    let mut reports = Reports::default();
    let made_up =
        |node: usize| Report { services: BTreeMap::from([(id(), requests(3, 2, 0))]), ..post(&format!("made-up-{node}"), "w0", 1) };
    for node in 0..STRANGERS_MAX {
        assert!(reports.take(made_up(node), at(0)));
    }
    assert!(!reports.take(made_up(STRANGERS_MAX), at(1)), "their share is used up");
    reports.connection("edge", true, at(1));
    assert!(reports.take(post("edge", "w0", 1), at(1)), "one with a connection has its own");
    reports.vouch("far", at(1));
    assert!(reports.take(post("far", "w0", 1), at(1)), "so has one with a certificate");
    assert!(!reports.knows("made-up-0") && reports.knows("edge") && reports.knows("far"));
    reports.sweep(at(59));
    assert_eq!(reports.proxies(at(59)).len(), STRANGERS_MAX + 2);
    reports.sweep(at(61));
    let left: Vec<String> = reports.proxies(at(61)).into_iter().map(|proxy| proxy.node).collect();
    assert_eq!(left, ["edge", "far"]);
    assert!(reports.take(made_up(STRANGERS_MAX), at(61)), "and make room for others");
}

#[test]
fn what_ended_vms_leave_does_not_fill_the_memory() {
    let mut reports = Reports::default();
    reports.vouch("edge", at(0));
    let report = |number: u64, last| {
        let service = format!("shop/s{}", number / 100).parse().unwrap();
        let goals = (0..30).map(|goal| (format!("g{goal}-{number}"), [99_999].into_iter().collect())).collect();
        let epoch = EpochReport { epoch: 1, goals, ..EpochReport::default() };
        let services = BTreeMap::from([(service, ServiceReport { epoch: Some(epoch), ..requests(1, 1, 0) })]);
        Report { last, services, ..post("edge", &format!("vm{number}"), 1) }
    };
    reports.take(report(0, true), at(0));
    for number in 0..1_000 {
        reports.take(report(number, true), at(0));
    }
    let kept = reports.footprint("edge");
    assert!(kept > 20 << 20 && kept < 64 << 20, "{kept}");
    let first = reports.service(&"shop/s0".parse().unwrap()).versions.remove(&"v2".parse().unwrap()).unwrap();
    assert!(first.succeeded > 10, "what was counted stays");
}

#[test]
fn short_lived_vms_do_not_fill_the_memory_or_hold_up_anybody() {
    let mut edge = Edge::default();
    edge.run(&["main", "w0"], 1, 0, 10);
    for number in 0..3_000 {
        let vm = format!("short-{number}");
        edge.counted(&vm, 10, requests(2, 1, 0), true);
    }
    edge.run(&["main", "w0"], 2, 10, 20);
    assert_eq!(edge.policy(2, 16), live(10));
    let sum = edge.reports.service(&id()).versions.remove(&"v2".parse().unwrap()).unwrap();
    assert_eq!((sum.started, sum.ended()), (3_000, 3_000));
    // Others never say a last word, one after the other.
    for number in 0..300 {
        edge.run(&["main", "w0"], 2, 20 + number, 21 + number);
        edge.post(&format!("mute-{number}"), 2, 20 + number);
    }
    edge.run(&["main", "w0"], 2, 320, 400);
    assert_eq!(edge.reports.proxies(at(396))[0].vms, 2);
    for number in 0..3_000 {
        edge.post(&format!("flood-{number}"), 2, 400);
    }
    assert!(edge.reports.proxies(at(400))[0].vms <= 1_024, "bounded whatever is made up");
}
