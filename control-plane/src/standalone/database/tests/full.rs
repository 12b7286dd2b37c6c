//! A disk without room: SQLite's own limit of pages stands for it, so that the error is the real one.

use super::*;
use crate::standalone::database::keeper::{RESERVE, RESERVE_BYTES};

/// Transitions until there is no room; the next one, and the revision that it starts from.
async fn fill(database: &Database, id: &RolloutId) -> (Next, u64) {
    let mut stored = stored();
    loop {
        let revision = stored.state.revision;
        let next = next(&stored, Vec::new());
        match database.record(id, revision, next.clone(), Vec::new(), Urgency::CanWait).await {
            Ok(_) => stored.state = next.state,
            Err(StoreError::Unwritable { .. }) => return (next, revision),
            Err(error) => panic!("{error}"),
        }
    }
}

async fn full() -> (TempDir, Database, RolloutId, (Next, u64)) {
    let (dir, database) = open();
    let stored = stored();
    let id = stored.plan.id.clone();
    database.admit(stored).await.unwrap();
    database.identity("one".to_owned()).await.unwrap();
    database.room(false).await;
    let last = fill(&database, &id).await;
    (dir, database, id, last)
}

#[tokio::test]
async fn a_full_store_says_so_and_is_read_as_before() {
    let (dir, database, id, (next, revision)) = full().await;
    assert!(database.trouble().unwrap().contains("full"), "{:?}", database.trouble());
    assert_eq!(database.rollouts().await.unwrap()[0].state.revision, revision);
    assert!(!database.history(&id, 5).await.unwrap().is_empty());
    let waits = database.record(&id, revision, next, Vec::new(), Urgency::CanWait).await;
    assert!(matches!(waits, Err(StoreError::Unwritable { .. })), "{waits:?}");
    assert_eq!(std::fs::metadata(dir.path().join(RESERVE)).unwrap().len(), RESERVE_BYTES as u64, "it is kept for what is urgent");
}

#[tokio::test]
async fn what_is_urgent_uses_the_space_that_was_kept_free() {
    let (dir, database, id, (next, revision)) = full().await;
    let kept = database.record(&id, revision, next, Vec::new(), Urgency::MustBeKept).await;
    assert!(matches!(kept, Err(StoreError::Unwritable { .. })), "the limit of pages is not lifted by it: {kept:?}");
    assert!(!dir.path().join(RESERVE).exists());
}

#[tokio::test]
async fn it_is_over_when_there_is_room_again_also_for_the_space_to_keep_free() {
    let (dir, database, id, (next, revision)) = full().await;
    drop(database.record(&id, revision, next.clone(), Vec::new(), Urgency::MustBeKept).await);
    database.room(true).await;
    std::fs::create_dir(dir.path().join(RESERVE)).unwrap();
    assert!(database.probe().await.is_err(), "no place for the space to keep free");
    assert!(database.trouble().is_some());
    std::fs::remove_dir(dir.path().join(RESERVE)).unwrap();
    database.probe().await.unwrap();
    assert_eq!(database.trouble(), None);
    assert!(dir.path().join(RESERVE).exists());
    database.record(&id, revision, next, Vec::new(), Urgency::CanWait).await.unwrap();
}

#[tokio::test]
async fn a_store_in_trouble_lets_nothing_else_use_up_what_is_left() {
    let (_dir, database, _id, _last) = full().await;
    database.room(true).await;
    let other = database.keep_files(BTreeMap::from([("a.yaml".to_owned(), "x".to_owned())])).await;
    assert!(matches!(other, Err(StoreError::Unwritable { .. })), "{other:?}");
}
