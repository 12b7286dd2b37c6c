//! Who is expected, what is proved, and who disproves it.

use std::collections::BTreeMap;

use super::*;
use crate::platform::RouteEvidence;
use crate::platform::memory::Memory as InMemory;
use shunt_api::memory::Room;
use shunt_filter_core::report::Report;

fn connected(node: &str, acked_sequence: Sequence) -> Presence {
    Presence {
        node: node.to_owned(),
        connected: true,
        since: Time(1_000),
        routes: RouteEvidence::Acknowledged(acked_sequence),
        refusal: None,
        foreign: None,
    }
}

fn closed(node: &str, since: u64) -> Presence {
    Presence { connected: false, since: Time(since), ..connected(node, 9) }
}

fn refusing(node: &str, acked_sequence: Sequence) -> Presence {
    let (kind, error, sequence) = ("extensions".to_owned(), "no".to_owned(), acked_sequence + 1);
    let refused = Refused { kind, concerns: Concerns::Policy, resources: Vec::new(), error, sequence };
    Presence { refusal: Some(refused), ..connected(node, acked_sequence) }
}

fn report(node: &str, sequence: u64, generation: u64, last: bool) -> Report {
    Report { node: node.to_owned(), vm: format!("{node}-vm"), sequence, generation, last, module: String::new(), services: BTreeMap::new() }
}

/// As a process on this machine posts it.
fn post(report: Report) -> Post {
    Post { report, sender: Sender::Uncertified, room: Room::default() }
}

fn certified(report: Report) -> Post {
    Post { report, sender: Sender::Certified, room: Room::default() }
}

fn open() -> (InMemory, Platform) {
    let memory = InMemory::default();
    (memory.clone(), Platform::Memory(Box::new(memory)))
}

fn proof(generation: u64, sequence: Sequence) -> PolicyProof {
    PolicyProof { generation, sequence }
}

/// One proxy that reported generation 5 and acknowledged everything up to sequence 3.
async fn one(on: &Platform) -> Proxies {
    let mut proxies = Proxies::new(BTreeSet::new(), Memory::default(), Time(0));
    proxies.connections(vec![connected("a", 3)], Time(1_000));
    proxies.take(post(report("a", 1, 5, false)), 5, Time(2_000));
    proxies.keep(on, Time(2_000)).await.unwrap();
    proxies
}

#[tokio::test]
async fn what_connects_or_shows_a_certificate_is_expected_also_after_a_restart() {
    let (memory, on) = open();
    let mut proxies = one(&on).await;
    proxies.take(certified(report("b", 1, 5, false)), 5, Time(2_000));
    proxies.keep(&on, Time(2_000)).await.unwrap();
    let expected = memory.expected();
    assert_eq!(expected, BTreeSet::from(["a".to_owned(), "b".to_owned()]));

    let again = Proxies::new(expected, Memory::default(), Time(3_000));
    let waiting = |delivery| matches!(delivery, Delivery::Waiting { behind } if behind == ["a", "b"]);
    assert!(waiting(again.everywhere(proof(5, 1), Time(3_000))), "after a restart nothing is proved");
    assert!(again.silence(Time(3_000)).unwrap().contains("a, b"));
}

#[tokio::test]
async fn one_that_stays_away_is_dismissed_after_a_minute_and_not_before() {
    let (memory, on) = open();
    let mut proxies = one(&on).await;
    proxies.connections(vec![closed("a", 10_000)], Time(10_000));
    proxies.keep(&on, Time(69_000)).await.unwrap();
    assert_eq!(memory.expected().len(), 1);
    proxies.keep(&on, Time(71_000)).await.unwrap();
    assert!(memory.expected().is_empty());
    assert!(matches!(proxies.everywhere(proof(6, 1), Time(71_000)), Delivery::Unknown { .. }));
}

#[tokio::test]
async fn a_last_word_dismisses_at_once_but_not_while_it_is_connected() {
    let (memory, on) = open();
    let mut proxies = one(&on).await;
    proxies.take(post(report("a", 2, 5, true)), 5, Time(3_000));
    proxies.keep(&on, Time(3_000)).await.unwrap();
    assert_eq!(memory.expected().len(), 1, "its connection is still open");
    proxies.connections(vec![closed("a", 4_000)], Time(4_000));
    proxies.keep(&on, Time(4_000)).await.unwrap();
    assert!(memory.expected().is_empty());
}

#[tokio::test]
async fn forgetting_takes_a_known_one_away_and_says_no_to_others() {
    let (memory, on) = open();
    let mut proxies = one(&on).await;
    proxies.connections(vec![closed("a", 3_000)], Time(3_000));
    assert!(!proxies.forget("unknown", &on).await.unwrap());
    assert!(proxies.forget("a", &on).await.unwrap());
    proxies.keep(&on, Time(4_000)).await.unwrap();
    assert!(memory.expected().is_empty(), "and it stays away");
}

#[tokio::test]
async fn a_refusal_disproves_what_it_is_about_and_nothing_older() {
    let (_, on) = open();
    let mut proxies = one(&on).await;
    proxies.connections(vec![connected("a", 4), refusing("b", 3)], Time(2_500));
    proxies.take(post(report("b", 1, 5, false)), 5, Time(2_500));
    proxies.keep(&on, Time(2_500)).await.unwrap();
    assert!(matches!(proxies.policy(proof(5, 3), Time(2_600)), Delivery::Live { .. }), "b has this one");
    let rejected = Delivery::Rejected { node: "b".to_owned(), error: "extensions: no".to_owned() };
    assert_eq!(proxies.policy(proof(5, 4), Time(2_600)), rejected);
    assert_eq!(proxies.everywhere(proof(5, 4), Time(2_600)), rejected);
    assert_eq!(proxies.routes(RoutesProof::Report(4, 5), Time(2_600)), rejected);
    proxies.connections(vec![connected("a", 4), Presence { connected: false, ..refusing("b", 3) }], Time(2_700));
    assert!(matches!(proxies.policy(proof(5, 4), Time(2_700)), Delivery::Live { .. }), "b went");
}

#[tokio::test]
async fn refused_clusters_disprove_no_policy_and_are_told_with_their_resources() {
    let (_, on) = open();
    let mut proxies = one(&on).await;
    let refused = Refused {
        kind: "clusters".to_owned(),
        concerns: Concerns::Routes,
        resources: vec!["shunt/shop/bad/v1".to_owned()],
        error: "out of range".to_owned(),
        sequence: 4,
    };
    proxies.connections(vec![Presence { refusal: Some(refused), ..connected("a", 3) }], Time(2_500));
    assert!(matches!(proxies.everywhere(proof(5, 4), Time(2_600)), Delivery::Live { .. }), "what a deleted Rollout waits for");
    assert!(matches!(proxies.policy(proof(5, 4), Time(2_600)), Delivery::Live { .. }));
    let opinions = proxies.opinions();
    let refusal = opinions[0].refusal.as_ref().unwrap();
    assert_eq!((refusal.kind.as_str(), refusal.resources.len(), refusal.sequence), ("clusters", 1, 4));
    proxies.connections(vec![refusing("a", 3)], Time(2_700));
    assert_eq!(proxies.opinions()[0].refusal, None, "the policy belongs to all Rollouts");
}

#[tokio::test]
async fn routes_need_the_acknowledgement_and_then_the_report() {
    let (_, on) = open();
    let mut proxies = one(&on).await;
    let now = Time(2_100);
    let behind = |delivery| matches!(delivery, Delivery::Waiting { .. });
    assert!(behind(proxies.routes(RoutesProof::Acknowledge(4), now)), "not acknowledged");
    assert!(behind(proxies.routes(RoutesProof::Acknowledge(3), now)), "acknowledged, but nothing was pushed since");
    assert!(behind(proxies.routes(RoutesProof::Report(3, 6), now)), "pushed, but not reported");
    proxies.take(post(report("a", 2, 6, false)), 6, now);
    assert!(matches!(proxies.routes(RoutesProof::Report(3, 6), now), Delivery::Live { proxies: 1, .. }));
    proxies.connections(vec![connected("a", 3), connected("b", 0)], now);
    assert!(behind(proxies.routes(RoutesProof::Report(3, 6), now)), "a new one has no routes yet");
    assert!(matches!(proxies.routes(RoutesProof::None, now), Delivery::Live { .. }));
}

#[test]
fn acknowledged_is_what_every_connected_one_has() {
    let mut proxies = Proxies::new(BTreeSet::new(), Memory::default(), Time(0));
    assert_eq!(proxies.acknowledged(), None);
    proxies.connections(vec![connected("a", 3), connected("b", 5), closed("c", 1)], Time(1));
    assert_eq!(proxies.acknowledged(), Some(3));
}

/// Made-up nodes must not keep versions from being destroyed, which waits for every expected proxy.
#[tokio::test]
async fn a_node_that_only_reports_is_shown_but_not_expected_and_ages_out_in_a_minute() {
    let (memory, on) = open();
    let mut proxies = one(&on).await;
    proxies.take(post(report("made-up", 1, 1, false)), 5, Time(2_000));
    proxies.keep(&on, Time(2_000)).await.unwrap();
    assert_eq!(memory.expected(), BTreeSet::from(["a".to_owned()]));
    let shown = |proxies: &Proxies, now| proxies.views(now).into_iter().find(|view| view.node == "made-up").map(|view| view.expected);
    assert_eq!(shown(&proxies, Time(2_000)), Some(false));
    assert!(matches!(proxies.everywhere(proof(5, 3), Time(2_600)), Delivery::Live { proxies: 1, .. }), "it holds up nothing");
    proxies.keep(&on, Time(62_001)).await.unwrap();
    assert_eq!(shown(&proxies, Time(62_001)), None);
}

#[tokio::test]
async fn one_that_reports_before_its_connection_is_seen_is_expected_from_then_on() {
    let (memory, on) = open();
    let mut proxies = Proxies::new(BTreeSet::new(), Memory::default(), Time(0));
    proxies.take(post(report("a", 1, 5, false)), 5, Time(2_000));
    proxies.keep(&on, Time(2_000)).await.unwrap();
    assert!(memory.expected().is_empty());
    proxies.connections(vec![connected("a", 3)], Time(2_100));
    proxies.keep(&on, Time(2_100)).await.unwrap();
    assert_eq!(memory.expected().len(), 1);
    assert!(matches!(proxies.policy(proof(5, 3), Time(2_200)), Delivery::Live { .. }), "and what it said counts");
}

#[tokio::test]
async fn a_generation_that_was_never_published_proves_nothing_and_is_shown() {
    let (memory, on) = open();
    let mut proxies = one(&on).await;
    let lie = |sequence, node: &str| certified(report(node, sequence, 1 << 53, false));
    assert_eq!(proxies.take(lie(2, "a"), 5, Time(2_500)), Belief::FirstClaim);
    assert_eq!(proxies.take(lie(1, "liar"), 5, Time(2_500)), Belief::FirstClaim);
    proxies.keep(&on, Time(2_500)).await.unwrap();
    assert!(matches!(proxies.policy(proof(6, 3), Time(2_600)), Delivery::Waiting { .. }), "generation 6 is proved by nothing");
    let claimed: Vec<_> = proxies.views(Time(2_600)).into_iter().map(|view| (view.node, view.generation, view.claimed)).collect();
    assert_eq!(claimed, [("a".to_owned(), Some(5), Some(1 << 53)), ("liar".to_owned(), None, Some(1 << 53))]);
    assert_eq!(memory.expected(), BTreeSet::from(["a".to_owned()]));
    let warning = proxies.disbelieved(Time(2_600)).unwrap();
    assert!(warning.contains(": a;") && warning.contains("shunt recover"), "{warning}");
    assert_eq!(proxies.take(post(report("a", 3, 6, false)), 6, Time(2_700)), Belief::Published);
    assert!(matches!(proxies.policy(proof(6, 3), Time(2_800)), Delivery::Live { .. }), "it is not blinded");
    assert_eq!(proxies.disbelieved(Time(2_800)), None);
}
