#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use serde_json::json;

use super::*;
use crate::host::fake::Fake;

fn policy(generation: u64) -> String {
    let report = json!({"cluster": "shunt-api", "authority": "shunt-api", "intervalMs": 100, "heartbeatMs": 1000});
    json!({"format": 1, "generation": generation, "report": report}).to_string()
}

/// Generations that were posted.
fn posted(fake: &Fake) -> Vec<u64> {
    fake.posts.borrow().iter().map(|report| report.generation).collect()
}

fn pass(fake: &Fake, milliseconds: u64) {
    fake.now.set(fake.now.get() + milliseconds * 1_000_000);
}

#[test]
fn a_policy_that_is_refused_changes_nothing() {
    let (fake, vm) = Fake::vm();
    fake.configuration.replace(policy(1));
    assert!(configure(&vm, 1));
    for wrong in ["{", r#"{"format": 9}"#, r#"{"format": 1, "generation": 2} x"#] {
        fake.configuration.replace(wrong.to_owned());
        assert!(!configure(&vm, 2), "{wrong}");
        assert_eq!(vm.policy().unwrap().router.generation(), 1);
        assert!(vm.reporter.borrow().is(1), "the old root goes on reporting");
    }
    fake.configuration.replace(String::new());
    assert!(configure(&vm, 3) && vm.policy().is_none(), "nothing is no policy");
}

#[test]
fn a_new_generation_is_posted_soon_and_then_at_the_policys_pace() {
    let (fake, vm) = Fake::vm();
    fake.configuration.replace(policy(1));
    assert!(configure(&vm, 1));
    assert_eq!(fake.tick.get(), FIRST_TICK);
    tick(&vm, 1);
    assert_eq!((fake.tick.get(), posted(&fake)), (100, vec![1]));
    pass(&fake, 100);
    tick(&vm, 1);
    assert_eq!(posted(&fake), [1], "nothing is new");
    pass(&fake, 1_000);
    tick(&vm, 1);
    assert_eq!(posted(&fake), [1, 1], "a heartbeat");
    assert_eq!(fake.posts.borrow()[1].sequence, 2);
}

#[test]
fn what_did_not_arrive_is_said_again() {
    let (fake, vm) = Fake::vm();
    fake.configuration.replace(policy(1));
    assert!(configure(&vm, 1));
    let mut posts = 0;
    // Without headers no status may be read: the proxy has none, and says so in a way that the SDK does not expect.
    for (headers, status, again) in [(0, "200", 1), (1, "503", 1), (1, "200", 0)] {
        tick(&vm, 1);
        posts += 1;
        fake.take_asked();
        fake.set(Map::CallResponse, &[(":status", status)]);
        answered(&vm, 1, headers);
        assert_eq!(fake.take_asked().len(), headers);
        tick(&vm, 1);
        assert_eq!(posted(&fake).len(), posts + again, "{headers} {status}");
        answered(&vm, 1, 1);
        posts += again;
        // The next round begins with news.
        vm.counters.touch();
    }
}

#[test]
fn only_the_root_configured_last_reports_and_has_the_last_word() {
    let (fake, vm) = Fake::vm();
    fake.configuration.replace(policy(1));
    assert!(configure(&vm, 1));
    fake.configuration.replace(policy(2));
    assert!(configure(&vm, 2));
    tick(&vm, 1);
    done(&vm, 1);
    assert_eq!(posted(&fake), Vec::<u64>::new());
    tick(&vm, 2);
    done(&vm, 2);
    assert_eq!(posted(&fake), [2, 2]);
    assert_eq!(fake.posts.borrow().iter().map(|report| report.last).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_vm_that_only_tried_a_policy_has_nothing_to_say() {
    let (fake, vm) = Fake::vm();
    fake.configuration.replace(policy(1));
    assert!(configure(&vm, 1));
    done(&vm, 1);
    assert_eq!(posted(&fake), Vec::<u64>::new());
}
