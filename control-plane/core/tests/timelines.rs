//! Golden timelines of the state machine: `tests/timelines/*.txt` are scripts (lines with `>`) with what happened after each.
//!
//! `UPDATE=1 cargo test -p shunt-core --test timelines` writes them anew; adding a case is adding a file with its script lines.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

// Each test binary uses its own part of the model.
#[allow(dead_code)]
#[path = "model/world.rs"]
mod world;

use std::fmt::Write as _;
use std::path::Path;

use shunt_core::State;
use shunt_core::command::Verb;
use shunt_core::journal::Entry;
use shunt_core::plan::{Backend, MirrorStep, PlannedRule, Role, Routing, Step};
use shunt_core::state::Installation;
use shunt_core::time::Span;
use shunt_filter_core::Weight;
use world::{Judge, World, name, plan, version};

fn weight(text: &str) -> Weight {
    Weight::percent(text.parse().expect("percent")).expect("a weight")
}

fn step(text: &str) -> Step {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["setWeight", percent] => Step::SetWeight(weight(percent)),
        ["pause"] => Step::Pause(None),
        ["pause", span] => Step::Pause(Some(span.parse().expect("a span"))),
        ["analysis", span] => Step::Analysis(span.parse().expect("a span")),
        ["rule", rule] => Step::Rule(PlannedRule {
            name: (*rule).to_owned(),
            matches: Vec::new(),
            version: None,
            role: Role::Candidate,
            weight: Weight::ALL,
        }),
        ["mirror", percent] => {
            Step::Mirror(MirrorStep { weight: weight(percent), matches: Vec::new(), unsafe_methods: false, max_body_bytes: 1024 })
        }
        _ => panic!("not a step: {text}"),
    }
}

fn act(world: &mut World, line: &str) -> Vec<Entry> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["steps", ..] => world.plan.steps = line.trim_start_matches("steps").split(';').map(|text| step(text.trim())).collect(),
        ["release", version] => world.plan.release = name(version),
        ["versions", rest @ ..] => world.plan.versions = rest.iter().map(|text| version(text)).collect(),
        ["move", moved] => {
            let at = world.plan.versions.iter_mut().find(|v| v.name == name(moved)).expect("a version");
            at.backend = Backend::Endpoints(vec!["127.0.0.1:9999".to_owned()]);
        }
        ["wait", span] => return world.pass(span.parse::<Span>().expect("a span")),
        ["proxies", "hang"] => world.edges.iter_mut().for_each(|edge| (edge.takes_policy, edge.takes_routes) = (false, false)),
        ["routes", "hang"] => world.edges.iter_mut().for_each(|edge| edge.takes_routes = false),
        ["proxies", "report"] => world.edges.iter_mut().for_each(|edge| (edge.takes_policy, edge.takes_routes) = (true, true)),
        ["proxies", "none"] => world.edges.clear(),
        ["analysis", "passes"] => world.judge = Judge::Pass,
        ["analysis", "fails"] => world.judge = Judge::Fail,
        ["limit", "broken"] => world.judge = Judge::Limit,
        ["analysis", "lacks", "data"] => world.judge = Judge::More,
        ["rule", rule, version] => world.plan.rules.push(PlannedRule {
            name: (*rule).to_owned(),
            matches: Vec::new(),
            version: Some(name(version)),
            role: Role::Candidate,
            weight: Weight::ALL,
        }),
        ["routing", "external", version] => {
            world.plan.routing = Routing::External { default_route: name(version) };
            world.plan.versions.iter_mut().for_each(|v| v.backend = Backend::Cluster(format!("{}-cluster", v.name)));
        }
        ["routing", "managed"] => {
            world.plan.routing = Routing::Managed;
            world.plan.versions = world.plan.versions.iter().map(|v| version(v.name.as_str())).collect();
        }
        // Before anything was recorded.
        ["afresh"] => {
            world.state = State::initial(&world.plan);
            world.first = world.state.clone();
            world.journal.clear();
        }
        ["misrouted"] => world.misrouting_since = Some(world.now),
        ["routed"] => world.misrouting_since = None,
        ["open", requests] => world.open = requests.parse().expect("a number"),
        ["keepOld", span] => world.plan.keep_old = span.parse().expect("a span"),
        ["maxExposed", percent] => world.plan.max_exposed = weight(percent),
        ["manifest", "gone"] => world.plan.gone = true,
        ["manifest", "back"] => world.plan.gone = false,
        ["promote"] => world.command(Verb::Promote, world.state.revision),
        ["promote", "as", "analysis", "fails"] => {
            world.judge = Judge::Fail;
            world.command(Verb::Promote, world.state.revision);
        }
        ["promote", "at", revision] => world.command(Verb::Promote, revision.parse().expect("a revision")),
        ["pause"] => world.command(Verb::Pause, world.state.revision),
        ["resume"] => world.command(Verb::Resume, world.state.revision),
        ["abort"] => world.command(Verb::Abort, world.state.revision),
        ["pause", "at", revision] => world.command(Verb::Pause, revision.parse().expect("a revision")),
        ["retry"] => world.command(Verb::Retry, world.state.revision),
        _ => panic!("not a line of a script: {line}"),
    }
    world.settle()
}

fn stage_of(stage: &Installation) -> &'static str {
    match stage {
        Installation::Installing => "installing",
        Installation::Serving => "serving",
        Installation::Leaving { .. } => "leaving",
    }
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
            writeln!(printed, "{:>7} r{:<3} {}", entry.at.since(shunt_core::Time(0)).to_string(), entry.revision, entry.reason)
                .expect("memory");
            let left = entry.next.installed.iter().filter(|(_, version)| version.stage != Installation::Serving);
            let left: Vec<String> = left.map(|(name, version)| format!("{name} {}", stage_of(&version.stage))).collect();
            let left = if left.is_empty() { String::new() } else { format!(", {}", left.join(", ")) };
            let route = entry.next.default_route.target();
            let elsewhere = if *route == entry.next.stable { String::new() } else { format!(", default route {route}") };
            writeln!(printed, "             stable {}, run {stage}{elsewhere}{left}", entry.next.stable).expect("memory");
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
