//! Golden timelines of the state machine: `tests/timelines/*.txt` are scripts (lines with `>`) with what happened after each.
//!
//! `UPDATE=1 cargo test -p shunt-core --test timelines` writes them anew; adding a case is adding a file with its script lines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

// Each test binary uses its own part of the model.
#[path = "model/script.rs"]
mod script;
#[allow(dead_code)]
#[path = "model/world.rs"]
mod world;

use std::fmt::Write as _;
use std::path::Path;

use script::act;
use shunt_core::journal::Entry;
use shunt_core::state::Installation;
use shunt_filter_core::{ServicePolicy, Weight};
use shunt_spec::plan::metric::{Guard, Tolerance};
use world::{World, plan};

fn stage_of(stage: &Installation) -> &'static str {
    match stage {
        Installation::Installing => "installing",
        Installation::Serving => "serving",
        Installation::Leaving { .. } => "leaving",
    }
}

/// What proxies take for slow, of both arms, and for hanging.
fn watched(service: &ServicePolicy) -> String {
    let slow = service.latency.as_ref().map(|latency| {
        let (own, others) = (latency.thresholds, latency.others);
        format!(
            ", slow above {}/{}/{} us, others {}/{}/{}",
            own.p50_us, own.p90_us, own.p99_us, others.p50_us, others.p90_us, others.p99_us
        )
    });
    let hanging = service.hang_after_ms.map(|after| format!(", hanging after {after} ms"));
    [slow, hanging].into_iter().flatten().collect()
}

/// The journal is enough to make each transition again.
fn replay(world: &World) {
    let mut before = world.first.clone();
    for entry in &world.journal {
        let plan = world.plans.get(&entry.plan).expect("a plan by digest");
        let text = serde_json::to_string(entry).expect("an entry is JSON");
        let recorded: Entry = serde_json::from_str(&text).expect("an entry from JSON");
        assert_eq!(recorded, *entry, "JSON round trip");
        let again = recorded.replay(plan, &before);
        assert_eq!(again.entry.as_ref(), Some(entry), "replay of revision {}", entry.revision);
        before = entry.next.clone();
    }
}

fn play(script: &str) -> String {
    let mut world = World::new(plan(Vec::new()));
    let mut printed = String::new();
    for line in script.lines() {
        let Some(told) = line.strip_prefix('>') else {
            if line.starts_with('#') {
                writeln!(printed, "{line}").expect("memory");
            }
            continue;
        };
        writeln!(printed, ">{told}").expect("memory");
        for entry in act(&mut world, told.trim()) {
            let run = entry.next.run.as_ref();
            let stage = run.map_or_else(|| "-".to_owned(), |run| format!("{} {} {:?}", run.candidate, run.weight, run.stage));
            let stage = stage.split_once("(Refused").map_or(stage.clone(), |(before, _)| format!("{before}(Refused)"));
            let stage = stage.split_once("(Concluded").map_or(stage.clone(), |(before, _)| format!("{before}(Concluded)"));
            writeln!(printed, "{:>7} r{:<3} {}", entry.at.since(shunt_spec::Time(0)).to_string(), entry.revision, entry.reason)
                .expect("memory");
            let left = entry.next.installed.iter().filter(|(_, version)| version.stage != Installation::Serving);
            let left: Vec<String> = left.map(|(name, version)| format!("{name} {}", stage_of(&version.stage))).collect();
            let left = if left.is_empty() { String::new() } else { format!(", {}", left.join(", ")) };
            let route = entry.next.default_route.target();
            let elsewhere = if *route == entry.next.stable { String::new() } else { format!(", default route {route}") };
            let world = shunt_core::desired(&world.plan, &entry.next);
            let scale: Vec<String> = world.scale.iter().map(|(version, size)| format!("{version} {size}")).collect();
            let scale = if scale.is_empty() { String::new() } else { format!(", instances {}", scale.join(" ")) };
            let held = if world.routes.is_some_and(|routes| routes.held) { ", held" } else { "" };
            let watched = world.service.map(|service| watched(&service)).unwrap_or_default();
            writeln!(printed, "             stable {}, run {stage}{elsewhere}{left}{scale}{held}{watched}", entry.next.stable)
                .expect("memory");
        }
        for answer in world.answers.drain(..).filter_map(Result::err) {
            writeln!(printed, "        refused: {answer}").expect("memory");
        }
    }
    replay(&world);
    writeln!(printed, "= {:?}", world.state.phase(&world.plan)).expect("memory");
    printed
}

#[test]
fn timelines() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/timelines");
    let mut files: Vec<_> = std::fs::read_dir(&folder).expect("the folder").map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(files.len() >= 12, "timelines are missing");
    let mut wrong = Vec::new();
    for file in files {
        let golden = std::fs::read_to_string(&file).expect("a timeline");
        let played = play(&golden);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &played).expect("written");
        } else if played != golden {
            wrong.push(format!("{}:\n{played}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "timelines differ (UPDATE=1 writes them anew):\n{}", wrong.join("\n"));
}

#[test]
fn what_is_tolerated_stands_in_the_policy_while_a_candidate_is_exposed() {
    let tolerated = |guard: Guard| {
        let mut world = World::new(plan(Vec::new()));
        world.plan.analysis.metrics[0].guard = guard;
        let mut seen = Vec::new();
        for line in ["steps setWeight 5; pause 10m", "release v2", "wait 10s", "abort"] {
            act(&mut world, line);
            let service = shunt_core::desired(&world.plan, &world.state).service;
            seen.push(service.and_then(|service| service.tolerance).map(|tolerance| format!("{} {}", tolerance.version, tolerance.share)));
        }
        seen
    };
    let points = tolerated(Guard::ErrorsWithin(Tolerance::Points(Weight::ppm(5_000))));
    assert_eq!(points, [None, Some("v1 0.5 %".to_owned()), Some("v1 0.5 %".to_owned()), None]);
    for guard in [Guard::ErrorsNoWorseThanStable, Guard::ErrorsWithin(Tolerance::Ratio(1.5))] {
        assert_eq!(tolerated(guard.clone()), [None, None, None, None], "{guard:?} asks the filters for nothing");
    }
}
