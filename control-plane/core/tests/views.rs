//! What people read in each phase: `status::view`'s sentence and versions, and `explain::notes`.
//!
//! `UPDATE=1 cargo test -p shunt-core --test views` writes the golden file anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

// Each test binary uses its own part of the model.
#[allow(dead_code)]
#[path = "model/world.rs"]
mod world;

use std::fmt::Write as _;
use std::path::Path;

use shunt_core::command::Verb;
use shunt_core::desired::desired;
use shunt_core::status::view;
use shunt_filter_core::Weight;
use shunt_spec::plan::{PlannedRule, Role, Scale, Step, Strategy};
use shunt_spec::time::Span;
use world::{Judge, World, command, name, plan, version};

/// Writes down what is seen at each moment.
struct Album {
    world: World,
    text: String,
}

impl Album {
    fn new(title: &str, steps: Vec<Step>) -> Self {
        let mut world = World::new(plan(steps));
        world.settle();
        Self { world, text: format!("# {title}\n") }
    }

    fn act(&mut self, change: impl FnOnce(&mut World)) {
        change(&mut self.world);
        self.world.settle();
    }

    fn wait(&mut self, seconds: u64) {
        self.world.pass(Span::seconds(seconds));
    }

    fn picture(&mut self, title: &str) {
        let seen = self.world.observe(&desired(&self.world.plan, &self.world.state));
        let view = view(&self.world.plan, &self.world.state, &seen);
        let text = &mut self.text;
        let step = view.step.map(|step| format!(" · step {} of {}: {}", step.number, step.of, step.text)).unwrap_or_default();
        writeln!(text, "{title}\n    {:?}{step}\n    {}", view.phase, view.message).unwrap();
        for version in view.versions {
            let share = version.share.map_or_else(|| "-".to_owned(), |share| format!("{share:.1} %"));
            writeln!(text, "      {} {} {} (measured {share}), {} open", version.name, version.role, version.weight, version.open).unwrap();
        }
        for note in view.notes {
            writeln!(text, "      note: {note}").unwrap();
        }
    }
}

fn weight(percent: u32) -> Step {
    Step::SetWeight(Weight::ppm(percent * 10_000))
}

fn rule(name_: &str, version: Option<&str>, role: Role) -> PlannedRule {
    PlannedRule { name: name_.to_owned(), matches: Vec::new(), version: version.map(name), role, weight: Weight::ALL }
}

fn hang(world: &mut World, hangs: bool) {
    world.edges.iter_mut().for_each(|edge| (edge.takes_policy, edge.takes_routes) = (!hangs, !hangs));
}

fn a_release() -> String {
    let pause = Step::Pause(Some(Span::seconds(60)));
    let mut album = Album::new("A release", vec![weight(5), pause, Step::Analysis(Span::seconds(30)), Step::Pause(None)]);
    album.world.plan.keep_old = Span::seconds(1_800);
    album.picture("nothing to do");
    album.act(|world| hang(world, true));
    album.act(|world| world.plan.versions.push(version("v4")));
    album.picture("a version is being installed");
    album.act(|world| world.plan.release = name("v4"));
    album.picture("its release waits for that");
    album.act(|world| world.edges.iter_mut().for_each(|edge| edge.takes_routes = true));
    album.picture("a step that a proxy does not report");
    album.act(|world| hang(world, false));
    album.picture("a step that is watched");
    album.act(|world| world.misrouting_since = Some(world.now));
    album.picture("other versions answer");
    album.act(|world| world.misrouting_since = None);
    album.wait(10);
    album.picture("a pause");
    album.act(|world| world.judge = Judge::More);
    album.wait(60);
    album.picture("an analysis, its time not over");
    album.wait(30);
    album.picture("an analysis, no pass yet");
    album.wait(600);
    album.picture("no pass in time");
    album.act(|world| world.judge = Judge::Pass);
    album.act(|world| world.command(Verb::Promote, world.state.revision));
    album.picture("a pause for an operator");
    album.act(|world| world.command(Verb::Promote, world.state.revision));
    album.picture("all keys");
    album.act(|world| world.edges.iter_mut().for_each(|edge| edge.takes_routes = false));
    album.wait(5);
    album.picture("the default route");
    album.act(|world| hang(world, false));
    album.picture("promoted, the old one warm");
    album.act(|world| world.judge = Judge::Limit);
    album.picture("back to the old one");
    album.wait(5);
    album.picture("back");
    album.text
}

fn an_abort() -> String {
    let mut album = Album::new("An abort", vec![weight(5), Step::Pause(None)]);
    album.world.plan.rules =
        vec![rule("testers", Some("v2"), Role::Candidate), rule("ahead", None, Role::Candidate), rule("behind", None, Role::Stable)];
    album.world.plan.sources.insert("spec.key".to_owned(), "the mesh policy".to_owned());
    album.act(|_| {});
    album.picture("rules at rest");
    album.act(|world| world.plan.release = name("v2"));
    album.wait(5);
    album.picture("rules in a run");
    album.act(|world| world.command(Verb::Pause, world.state.revision));
    album.picture("held");
    album.act(|world| {
        hang(world, true);
        world.open = 3;
        world.judge = Judge::Fail;
    });
    album.picture("keys go back");
    album.act(|world| hang(world, false));
    album.picture("requests end");
    album.act(|world| world.open = 0);
    album.picture("refused");
    album.act(|world| world.plan.versions.retain(|version| version.name != name("v3")));
    album.act(|world| {
        hang(world, true);
        world.plan.versions.retain(|version| version.name != name("v2"));
        world.plan.rules.clear();
        world.plan.release = name("v1");
    });
    album.picture("a version leaves");
    album.act(|world| world.plan.gone = true);
    album.picture("the manifest is gone");
    album.text
}

fn a_replacement() -> String {
    let scale = |role, share| Step::Scale(Scale { role, share });
    let steps = vec![Step::Hold, scale(Role::Stable, Weight::ZERO), scale(Role::Candidate, Weight::ALL)];
    let mut album = Album::new("A replacement", steps);
    album.act(|world| {
        (world.plan.strategy, world.plan.held_deadline) = (Strategy::Recreate, Some(Span::seconds(30)));
        world.plan.versions = ["v1", "v2"].map(|name| command(name, 1)).to_vec();
        world.broken.insert(name("v2"));
    });
    album.wait(5);
    album.act(|world| {
        world.stable_open = 1;
        world.plan.release = name("v2");
    });
    album.picture("requests end, no others are answered");
    album.act(|world| world.stable_open = 0);
    album.wait(5);
    album.picture("the new one is not ready");
    album.act(|world| world.command(Verb::Pause, world.state.revision));
    album.picture("held by the operator all the same");
    album.wait(25);
    album.picture("its time is over");
    album.wait(3);
    album.picture("the old one starts again");
    album.wait(5);
    album.picture("refused");
    album.text
}

#[test]
fn what_people_read() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/views/pictures.txt");
    let text = format!("{}\n{}\n{}", a_release(), an_abort(), a_replacement());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap();
    assert!(text == golden, "views differ (UPDATE=1 writes them anew):\n{text}");
}
