//! Who is expected, what is proved, and who disproves it.

use std::collections::BTreeMap;

use shunt_xds::Nack;
use tempfile::TempDir;

use super::*;

fn connected(node: &str, acked_world: Sequence) -> NodeStatus {
    NodeStatus { node: node.to_owned(), connected: true, since: Time(1_000), acked_world, nack: None }
}

fn closed(node: &str, since: u64) -> NodeStatus {
    NodeStatus { connected: false, since: Time(since), ..connected(node, 9) }
}

fn refusing(node: &str, acked_world: Sequence) -> NodeStatus {
    let nack = Nack { type_url: Kind::Extension.type_url().to_owned(), error: "no".to_owned(), world: acked_world + 1 };
    NodeStatus { nack: Some(nack), ..connected(node, acked_world) }
}

fn report(node: &str, sequence: u64, generation: u64, last: bool) -> Report {
    Report { node: node.to_owned(), vm: format!("{node}-vm"), sequence, generation, last, module: String::new(), services: BTreeMap::new() }
}

fn open() -> (TempDir, Database) {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    (dir, database)
}

fn proof(generation: u64, sequence: Sequence) -> PolicyProof {
    PolicyProof { generation, sequence }
}

/// One proxy that reported generation 5 and acknowledged everything up to sequence 3.
async fn one(database: &Database) -> Proxies {
    let mut proxies = Proxies::new(BTreeSet::new(), Time(0));
    proxies.sync(vec![connected("a", 3)], Time(1_000));
    proxies.take(report("a", 1, 5, false), Time(2_000));
    proxies.keep(database, Time(2_000)).await.unwrap();
    proxies
}

#[tokio::test]
async fn whoever_connects_or_reports_is_expected_also_after_a_restart() {
    let (_dir, database) = open();
    let mut proxies = one(&database).await;
    proxies.take(report("b", 1, 5, false), Time(2_000));
    proxies.keep(&database, Time(2_000)).await.unwrap();
    let expected = database.expected().await.unwrap();
    assert_eq!(expected, BTreeSet::from(["a".to_owned(), "b".to_owned()]));

    let again = Proxies::new(expected, Time(3_000));
    let waiting = |delivery| matches!(delivery, Delivery::Waiting { behind } if behind == ["a", "b"]);
    assert!(waiting(again.everywhere(proof(5, 1), Time(3_000))), "after a restart nothing is proved");
    assert!(again.silence(Time(3_000)).unwrap().contains("a, b"));
}

#[tokio::test]
async fn one_that_stays_away_is_dismissed_after_a_minute_and_not_before() {
    let (_dir, database) = open();
    let mut proxies = one(&database).await;
    proxies.sync(vec![closed("a", 10_000)], Time(10_000));
    proxies.keep(&database, Time(69_000)).await.unwrap();
    assert_eq!(database.expected().await.unwrap().len(), 1);
    proxies.keep(&database, Time(71_000)).await.unwrap();
    assert!(database.expected().await.unwrap().is_empty());
    assert!(matches!(proxies.everywhere(proof(6, 1), Time(71_000)), Delivery::Unknown { .. }));
}

#[tokio::test]
async fn a_last_word_dismisses_at_once_but_not_while_it_is_connected() {
    let (_dir, database) = open();
    let mut proxies = one(&database).await;
    proxies.take(report("a", 2, 5, true), Time(3_000));
    proxies.keep(&database, Time(3_000)).await.unwrap();
    assert_eq!(database.expected().await.unwrap().len(), 1, "its connection is still open");
    proxies.sync(vec![closed("a", 4_000)], Time(4_000));
    proxies.keep(&database, Time(4_000)).await.unwrap();
    assert!(database.expected().await.unwrap().is_empty());
}

#[tokio::test]
async fn forgetting_takes_a_known_one_away_and_says_no_to_others() {
    let (_dir, database) = open();
    let mut proxies = one(&database).await;
    proxies.sync(vec![closed("a", 3_000)], Time(3_000));
    assert!(!proxies.forget("nobody", &database).await.unwrap());
    assert!(proxies.forget("a", &database).await.unwrap());
    proxies.keep(&database, Time(4_000)).await.unwrap();
    assert!(database.expected().await.unwrap().is_empty(), "and it stays away");
}

#[tokio::test]
async fn a_refusal_disproves_what_it_is_about_and_nothing_older() {
    let (_dir, database) = open();
    let mut proxies = one(&database).await;
    proxies.sync(vec![connected("a", 4), refusing("b", 3)], Time(2_500));
    proxies.keep(&database, Time(2_500)).await.unwrap();
    assert!(matches!(proxies.policy(proof(5, 3), Time(2_600)), Delivery::Live { .. }), "b has this one");
    let rejected = Delivery::Rejected { node: "b".to_owned(), error: "extensions: no".to_owned() };
    assert_eq!(proxies.policy(proof(5, 4), Time(2_600)), rejected);
    assert_eq!(proxies.everywhere(proof(5, 4), Time(2_600)), rejected);
    assert_eq!(proxies.routes(RoutesProof::Report(4, 5), Time(2_600)), rejected);
    proxies.sync(vec![connected("a", 4), NodeStatus { connected: false, ..refusing("b", 3) }], Time(2_700));
    assert!(matches!(proxies.policy(proof(5, 4), Time(2_700)), Delivery::Live { .. }), "b went");
}

#[tokio::test]
async fn routes_need_the_acknowledgement_and_then_the_report() {
    let (_dir, database) = open();
    let mut proxies = one(&database).await;
    let now = Time(2_100);
    let behind = |delivery| matches!(delivery, Delivery::Waiting { .. });
    assert!(behind(proxies.routes(RoutesProof::Acknowledge(4), now)), "not acknowledged");
    assert!(behind(proxies.routes(RoutesProof::Acknowledge(3), now)), "acknowledged, but nothing was pushed since");
    assert!(behind(proxies.routes(RoutesProof::Report(3, 6), now)), "pushed, but not reported");
    proxies.take(report("a", 2, 6, false), now);
    assert!(matches!(proxies.routes(RoutesProof::Report(3, 6), now), Delivery::Live { proxies: 1, .. }));
    proxies.sync(vec![connected("a", 3), connected("b", 0)], now);
    assert!(behind(proxies.routes(RoutesProof::Report(3, 6), now)), "a new one has no routes yet");
    assert!(matches!(proxies.routes(RoutesProof::None, now), Delivery::Live { .. }));
}

#[test]
fn acknowledged_is_what_every_connected_one_has() {
    let mut proxies = Proxies::new(BTreeSet::new(), Time(0));
    assert_eq!(proxies.acknowledged(), None);
    proxies.sync(vec![connected("a", 3), connected("b", 5), closed("c", 1)], Time(1));
    assert_eq!(proxies.acknowledged(), Some(3));
}

#[test]
fn an_impossible_generation_is_ignored() {
    let mut proxies = Proxies::new(BTreeSet::new(), Time(0));
    proxies.take(report("a", 1, u64::MAX, false), Time(1));
    assert_eq!(proxies.reports().highest_generation(), 0);
}
