//! A full disk: an abort moves traffic all the same, and is recorded when there is room.

use shunt_core::advance;
use shunt_core::observation::{Delivery, Observation};
use shunt_core::state::{Ending, Stage};
use shunt_filter_core::Weight;

use super::*;

/// What proxies say when all is proved.
fn proved(second: u64) -> Observation {
    let live = Delivery::Live { since: Time(1), proxies: 1 };
    let mut seen = Observation::unknown(Time(second * 1_000));
    (seen.policy, seen.everywhere, seen.routes) = (live.clone(), live.clone(), live);
    seen.misrouting = shunt_core::observation::Misrouting::Quiet { since: Time(1) };
    seen
}

/// One transition, if there is one.
async fn step(on: &mut Standalone, second: u64) -> Result<bool, StoreError> {
    let stored = on.read(&id("a")).unwrap().clone();
    let next = advance(&stored.plan, &stored.state, &proved(second), &stored.commands);
    on.record(&id("a"), stored.state.revision, &next).await?;
    Ok(next.entry.is_some())
}

/// A run that has given keys to v2, on a disk that is full by now.
async fn exposed() -> (Bed, Standalone) {
    let bed = Bed::new();
    bed.write("a.yaml", &manifest("a", "a.test", "v1"));
    bed.open().await.unwrap().close();
    bed.write("a.yaml", &manifest("a", "a.test", "v2"));
    let mut on = bed.open().await.unwrap();
    for second in 10..100 {
        step(&mut on, second).await.unwrap();
        if on.read(&id("a")).unwrap().state.run.as_ref().is_some_and(|run| run.weight > Weight::ZERO) {
            break;
        }
    }
    on.database.room(false).await;
    let note = || NewCommand { verb: Verb::Pause, revision: 0, by: "ann".to_owned(), reason: "x".repeat(2_000), confirm: false };
    while on.database.command(&id("a"), note()).await.is_ok() {}
    assert!(on.database.trouble().is_some());
    (bed, on)
}

#[tokio::test]
async fn an_abort_counts_at_once_and_is_recorded_later() {
    let (_bed, mut on) = exposed().await;
    let revision = on.read(&id("a")).unwrap().state.revision;
    // Long enough that it fits in no page that is half full.
    let command = |verb| NewCommand { verb, revision, by: "ann".to_owned(), reason: "it is bad ".repeat(2_000), confirm: false };
    assert!(matches!(on.command(&id("a"), command(Verb::Pause)).await, Err(StoreError::Full(_))), "other commands wait");
    on.command(&id("a"), command(Verb::Abort)).await.unwrap();
    assert!(step(&mut on, 200).await.unwrap());
    let stored = on.read(&id("a")).unwrap();
    let ending = stored.state.run.as_ref().and_then(|run| run.stage.ending());
    assert!(matches!(ending, Some(Ending::Refused { .. })), "{:?}", stored.state);
    assert!(stored.commands.is_empty());
    assert_eq!((on.unrecorded(), on.database.rollouts().await.unwrap()[0].state.revision), (1, revision));
    assert!(step(&mut on, 300).await.unwrap(), "and goes on");
    assert!(on.catch_up().await.is_err(), "still no room");

    on.database.room(true).await;
    on.database.probe().await.unwrap();
    on.catch_up().await.unwrap();
    assert_eq!(on.unrecorded(), 0);
    let recorded = on.database.rollouts().await.unwrap().remove(0).state;
    assert_eq!(recorded, on.read(&id("a")).unwrap().state);
    let told: Vec<String> = on.history(&id("a"), 2).await.unwrap().into_iter().map(|entry| entry.reason).collect();
    assert!(told[0].contains("aborted by ann"), "{told:?}");
}

#[tokio::test]
async fn what_goes_forward_waits_for_room() {
    let (_bed, mut on) = exposed().await;
    let before = on.read(&id("a")).unwrap().state.clone();
    let next = shunt_core::State { revision: before.revision + 1, ..before.clone() };
    let entry = on.history(&id("a"), 1).await.unwrap().remove(0);
    let forward = Next { entry: Some(Entry { revision: next.revision, next: next.clone(), ..entry }), state: next, answered: Vec::new() };
    assert!(before.run.as_ref().is_some_and(|run| !matches!(run.stage, Stage::Draining(_))));
    assert!(matches!(on.record(&id("a"), before.revision, &forward).await, Err(StoreError::Full(_))));
    assert_eq!(on.read(&id("a")).unwrap().state, before);
}
