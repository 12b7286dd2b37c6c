//! What steps ended with stays when nothing is counted any more, until another release begins.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

// Each test binary uses its own part of the model.
#[allow(dead_code)]
#[path = "model/script.rs"]
mod script;
#[allow(dead_code)]
#[path = "model/world.rs"]
mod world;

use shunt_core::State;
use shunt_core::analysis::Outcome;
use shunt_core::cause::example;
use shunt_core::figures::{Counted, STEPS_MAX};
use shunt_core::observation::Observation;
use shunt_core::status::view;
use world::{World, name, plan};

fn played(script: &str) -> World {
    let mut world = World::new(plan(Vec::new()));
    for line in script.lines() {
        script::act(&mut world, line.trim());
    }
    world
}

/// Number, text, and requests of v2.
fn steps(state: &State, version: &str) -> Vec<(Option<usize>, String, u64)> {
    let requests = |counted: Option<&Counted>| counted.map_or(0, |counted| counted.requests);
    state.figures.steps.iter().map(|step| (step.number, step.text.clone(), requests(step.versions.get(&name(version))))).collect()
}

const PROMOTED: &str = "steps setWeight 5; pause 1m; setWeight 50
    requests 150
    release v2
    wait 2m";

#[test]
fn they_outlive_the_release_and_who_counted() {
    let world = played(PROMOTED);
    assert!(world.state.run.is_none() && world.state.stable == name("v2"));
    let expected = [(Some(1), "setWeight 5"), (Some(2), "pause 1m"), (Some(3), "setWeight 50"), (None, "promotion")];
    let expected: Vec<_> = expected.iter().map(|(number, text)| (*number, (*text).to_owned(), 150)).collect();
    assert_eq!(steps(&world.state, "v2"), expected);
    let pause = &world.state.figures.steps[1];
    assert_eq!((pause.verdicts[0].metric.as_str(), pause.verdicts[0].outcome), ("errors", Outcome::Pass));
    assert_eq!(pause.ended.since(pause.began).to_string(), "1m");
    let recorded: State = serde_json::from_str(&serde_json::to_string(&world.state).unwrap()).unwrap();
    let after = view(&world.plan, &recorded, &Observation::unknown(world.now));
    let v2 = after.versions.iter().find(|version| version.name == name("v2")).unwrap();
    assert_eq!((v2.requests, after.figures == world.state.figures), (150, true), "no proxy counts them any more");
}

#[test]
fn each_transition_knows_what_it_ended() {
    let world = played(PROMOTED);
    for step in &world.state.figures.steps {
        let entry = world.journal.iter().find(|entry| entry.revision == step.revision).unwrap();
        assert_eq!(entry.next.figures.ended_by(entry.revision), Some(step), "{}", entry.reason);
    }
    let others = world.journal.iter().filter(|entry| entry.next.figures.ended_by(entry.revision).is_some()).count();
    assert_eq!(others, world.state.figures.steps.len());
}

#[test]
fn an_abort_keeps_the_step_that_it_ended_and_the_next_release_replaces_all() {
    let mut world = played("steps setWeight 5; pause 1m\nrelease v2\nwait 10s\nanalysis fails\nwait 1m");
    assert_eq!(steps(&world.state, "v2").last().unwrap(), &(Some(2), "pause 1m".to_owned(), 200));
    assert_eq!(world.state.figures.steps[1].verdicts[0].outcome, Outcome::Fail);
    for line in ["analysis passes", "release v3", "wait 5s"] {
        script::act(&mut world, line);
    }
    assert_eq!(steps(&world.state, "v3"), [(Some(1), "setWeight 5".to_owned(), 200)], "those of v2 stand in the journal");
}

#[test]
fn long_lists_are_cut_and_counted() {
    let many = (1..=20).map(|percent| format!("setWeight {percent}; pause 10s")).collect::<Vec<_>>().join("; ");
    let world = played(&format!("steps {many}\nrelease v2\nwait 10m"));
    assert_eq!(world.state.stable, name("v2"));
    assert_eq!((world.state.figures.steps.len(), world.state.figures.earlier), (STEPS_MAX, 41 - STEPS_MAX as u64));
}

#[test]
fn examples_of_what_failed_stay_with_the_step_that_ended() {
    let mut world = played("steps setWeight 5; pause 1m\nrelease v2\nwait 10s\nfailed v2 500 GET /cart 7\nanalysis fails\nwait 1m");
    let last = world.state.figures.steps.last().unwrap();
    let told: Vec<String> = last.exemplars[&name("v2")].iter().map(example).collect();
    assert_eq!(told, ["500 on GET /cart (7)"]);
    let after = view(&world.plan, &world.state, &Observation::unknown(world.now));
    let v2 = after.versions.iter().find(|version| version.name == name("v2")).unwrap();
    assert_eq!(v2.exemplars, last.exemplars[&name("v2")], "no proxy tells them any more");
    for line in ["analysis passes", "release v3", "wait 10s"] {
        script::act(&mut world, line);
    }
    assert!(world.state.figures.steps.iter().rev().skip(1).all(|step| step.exemplars.is_empty()), "the journal has those of older steps");
}
