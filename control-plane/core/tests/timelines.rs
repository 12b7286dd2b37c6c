//! Golden timelines of the state machine: `tests/timelines/*.txt` are scripts (lines with `>`) with what happened after each.
//!
//! `UPDATE=1 cargo test -p shunt-core --test timelines` writes them anew; adding a case is adding a file with its script lines.

#[path = "model/world.rs"]
mod world;

use std::fmt::Write as _;
use std::path::Path;

use shunt_core::command::Verb;
use shunt_core::journal::Entry;
use shunt_core::plan::{Backend, MirrorStep, PlannedRule, Role, Step};
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
        ["proxies", "hang"] => world.reporting = false,
        ["proxies", "report"] => world.reporting = true,
        ["proxies", "none"] => world.proxies = false,
        ["analysis", "passes"] => world.judge = Judge::Pass,
        ["analysis", "fails"] => world.judge = Judge::Fail,
        ["analysis", "lacks", "data"] => world.judge = Judge::More,
        ["misrouted"] => world.misrouting_since = Some(world.now),
        ["routed"] => world.misrouting_since = None,
        ["open", requests] => world.open = requests.parse().expect("a number"),
        ["keepOld", span] => world.plan.keep_old = span.parse().expect("a span"),
        ["maxExposed", percent] => world.plan.max_exposed = weight(percent),
        ["manifest", "gone"] => world.plan.gone = true,
        ["manifest", "back"] => world.plan.gone = false,
        ["promote"] => world.command(Verb::Promote, world.state.revision),
        ["promote", "at", revision] => world.command(Verb::Promote, revision.parse().expect("a revision")),
        ["pause"] => world.command(Verb::Pause, world.state.revision),
        ["resume"] => world.command(Verb::Resume, world.state.revision),
        ["abort"] => world.command(Verb::Abort, world.state.revision),
        ["retry"] => world.command(Verb::Retry, world.state.revision),
        _ => panic!("not a line of a script: {line}"),
    }
    world.settle()
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
            writeln!(printed, "             stable {}, run {stage}", entry.next.stable).expect("memory");
        }
        for answer in world.answers.drain(..).filter_map(Result::err) {
            writeln!(printed, "        refused: {answer}").expect("memory");
        }
    }
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
