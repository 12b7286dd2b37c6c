//! Every command in every state: allowed, or refused with the reason. Printed as `control-plane/COMMANDS.md`;
//! `UPDATE=1 cargo test -p shunt-core --test commands` writes it anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

#[allow(dead_code)]
#[path = "model/script.rs"]
mod script;
#[allow(dead_code)]
#[path = "model/world.rs"]
mod world;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use shunt_core::command::Verb;
use shunt_core::state::{Ending, Stage};
use world::{World, plan};

/// States by how one comes there.
const STATES: [(&str, &str); 24] = [
    ("at rest", ""),
    ("at rest, the old version kept warm", "keepOld 1h; steps setWeight 50; release v2; wait 30s"),
    ("at rest, the release refused", "steps setWeight 5 | pause; release v2; wait 10s; abort; wait 10s"),
    ("at rest, the release over without promotion", "steps mirror 10 | conclude; release v2; wait 10s"),
    ("preparing: the candidate is being installed", "versions v1; wait 30s; routes hang; steps setWeight 5; versions v1 v2 v3; release v2"),
    ("preparing: its instances are missing", "instances 2; wait 5s; steps setWeight 5; broken v2; release v2; wait 5s"),
    ("a step waits for instances", "instances 4; wait 5s; steps scale candidate 50 | setWeight 50; broken v2; release v2; wait 5s"),
    ("a step waits for an operator (gate)", "steps gate board | setWeight 5; release v2; wait 5s"),
    ("a step waits for a webhook", "steps webhook board | setWeight 5; release v2; wait 5s"),
    ("a step is published, not proved", "steps setWeight 5 | pause; release v2"),
    ("a step lasts (pause with a duration)", "steps setWeight 5 | pause 1h | setWeight 50; release v2; wait 10s"),
    ("a step waits for an operator (pause)", "steps setWeight 5 | pause | setWeight 50; release v2; wait 10s"),
    ("a step waits for a pass", "analysis lacks data; steps setWeight 5 | analysis 5s; release v2; wait 20s"),
    (
        "requests are held",
        "instances 1; wait 5s; strategy recreate; steps hold | scale stable 0 | scale candidate 100; flying 3; release v2; wait 1s",
    ),
    ("held by a person", "steps setWeight 5 | pause 1h; release v2; wait 10s; pause"),
    ("held by a deadline", "steps setWeight 5 | pause; proxies hang; release v2; wait 11m"),
    ("frozen", "steps setWeight 5 | pause | setWeight 50; release v2; wait 10s; freeze"),
    ("past the point of no return", "steps setWeight 5 | pointOfNoReturn | pause | setWeight 50; release v2; wait 10s"),
    ("shifting: all keys by policy", "steps setWeight 50; release v2; wait 4s"),
    ("switching: the default route", "steps setWeight 50; release v2; wait 4s; routes hang; wait 5s"),
    (
        "clearing: the candidate goes first",
        "instances 1; wait 5s; strategy recreate; steps hold | scale stable 0 | scale candidate 100; broken v2; release v2; wait 10s; abort",
    ),
    (
        "restoring: stable gets its instances back",
        "instances 4; wait 5s; steps scale candidate 50 | setWeight 50 | scale stable 50 | pause; release v2; wait 20s; abort",
    ),
    ("reverting: all keys back", "steps setWeight 5 | pause; release v2; wait 10s; proxies hang; abort"),
    ("draining: requests in flight end", "open 3; steps setWeight 5 | pause; release v2; wait 10s; abort"),
];

const VERBS: [(&str, Verb); 8] = [
    ("promote", Verb::Promote),
    ("promote --full", Verb::PromoteFull),
    ("promote --to 2", Verb::PromoteTo { step: 2 }),
    ("pause", Verb::Pause),
    ("resume", Verb::Resume),
    ("abort", Verb::Abort),
    ("retry", Verb::Retry),
    ("retry --from 1", Verb::RestartFrom { step: 1 }),
];

fn there(script: &str) -> World {
    let mut world = World::new(plan(Vec::new()));
    script::act(&mut world, "wait 1s");
    for line in script.split(';').map(str::trim).filter(|line| !line.is_empty()) {
        script::act(&mut world, &line.replace(" | ", "; "));
    }
    world
}

/// What became of the command: its answer, without what comes after.
fn asked(script: &str, verb: Verb) -> Result<String, String> {
    let mut world = there(script);
    world.answers.clear();
    let revision = world.state.revision;
    world.command(verb, revision);
    world.settle();
    world.answers.first().cloned().expect("every command is answered")
}

fn table() -> String {
    let mut text = "# Every command in every state\n\nWhat the state machine answers; made by its own tests, so it cannot be out of date. `yes` is followed by what the journal says.\n".to_owned();
    for (state, script) in STATES {
        let world = there(script);
        let phase = world.state.phase(&world.plan);
        writeln!(text, "\n## {state}\nPhase {phase:?}.\n\n| command | answer |\n|---|---|").expect("memory");
        for (name, verb) in VERBS {
            let answer = match asked(script, verb) {
                Ok(reason) => format!("**yes**: {reason}"),
                Err(reason) => format!("no: {reason}"),
            };
            writeln!(text, "| `{name}` | {} |", answer.replace('|', "\\|")).expect("memory");
        }
    }
    text
}

#[test]
fn every_command_is_allowed_or_refused_with_a_reason_in_every_state() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../COMMANDS.md");
    let made = table();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &made).expect("written");
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(made == committed, "control-plane/COMMANDS.md is out of date: UPDATE=1 cargo test -p shunt-core --test commands");
}

/// The scripts above lead to every stage that there is.
#[test]
fn all_stages_are_there() {
    let stages: BTreeSet<&str> = STATES.iter().filter_map(|(_, script)| there(script).state.run.map(|run| stage(&run.stage))).collect();
    let all = [
        "preparing",
        "awaitingPrerequisites",
        "applying",
        "holding",
        "shifting",
        "switching",
        "clearing",
        "restoring",
        "reverting",
        "draining",
    ];
    assert_eq!(stages, BTreeSet::from(all));
}

fn stage(stage: &Stage) -> &'static str {
    let _: Option<&Ending> = stage.ending();
    match stage {
        Stage::Preparing => "preparing",
        Stage::AwaitingPrerequisites { .. } => "awaitingPrerequisites",
        Stage::Applying { .. } => "applying",
        Stage::Holding { .. } => "holding",
        Stage::Shifting => "shifting",
        Stage::Switching => "switching",
        Stage::Clearing(_) => "clearing",
        Stage::Restoring(_) => "restoring",
        Stage::Reverting(_) => "reverting",
        Stage::Draining(_) => "draining",
    }
}
