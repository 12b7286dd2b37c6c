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

/// One transition. True when there is one, and it counts.
async fn step(on: &mut On, second: u64) -> bool {
    let stored = on.read(&id("a")).unwrap().clone();
    let next = advance(&stored.plan, &stored.state, &proved(second), &stored.commands);
    on.advance(&id("a"), next, Time(second * 1_000)).await
}

/// What comes of a command.
async fn command(on: &mut On, new: NewCommand, second: u64) -> bool {
    on.rollouts.command(&id("a"), new, 7);
    let happened = on.rollouts.settle(Time(second * 1_000)).await;
    happened.iter().any(|happened| matches!(happened, Happened::Commanded { ticket: 7, number: Ok(_) }))
}

/// A run that has given keys to v2, on a disk that is full by now.
async fn exposed() -> (Bed, On) {
    let bed = Bed::new();
    bed.write("a.yaml", &manifest("a", "a.test", "v1"));
    bed.open().await.unwrap().close();
    bed.write("a.yaml", &manifest("a", "a.test", "v2"));
    let mut on = bed.open().await.unwrap();
    for second in 10..100 {
        step(&mut on, second).await;
        if on.read(&id("a")).unwrap().state.run.as_ref().is_some_and(|run| run.weight > Weight::ZERO) {
            break;
        }
    }
    on.store.room(false).await;
    let note = || NewCommand { verb: Verb::Pause, revision: 0, by: "ann".to_owned(), reason: "x".repeat(2_000), confirm: false };
    while on.store.command(&id("a"), note()).await.is_ok() {}
    assert!(on.store.trouble().is_some());
    (bed, on)
}

#[tokio::test]
async fn an_abort_counts_at_once_and_is_recorded_later() {
    let (_bed, mut on) = exposed().await;
    let revision = on.read(&id("a")).unwrap().state.revision;
    // Long enough that it fits in no page that is half full.
    let new = |verb| NewCommand { verb, revision, by: "ann".to_owned(), reason: "it is bad ".repeat(2_000), confirm: false };
    assert!(!command(&mut on, new(Verb::Pause), 200).await, "other commands are refused");
    assert!(command(&mut on, new(Verb::Abort), 200).await);
    assert!(step(&mut on, 200).await);
    let stored = on.read(&id("a")).unwrap();
    let ending = stored.state.run.as_ref().and_then(|run| run.stage.ending());
    assert!(matches!(ending, Some(Ending::Refused { .. })), "{:?}", stored.state);
    assert!(stored.commands.is_empty());
    assert_eq!((on.rollouts.unrecorded(), on.store.rollouts().await.unwrap()[0].state.revision), (1, revision));
    assert!(step(&mut on, 300).await, "and goes on");
    assert_eq!(on.rollouts.unrecorded(), 2);
    on.rollouts.settle(Time(301_000)).await;
    assert_eq!(on.rollouts.unrecorded(), 2, "still no room");

    on.store.room(true).await;
    on.store.probe().await.unwrap();
    for second in 310..320 {
        on.rollouts.settle(Time(second * 1_000)).await;
    }
    assert_eq!(on.rollouts.unrecorded(), 0);
    let recorded = on.store.rollouts().await.unwrap().remove(0).state;
    assert_eq!(recorded, on.read(&id("a")).unwrap().state);
    let told: Vec<String> = on.store.history(&id("a"), 2).await.unwrap().into_iter().map(|entry| entry.reason).collect();
    assert!(told[0].contains("aborted by ann"), "{told:?}");
}

#[tokio::test]
async fn what_goes_forward_waits_for_room() {
    let (_bed, mut on) = exposed().await;
    let before = on.read(&id("a")).unwrap().state.clone();
    let next = shunt_core::State { revision: before.revision + 1, ..before.clone() };
    let entry = on.store.history(&id("a"), 1).await.unwrap().remove(0);
    let entry = shunt_core::journal::Entry { revision: next.revision, next: next.clone(), ..entry };
    let forward = Next { entry: Some(entry), state: next, answered: Vec::new() };
    assert!(before.run.as_ref().is_some_and(|run| !matches!(run.stage, Stage::Draining(_))));
    assert!(!on.advance(&id("a"), forward, Time(200_000)).await);
    assert_eq!(on.read(&id("a")).unwrap().state, before);
    assert!(!on.rollouts.is_due(&id("a"), Time(200_000)) && on.rollouts.is_due(&id("a"), Time(202_000)), "it is tried again soon");
}
