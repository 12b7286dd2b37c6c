//! Journals of real rollouts: each file in `tests/incidents/` is run again and must give the same, byte for byte.
//!
//! `shunt history NAME -o json > control-plane/core/tests/incidents/what-happened.json` adds a case. A file that differs after a change
//! of the machine shows what the change means for that rollout; when that is wanted, `UPDATE=1 cargo test -p shunt-core --test incidents`
//! writes down what the machine makes of the same observations now (read the diff), or let it go.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

// Each test binary uses its own part of the model.
#[allow(dead_code)]
#[path = "model/world.rs"]
mod world;

use std::path::Path;

use serde_json::json;
use shunt_core::State;
use shunt_core::journal::Entry;
use shunt_core::replay::{Incident, Replayed};
use shunt_filter_core::Weight;
use shunt_spec::Step;
use shunt_spec::time::Span;
use world::{World, name, plan};

#[test]
fn every_incident_runs_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/incidents");
    let mut files: Vec<_> = std::fs::read_dir(&folder).expect("the folder").map(|file| file.expect("a file").path()).collect();
    files.sort();
    let mut wrong = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("a text");
        let incident: Incident = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert!(!incident.entries.is_empty(), "{} has no transitions", file.display());
        if std::env::var_os("UPDATE").is_some() {
            let text = serde_json::to_string_pretty(&anew(incident)).expect("JSON");
            std::fs::write(file, format!("{text}\n")).expect("written");
            continue;
        }
        for (entry, again) in incident.entries.iter().zip(incident.replay()).filter(|(_, again)| *again != Replayed::Same) {
            wrong.push(format!("{} revision {} ({}): {again:#?}", file.display(), entry.revision, entry.reason));
        }
    }
    assert!(files.len() >= 2, "incidents are missing");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same observations and commands, and what the machine makes of them now. The plans stay as they were compiled then.
fn anew(incident: Incident) -> Incident {
    let plan = |entry: &Entry| incident.plans.get(&entry.plan).expect("a plan by digest");
    let mut before = incident.first.clone();
    let mut entries = Vec::new();
    for entry in &incident.entries {
        let state = before.unwrap_or_else(|| State::initial(plan(entry)));
        let next = entry.replay(plan(entry), &state).entry;
        let made = next.unwrap_or_else(|| panic!("revision {} makes no transition any more: let the file go", entry.revision));
        before = Some(made.next.clone());
        entries.push(made);
    }
    Incident { entries, ..incident }
}

/// A release of v2 that is promoted.
fn promoted() -> Incident {
    let mut world = World::new(plan(vec![Step::SetWeight(Weight::percent(5.0).expect("a weight")), Step::Pause(Some(Span::seconds(60)))]));
    world.pass(Span::seconds(10));
    world.plan.release = name("v2");
    world.pass(Span::seconds(120));
    assert_eq!(world.state.stable, name("v2"));
    Incident::new(world.plans.clone(), &world.journal, usize::MAX)
}

fn through_json(incident: &Incident) -> Incident {
    serde_json::from_str(&serde_json::to_string(incident).expect("JSON")).expect("an incident")
}

#[test]
fn a_whole_life_and_each_part_of_it_run_again() {
    let whole = promoted();
    assert_eq!((whole.first.as_ref(), whole.plans.len() > 1), (None, true), "it begins with the Rollout, and its plan changed");
    for limit in 1..=whole.entries.len() {
        let part = through_json(&Incident::new(whole.plans.clone(), &whole.entries, limit));
        assert_eq!((part.entries.len(), part.first.is_some()), (limit, limit < whole.entries.len()));
        assert!(part.plans.keys().all(|digest| part.entries.iter().any(|entry| entry.plan == *digest)), "no plan too many");
        assert_eq!(part.replay(), vec![Replayed::Same; limit], "the newest {limit}");
    }
}

/// Forgotten, and back under the same name: revisions begin anew.
#[test]
fn two_lives_run_again() {
    let one = promoted();
    let twice: Vec<_> = one.entries.iter().chain(&one.entries).cloned().collect();
    let incident = Incident { entries: twice, ..one };
    assert!(incident.replay().iter().all(|again| *again == Replayed::Same));
}

#[test]
fn what_differs_is_found() {
    let mut incident = promoted();
    let last = incident.entries.len() - 1;
    incident.entries[last].next.attempt = 7;
    let replayed = incident.replay();
    assert!(replayed[..last].iter().all(|again| *again == Replayed::Same));
    let Replayed::Differs(difference) = &replayed[last] else { panic!("{:?}", replayed[last]) };
    assert_eq!((difference.path.as_str(), &difference.left, &difference.right), ("next.attempt", &Some(json!(7)), &Some(json!(1))));
}

#[test]
fn what_is_missing_is_said() {
    let whole = promoted();
    let digest = whole.entries[0].plan.clone();
    let mut without_plan = whole.clone();
    without_plan.plans.remove(&digest);
    assert_eq!(without_plan.replay()[0], Replayed::NoPlan(digest));
    let mut with_a_hole = whole.clone();
    with_a_hole.entries.remove(2);
    let replayed = with_a_hole.replay();
    assert_eq!((&replayed[1], &replayed[2], &replayed[3]), (&Replayed::Same, &Replayed::NoState, &Replayed::Same));
    let mut without_first = Incident::new(whole.plans.clone(), &whole.entries, 3);
    without_first.first = None;
    assert_eq!(without_first.replay()[0], Replayed::NoState);
}
