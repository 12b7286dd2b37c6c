//! What is written after what.

use shunt_core::advance;
use shunt_core::observation::Observation;

use super::*;
use crate::platform::Resources;
use crate::platform::memory::Memory;
use crate::sample;

fn resources(plan: &Plan) -> Resources {
    Resources { plans: vec![plan.clone()], ..Resources::default() }
}

#[tokio::test]
async fn a_manifest_that_changes_during_a_write_counts_for_the_next_transition() {
    let (first, now) = (sample::plan(""), Time(1_000));
    let mut rollouts = Rollouts::new(Vec::new(), Recorder::Memory(Memory::default()));
    let second = Plan { release: "v2".parse().unwrap(), digest: "second".to_owned(), ..first.clone() };
    for plan in [&first, &second] {
        rollouts.accept(resources(plan), now);
        rollouts.settle(now).await;
    }
    let stored = rollouts.read(&first.id).unwrap().clone();
    let next = advance(&stored.plan, &stored.state, &Observation::unknown(now), &[]);
    assert!(next.entry.is_some(), "something is to be recorded");
    rollouts.advance(&first.id, next, now);

    let third = Plan { digest: "third".to_owned(), ..first.clone() };
    rollouts.accept(resources(&third), now);
    let happened = rollouts.happened(now).await;
    assert!(matches!(happened.as_slice(), [Happened::Advanced { .. }]), "{happened:?}");
    assert!(!rollouts.is_due(&first.id, now), "its plan comes first");
    rollouts.settle(now).await;
    assert_eq!(rollouts.read(&first.id).unwrap().plan.release, third.release);
    assert!(rollouts.is_due(&first.id, now));
}
