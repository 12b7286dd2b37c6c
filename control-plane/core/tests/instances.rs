//! The life of instances: what is let go and started, in which order, and what never happens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use shunt_core::capacity::Capacity;
use shunt_core::instance::{Event, Instance, Kind, Known, Process, Source, Stage, Wanted, capacity, due, steer};
use shunt_spec::{Span, Time};
use test_case::test_case;

const GRACE: Span = Span::seconds(5);
const DRAIN: Span = Span::seconds(30);

fn wanted(instances: u32, template: &str) -> Wanted {
    Wanted {
        instances,
        source: Source::Command { template: template.to_owned() },
        min_ready: Span::seconds(1),
        termination_grace: GRACE,
        drain_deadline: DRAIN,
    }
}

/// A small world around one version: processes do what they are told, as far as a test lets them.
struct World {
    instances: Vec<Instance>,
    next: u64,
    now: Time,
}

impl World {
    fn new() -> Self {
        Self { instances: Vec::new(), next: 1, now: Time(1_000_000) }
    }

    fn steer(&mut self, wanted: &Wanted, proved: bool, quiet: bool) {
        let draining = self.instances.iter().filter(|one| quiet && one.stage == Stage::Draining).map(|one| one.id).collect();
        let next = steer(&self.instances, wanted, &Known { proved, quiet: draining, next: self.next }, self.now);
        self.next = next.iter().map(|one| one.id + 1).max().unwrap_or(1).max(self.next);
        self.instances = next;
    }

    fn happen(&mut self, id: u64, event: Event) {
        let now = self.now;
        self.instances =
            self.instances.iter().filter_map(|one| if one.id == id { one.after(event.clone(), now) } else { Some(one.clone()) }).collect();
    }

    /// What is due is launched, what was told to end ends, and what runs answers its probe.
    fn obey(&mut self) {
        for one in self.instances.clone() {
            match one.stage {
                Stage::Starting { not_before } if not_before <= self.now => self.happen(one.id, launched(one.id)),
                Stage::Probing => self.happen(one.id, Event::Healthy),
                Stage::Terminating | Stage::Killing => {
                    self.happen(one.id, Event::Exited { how: "exit code 0".to_owned(), words: String::new() })
                }
                Stage::Starting { .. } | Stage::Ready | Stage::Leaving | Stage::Draining => {}
            }
        }
    }

    /// Everything works, until nothing changes any more.
    fn settle(&mut self, wanted: &Wanted) {
        for _ in 0..200 {
            self.steer(wanted, true, true);
            self.obey();
            self.now = self.now.after(Span::millis(250));
        }
    }

    /// `1:ready 2:leaving`
    fn words(&self) -> String {
        self.instances.iter().map(|one| format!("{}:{}", one.id, one.stage)).collect::<Vec<_>>().join(" ")
    }

    fn ready(&self, wanted: &Wanted) -> u32 {
        match capacity(&self.instances, wanted, self.now) {
            Capacity::Instances { ready, .. } => ready,
            Capacity::Unmanaged => panic!("they are ours"),
        }
    }
}

fn launched(id: u64) -> Event {
    let number = u32::try_from(id).unwrap();
    Event::Launched {
        process: Process { pid: 100 + number, start: id, boot: "b".to_owned() },
        address: format!("127.0.0.1:{}", 20_000 + id),
    }
}

#[test]
fn the_way_out_has_its_order_and_its_proof() {
    let mut world = World::new();
    world.settle(&wanted(1, "a"));
    assert_eq!(world.words(), "1:ready");
    let none = wanted(0, "a");
    let mut seen = Vec::new();
    for (proved, quiet, wait) in [(false, false, 0), (false, true, 60_000), (true, false, 0), (true, false, 10_000), (true, true, 0)] {
        world.now = world.now.after(Span(wait));
        world.steer(&none, proved, quiet);
        seen.push(world.words());
    }
    assert_eq!(seen, ["1:leaving", "1:leaving", "1:draining", "1:draining", "1:terminating"], "without the proof it stays, however long");
    world.now = world.now.after(GRACE);
    world.steer(&none, true, true);
    assert_eq!(world.words(), "1:killing");
    world.happen(1, Event::Exited { how: "ended by signal 9".to_owned(), words: String::new() });
    assert_eq!(world.words(), "");
}

#[test]
fn draining_ends_at_its_deadline() {
    let mut world = World::new();
    world.settle(&wanted(1, "a"));
    let none = wanted(0, "a");
    world.steer(&none, true, false);
    world.steer(&none, true, false);
    assert_eq!(due(&world.instances, &none, world.now), Some(world.now.after(DRAIN)));
    world.now = world.now.after(DRAIN);
    world.steer(&none, true, false);
    assert_eq!(world.words(), "1:terminating");
}

#[test_case("1R 2R 3R", 1, "2 3"; "the youngest go")]
#[test_case("1R 2P 3R", 2, "2"; "one that is not ready goes first")]
#[test_case("1P 2P 3R", 2, "2"; "the newest of those first")]
#[test_case("1S 2R 3R", 2, "1"; "one that was never launched is gone at once")]
#[test_case("1R 2R", 0, "1 2")]
#[test_case("1R 2R", 2, "")]
fn scaled_down(before: &str, target: u32, leave: &str) {
    let mut world = World::new();
    world.settle(&wanted(u32::try_from(before.split(' ').count()).unwrap(), "a"));
    for word in before.split(' ') {
        let (id, stage) = word.split_at(1);
        let id: u64 = id.parse().unwrap();
        match stage {
            "P" => world.happen(id, Event::Unhealthy { why: "503".to_owned() }),
            "S" => world.happen(id, Event::Exited { how: "exit code 1".to_owned(), words: String::new() }),
            _ => {}
        }
    }
    world.steer(&wanted(target, "a"), false, false);
    let stays = |id: &u64| world.instances.iter().any(|one| one.id == *id && !one.is_leaving());
    let left: Vec<String> = (1..=before.split(' ').count() as u64).filter(|id| !stays(id)).map(|id| id.to_string()).collect();
    assert_eq!(left.join(" "), leave);
}

#[test]
fn a_crash_starts_again_later_each_time_and_its_words_are_kept() {
    let mut world = World::new();
    let one = wanted(1, "a");
    world.settle(&one);
    // It ran well for a while after that, so the next crash counts as the first.
    world.happen(1, Event::Exited { how: "exit code 3".to_owned(), words: String::new() });
    world.settle(&one);
    let mut waits = Vec::new();
    for _ in 0..8 {
        world.happen(1, Event::Exited { how: "exit code 3".to_owned(), words: "no database".to_owned() });
        let Stage::Starting { not_before } = world.instances[0].stage else { panic!("{}", world.words()) };
        waits.push(not_before.since(world.now).0);
        world.now = not_before;
        world.obey();
    }
    assert_eq!(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    let Capacity::Instances { trouble, ready: 0, running: 1, .. } = capacity(&world.instances, &one, world.now) else { panic!() };
    assert_eq!(trouble, "exit code 3: no database after 9 restarts");
    world.obey();
    world.now = world.now.after(Span::seconds(1));
    assert!(matches!(capacity(&world.instances, &one, world.now), Capacity::Instances { ready: 1, trouble, .. } if trouble.is_empty()));
}

#[test]
fn a_new_start_of_the_machine_is_no_crash() {
    let mut world = World::new();
    world.settle(&wanted(2, "a"));
    world.happen(1, Event::Vanished);
    let one = &world.instances[0];
    assert_eq!((one.stage, one.restarts, one.failures), (Stage::Starting { not_before: world.now }, 0, 0));
}

#[test]
fn another_command_replaces_one_after_the_other_start_first() {
    let mut world = World::new();
    world.settle(&wanted(3, "a"));
    let new = wanted(3, "b");
    let mut story = Vec::new();
    for _ in 0..100 {
        world.steer(&new, true, true);
        if story.last() != Some(&world.words()) {
            story.push(world.words());
        }
        let serving = world.instances.iter().filter(|one| one.is_available(Span::default(), world.now)).count();
        assert!(serving >= 3, "{}", world.words());
        let staying = world.instances.iter().filter(|one| !one.is_leaving()).count();
        assert!(staying <= 4, "{}", world.words());
        world.obey();
        world.now = world.now.after(Span::millis(250));
    }
    assert_eq!(world.words(), "4:ready 5:ready 6:ready", "{story:#?}");
    assert_eq!(story[0], "1:ready 2:ready 3:ready 4:starting");
}

#[test]
fn a_new_command_that_never_works_leaves_the_old_instances_alone() {
    let mut world = World::new();
    world.settle(&wanted(2, "a"));
    let bad = wanted(2, "b");
    for _ in 0..50 {
        world.steer(&bad, true, true);
        for id in 3..=4 {
            world.happen(id, launched(id));
            world.happen(id, Event::Exited { how: "exit code 1".to_owned(), words: String::new() });
        }
        world.now = world.now.after(Span::seconds(1));
    }
    assert_eq!(world.words(), "1:ready 2:ready 3:starting");
    let Capacity::Instances { ready: 0, running: 2, trouble, .. } = capacity(&world.instances, &bad, world.now) else { panic!() };
    assert!(trouble.starts_with("exit code 1 after "), "{trouble}");
}

#[test]
fn a_registration_lasts_as_long_as_it_is_renewed() {
    let now = Time(1_000);
    let wanted = Wanted { source: Source::Registered, ..wanted(1, "") };
    let known = Known { proved: true, ..Known::default() };
    let one = Instance::registered(1, "10.0.0.7:80".to_owned(), now.after(Span::seconds(10)), None, now);
    assert_eq!(one.discovered(), Some("10.0.0.7:80"));
    let renewed = one.after(Event::Renewed { expires: now.after(Span::seconds(20)) }, now).unwrap();
    let late = now.after(Span::seconds(15));
    assert_eq!(steer(std::slice::from_ref(&renewed), &wanted, &known, late), [renewed]);
    let gone = steer(&[one], &wanted, &known, late);
    assert_eq!(gone[0].stage, Stage::Leaving);
    let back = gone[0].after(Event::Renewed { expires: late.after(Span::seconds(10)) }, late).unwrap();
    assert_eq!(back.stage, Stage::Probing, "it was only late");
    let left = back.after(Event::Deregistered, late).unwrap();
    assert_eq!(
        left.after(Event::Renewed { expires: late.after(Span::seconds(20)) }, late).unwrap().stage,
        Stage::Leaving,
        "it asked to go"
    );
    let draining = steer(&[left], &wanted, &known, late);
    assert_eq!(steer(&draining, &wanted, &known, late.after(DRAIN)), []);
}

#[test]
fn what_is_neither_wanted_nor_known_any_more_goes() {
    let now = Time(1_000);
    let command = Instance::command(1, "a", now).after(launched(1), now).unwrap();
    let registered = Instance::registered(2, "10.0.0.7:80".to_owned(), now.after(Span::seconds(99)), None, now);
    let next = steer(&[command, registered], &Wanted::nothing(DRAIN), &Known::default(), now);
    assert!(next.iter().all(|one| one.stage == Stage::Leaving), "{next:?}");
}

/// Anything that may happen, in any order.
#[derive(Debug, Clone)]
enum Turn {
    Want(u32, bool),
    Steer { proved: bool, quiet: bool },
    Launch(usize),
    Healthy(usize),
    Unhealthy(usize),
    Exit(usize),
    Wait(u64),
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        1 => (0..5_u32, any::<bool>()).prop_map(|(count, other)| Turn::Want(count, other)),
        4 => (any::<bool>(), any::<bool>()).prop_map(|(proved, quiet)| Turn::Steer { proved, quiet }),
        2 => (0..8_usize).prop_map(Turn::Launch),
        2 => (0..8_usize).prop_map(Turn::Healthy),
        1 => (0..8_usize).prop_map(Turn::Unhealthy),
        1 => (0..8_usize).prop_map(Turn::Exit),
        1 => (0..20_000_u64).prop_map(Turn::Wait),
    ];
    proptest::collection::vec(turn, 1..120)
}

fn lawful(before: &Instance, after: Option<&Instance>, proved: bool) -> bool {
    use Stage::{Draining, Killing, Leaving, Probing, Ready, Starting, Terminating};
    let Some(after) = after else {
        // Only what never ran, or has ended, is gone.
        return matches!(before.stage, Starting { .. });
    };
    match (before.stage, after.stage) {
        (one, other) if one == other => true,
        (Probing | Ready, Leaving) | (Terminating, Killing) => true,
        (Leaving, Draining) => proved,
        (Draining, Terminating) => true,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn no_process_is_doubled_leaked_or_stopped_early(turns in turns()) {
        let mut world = World::new();
        let mut want = wanted(2, "a");
        let mut ids: BTreeMap<u64, ()> = BTreeMap::new();
        for turn in turns {
            let pick = |n: usize| world.instances.get(n).map(|one| one.id);
            match turn {
                Turn::Want(count, other) => want = wanted(count, if other { "b" } else { "a" }),
                Turn::Steer { proved, quiet } => {
                    let before = world.instances.clone();
                    world.steer(&want, proved, quiet);
                    for one in &before {
                        let after = world.instances.iter().find(|other| other.id == one.id);
                        prop_assert!(lawful(one, after, proved), "{one:?} -> {after:?}");
                    }
                    for one in world.instances.iter().filter(|one| before.iter().all(|old| old.id != one.id)) {
                        prop_assert!(ids.insert(one.id, ()).is_none(), "id {} twice", one.id);
                    }
                    let staying = world.instances.iter().filter(|one| !one.is_leaving()).count();
                    prop_assert!(staying <= want.instances as usize + 1, "{}", world.words());
                    let ready = |all: &[Instance]| all.iter().filter(|one| one.is_available(want.min_ready, world.now)).count();
                    let kept = ready(&before).min(want.instances as usize);
                    prop_assert!(ready(&world.instances) >= kept, "{:?} -> {}", before, world.words());
                }
                Turn::Launch(n) => if let Some(id) = pick(n) { world.happen(id, launched(id)) },
                Turn::Healthy(n) => if let Some(id) = pick(n) { world.happen(id, Event::Healthy) },
                Turn::Unhealthy(n) => if let Some(id) = pick(n) { world.happen(id, Event::Unhealthy { why: "503".to_owned() }) },
                Turn::Exit(n) => if let Some(id) = pick(n) { world.happen(id, Event::Exited { how: "exit code 1".to_owned(), words: String::new() }) },
                Turn::Wait(millis) => world.now = world.now.after(Span(millis)),
            }
            for one in &world.instances {
                let runs = matches!(&one.kind, Kind::Command { process: Some(_), .. });
                prop_assert_eq!(runs, !matches!(one.stage, Stage::Starting { .. }), "{:?}", one);
                prop_assert_eq!(one.discovered().is_some(), one.stage == Stage::Ready);
            }
        }
        world.settle(&want);
        prop_assert_eq!(world.ready(&want), want.instances, "{}", world.words());
        prop_assert_eq!(world.instances.len(), want.instances as usize);
    }
}
