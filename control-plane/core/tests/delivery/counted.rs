//! What posts add up to.

use super::*;

#[test]
fn old_posts_change_nothing() {
    let mut edge = Edge::default();
    assert!(edge.with("w0", 2, 0, |report| report.sequence = 7));
    assert!(!edge.with("w0", 1, 1, |report| report.sequence = 6), "overtaken on the way");
    assert!(!edge.with("w0", 1, 1, |report| report.sequence = 7), "twice");
    assert_eq!(edge.policy(2, 1), live(0));
    assert!(!edge.with("w0", 2, 2, |report| report.sequence = 8), "nothing new, though it lives");
    assert!(edge.with("w0", 2, 3, |report| (report.sequence, report.last) = (10, true)));
    assert!(!edge.with("w0", 2, 3, |report| report.sequence = 11), "after its last word");
    assert_eq!(edge.reports.proxies(at(3)), []);
}

#[test]
fn counters_are_summed_exactly() {
    let mut edge = Edge::default();
    edge.counted("w0", 0, requests(10, 7, 1), false);
    edge.counted("w1", 0, requests(4, 4, 0), false);
    edge.counted("w0", 1, requests(12, 9, 1), false);
    let sum = |edge: &Edge| {
        let counters = edge.reports.service(&id()).versions.remove(&"v2".parse().unwrap()).unwrap();
        (counters.started, counters.succeeded, counters.failed, counters.started - counters.ended())
    };
    assert_eq!(sum(&edge), (16, 13, 1, 2));
    edge.counted("w0", 2, requests(13, 9, 2), true);
    assert_eq!(sum(&edge), (15, 13, 2, 0), "two were lost with their VM");
    edge.counted("w1", 3, requests(9, 5, 0), false);
    assert_eq!(sum(&edge), (20, 14, 2, 4));
    // w1 dies without a word; another VM goes on.
    edge.run(&["w2"], 1, 3, 40);
    assert_eq!(sum(&edge), (16, 14, 2, 0), "silent: nothing of it runs");
    edge.run(&["w2"], 1, 40, 500);
    assert_eq!(sum(&edge), (16, 14, 2, 0), "what it counted stays");
    edge.counted("w1", 501, requests(11, 10, 0), false);
    assert_eq!(sum(&edge), (22, 19, 2, 1), "it was only cut off: nothing is counted twice");
}

#[test]
fn epochs_are_united() {
    let mut edge = Edge::default();
    edge.counted("w0", 0, in_epoch(3, 1, 10), true);
    edge.counted("w1", 0, in_epoch(3, 2, 5), false);
    edge.counted("w2", 0, in_epoch(2, 3, 7), false);
    let epoch = edge.reports.epoch(&id(), 3);
    assert_eq!(epoch.seen.iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(epoch.versions.values().map(|counters| counters.succeeded).sum::<u64>(), 15);
    assert_eq!(edge.reports.epoch(&id(), 2).seen.iter().collect::<Vec<_>>(), [3]);
    assert_eq!(edge.reports.epoch(&id(), 9), EpochReport { epoch: 9, ..EpochReport::default() });
}

#[test]
fn what_hung_in_a_vm_that_has_ended_does_not_hang_now() {
    let mut edge = Edge::default();
    let hangs = |count: u64, slot: u16| {
        let mut service = in_epoch(3, slot, 1);
        let hanging = Hanging { versions: BTreeMap::from([("v2".parse().unwrap(), count)]), slots: [slot].into_iter().collect() };
        service.epoch.as_mut().unwrap().hanging = Some(hanging);
        service
    };
    let hanging = |edge: &Edge| {
        let hanging = edge.reports.epoch(&id(), 3).hanging.unwrap();
        (hanging.versions.values().sum::<u64>(), hanging.slots.iter().collect::<Vec<_>>())
    };
    edge.counted("w0", 0, hangs(2, 7), false);
    edge.counted("w1", 0, hangs(3, 9), false);
    assert_eq!(hanging(&edge), (5, vec![7, 9]));
    edge.counted("w0", 1, hangs(2, 7), true);
    assert_eq!(hanging(&edge), (3, vec![7, 9]), "after its last word");
    edge.run(&["w2"], 1, 1, 40);
    assert_eq!(hanging(&edge), (0, vec![7, 9]), "silent: nothing of it hangs");
}

#[test]
fn misrouting_comes_in_streaks() {
    let mut edge = Edge::default();
    let grow = |edge: &mut Edge, total: u64, seconds: u64| {
        edge.counted("w0", seconds, ServiceReport { misrouted: total / 2, unrouted: total - total / 2, ..ServiceReport::default() }, false)
    };
    grow(&mut edge, 0, 1);
    assert_eq!(edge.reports.misrouting(&id(), at(1)), Misrouting::Quiet { since: at(1) });
    grow(&mut edge, 1, 2);
    grow(&mut edge, 2, 4);
    assert_eq!(edge.reports.misrouting(&id(), at(6)), Misrouting::Growing { since: at(2) });
    assert_eq!(edge.reports.misrouting(&id(), at(7)), Misrouting::Quiet { since: at(4) });
    grow(&mut edge, 2, 8);
    assert_eq!(edge.reports.misrouting(&id(), at(8)), Misrouting::Quiet { since: at(4) }, "the same number is no growth");
    grow(&mut edge, 3, 9);
    assert_eq!(edge.reports.misrouting(&id(), at(9)), Misrouting::Growing { since: at(9) });
}
