//! Tokens, audit and idempotency keys survive, and are forgotten in time.

use shunt_api::access_store::{AccessRequest, Answer, AuditRecord, AuditWanted, Begun, Key, NewToken};
use shunt_api::{Refusal, Role, TokenHash, TokenRefused};
use tokio::sync::oneshot;

use super::*;
use crate::access_store::AccessStore;
use crate::tokens;

fn new(name: &str) -> NewToken {
    NewToken { name: name.to_owned(), role: Role::Operate, rollout: None, expires: Some(Time(100)) }
}

fn record(number: u64) -> AuditRecord {
    AuditRecord {
        at: Time(number),
        by: "ci".to_owned(),
        address: "127.0.0.1".to_owned(),
        verb: "abort".to_owned(),
        object: "rollouts/shop/checkout".to_owned(),
        detail: String::new(),
        status: 200,
        result: "done".to_owned(),
    }
}

#[tokio::test]
async fn a_token_is_kept_without_its_secret() {
    let (dir, database) = open();
    let made = tokens::create(&database.auxiliary(), new("ci"), "ann".to_owned(), Time(9)).await.unwrap();
    assert!(made.token.starts_with("shunt_") && made.token.len() == 49, "{}", made.token);
    let again = tokens::create(&database.auxiliary(), new("ci"), "ann".to_owned(), Time(9)).await;
    assert!(matches!(again, Err(Refusal::Token(TokenRefused::Taken(_)))));
    let other = tokens::create(&database.auxiliary(), new("cd"), "ann".to_owned(), Time(9)).await.unwrap();
    assert_ne!(made.token, other.token);
    database.close();
    let database = Database::open(dir.path()).unwrap();
    let all = database.auxiliary().tokens().await.unwrap();
    assert_eq!(all.iter().map(|token| token.name.as_str()).collect::<Vec<_>>(), ["cd", "ci"]);
    assert_eq!(
        (all[1].role, all[1].hash, all[1].expires, all[1].by.as_str()),
        (Role::Operate, TokenHash::of(&made.token), Some(Time(100)), "ann")
    );
    assert!(database.auxiliary().drop_token("ci").await.unwrap());
    assert!(!database.auxiliary().drop_token("ci").await.unwrap());
    database.close();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(made.token.len()).any(|window| window == made.token.as_bytes()), "the secret is on the disk");
    }
}

#[tokio::test]
async fn a_token_for_instances_is_bound_to_a_rollout_and_no_other_is() {
    let (dir, database) = open();
    let create = |role, rollout: Option<&str>| NewToken { role, rollout: rollout.map(|id| id.parse().unwrap()), ..new("x") };
    for wrong in [create(Role::Register, None), create(Role::Operate, Some("shop/rank"))] {
        let made = tokens::create(&database.auxiliary(), wrong, "ann".to_owned(), Time(9)).await;
        assert!(matches!(made, Err(Refusal::Token(_))));
    }
    tokens::create(&database.auxiliary(), create(Role::Register, Some("shop/rank")), "ann".to_owned(), Time(9)).await.unwrap();
    database.close();
    let all = Database::open(dir.path()).unwrap().auxiliary().tokens().await.unwrap();
    assert_eq!((all[0].role, all[0].rollout.as_ref().map(ToString::to_string).as_deref()), (Role::Register, Some("shop/rank")));
}

#[tokio::test]
async fn names_and_times_are_checked() {
    let (_dir, database) = open();
    for wrong in ["", "a b", "a/b", "loopback", &"x".repeat(64)] {
        let made = tokens::create(&database.auxiliary(), new(wrong), "ann".to_owned(), Time(9)).await;
        assert!(matches!(made, Err(Refusal::Token(_))), "{wrong:?}");
    }
    assert!(tokens::create(&database.auxiliary(), new("late"), "ann".to_owned(), Time(100)).await.is_err());
}

#[tokio::test]
async fn the_last_token_cannot_be_revoked_while_it_serves() {
    let (_dir, database) = open();
    let (access_store, access) = AccessStore::open(database.auxiliary(), || Time(9)).await.unwrap();
    tokio::spawn(access_store.run());
    for name in ["a", "b"] {
        let (reply, answer) = oneshot::channel();
        access.store.send(AccessRequest::Create { token: new(name), by: "ann".to_owned(), reply }).await.unwrap();
        answer.await.unwrap().unwrap();
    }
    assert_eq!(access.tokens.borrow().len(), 2);
    let revoke = async |name: &str| {
        let (reply, answer) = oneshot::channel();
        access.store.send(AccessRequest::Revoke { name: name.to_owned(), reply }).await.unwrap();
        answer.await.unwrap()
    };
    assert_eq!(revoke("c").await, Err(Refusal::UnknownToken { name: "c".to_owned(), known: vec!["a".to_owned(), "b".to_owned()] }));
    revoke("a").await.unwrap();
    assert!(matches!(revoke("b").await, Err(Refusal::Token(TokenRefused::Last(_)))));
    assert_eq!(access.tokens.borrow().len(), 1);
}

#[tokio::test]
async fn the_audit_is_read_in_pages() {
    let (_dir, database) = open();
    let store = database.auxiliary();
    for number in 1..=5 {
        store.note(record(number)).await.unwrap();
    }
    let ids =
        |page: Vec<shunt_api::access_store::AuditEntry>| page.into_iter().map(|entry| (entry.id, entry.record.at.0)).collect::<Vec<_>>();
    let newest = AuditWanted { limit: 9, ..AuditWanted::default() };
    assert_eq!(ids(store.audit(AuditWanted { limit: 2, ..newest.clone() }).await.unwrap()), [(5, 5), (4, 4)]);
    assert_eq!(ids(store.audit(AuditWanted { before: Some(4), ..newest.clone() }).await.unwrap()), [(3, 3), (2, 2), (1, 1)]);
    assert_eq!(ids(store.audit(AuditWanted { since: Some(Time(4)), ..newest.clone() }).await.unwrap()), [(5, 5), (4, 4)]);
    for (number, object) in [(6, "rollouts/shop/checkout-2"), (7, "freeze"), (8, "rollouts/shop/checkout/commands")] {
        store.note(AuditRecord { object: object.to_owned(), ..record(number) }).await.unwrap();
    }
    let of = |rollout: &str| AuditWanted { rollout: Some(rollout.parse().unwrap()), limit: 2, ..AuditWanted::default() };
    assert_eq!(ids(store.audit(of("shop/checkout")).await.unwrap()), [(8, 8), (5, 5)], "and what is below it");
    assert_eq!(ids(store.audit(of("shop/checkout-2")).await.unwrap()), [(6, 6)]);
}

#[tokio::test]
async fn a_key_counts_for_a_day_and_over_restarts() {
    let (dir, database) = open();
    let key = || Key { by: "ci".to_owned(), key: "k".to_owned() };
    let day = 24 * 3_600_000;
    let store = database.auxiliary();
    assert_eq!(store.begin(key(), "r1".to_owned(), Time(day)).await.unwrap(), Begun::New);
    database.close();
    assert!(matches!(store.begin(key(), "r1".to_owned(), Time(day)).await, Err(StoreError::Closed)));
    let database = Database::open(dir.path()).unwrap();
    let store = database.auxiliary();
    assert_eq!(store.begin(key(), "r1".to_owned(), Time(day)).await.unwrap(), Begun::Open, "it is not known whether it was done");
    assert_eq!(store.begin(key(), "r2".to_owned(), Time(day)).await.unwrap(), Begun::Other);
    let answer = Answer { status: 200, kind: "application/json".to_owned(), body: b"{}".to_vec() };
    store.finish(key(), Some(answer.clone())).await.unwrap();
    assert_eq!(store.begin(key(), "r1".to_owned(), Time(2 * day - 1)).await.unwrap(), Begun::Done(answer));
    assert_eq!(store.begin(key(), "r1".to_owned(), Time(2 * day)).await.unwrap(), Begun::New);
    store.finish(key(), None).await.unwrap();
    assert_eq!(store.begin(key(), "r2".to_owned(), Time(2 * day)).await.unwrap(), Begun::New);
}
