//! What may happen to a Rollout, at random and in any order.

use shunt_core::call::CallSeen;
use shunt_core::command::Verb;
use shunt_core::contest::{Contest, ContestOutcome};
use shunt_core::observation::Freeze;
use shunt_core::state::State;
use shunt_filter_core::Weight;
use shunt_filter_core::policy::{Goal, KeySource};
use shunt_spec::Plan;
use shunt_spec::plan::call::{Action, CallKind, CallSpec};
use shunt_spec::plan::{
    AbTestStep, Arm, Backend, ExperimentStep, MirrorStep, OnWinner, PlannedRule, Role, Routing, Scale, Step, Strategy, TestGoal,
};
use shunt_spec::time::Span;

use crate::world::{Edge, Judge, World, command, name, version};

/// Numbers that look random and are the same in every run (SplitMix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).expect("small")
    }
}

/// Something that happens; numbers choose from small tables.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Event {
    Release(usize),
    Drop(usize),
    Steps(usize),
    Rules(usize),
    Gone(bool),
    Wait(usize),
    Command(Verb, bool),
    Judge(usize),
    Misrouted(bool),
    TakesPolicy(usize, bool),
    TakesRoutes(usize, bool),
    Edges(usize),
    Open(usize),
    KeepOld(usize),
    MaxExposed(usize),
    Move(usize),
    External(bool),
    /// Instances of every version are ours, this many.
    Instances(usize),
    Broken(usize, bool),
    Crashing(usize, bool),
    Silent(usize, bool),
    /// What a call answers.
    Call(usize),
    Contest(usize),
    Freeze(bool),
    Crash,
}

/// The last one is as long as a name may be.
const VERSIONS: [&str; 4] = ["v1", "v2", "v3", "v4-of-a-branch-whose-name-its-author-did-not-think-of-as-labelx"];
const WAITS: [u64; 6] = [1, 3, 10, 40, 90, 700];
const VERBS: [Verb; 12] = [
    Verb::Promote,
    Verb::Promote,
    Verb::Promote,
    Verb::Pause,
    Verb::Resume,
    Verb::Abort,
    Verb::Abort,
    Verb::Retry,
    Verb::PromoteFull,
    Verb::PromoteTo { step: 2 },
    Verb::PromoteTo { step: 4 },
    Verb::RestartFrom { step: 2 },
];
/// Kinds of lists of steps.
const STEPS: usize = 16;

impl Event {
    pub(crate) fn random(dice: &mut Dice) -> Self {
        match dice.roll(50) {
            0..=5 => Event::Release(dice.roll(VERSIONS.len())),
            6 => Event::Drop(dice.roll(VERSIONS.len())),
            7 | 8 | 48 => Event::Steps(dice.roll(STEPS)),
            9 => Event::Rules(dice.roll(4)),
            10 => Event::Gone(dice.roll(3) > 0),
            11 | 12 => Event::Gone(false),
            13..=20 => Event::Wait(dice.roll(WAITS.len())),
            21..=25 => Event::Command(VERBS[dice.roll(VERBS.len())], dice.roll(5) == 0),
            26..=28 => Event::Judge(dice.roll(6)),
            29 => Event::Misrouted(dice.roll(2) == 0),
            30 | 31 => Event::TakesPolicy(dice.roll(3), dice.roll(2) == 0),
            32 | 33 => Event::TakesRoutes(dice.roll(3), dice.roll(2) == 0),
            34 => Event::Edges(dice.roll(4)),
            35 => Event::Open(dice.roll(3)),
            36 => Event::KeepOld(dice.roll(3)),
            37 => Event::MaxExposed(dice.roll(2)),
            38 => match dice.roll(6) {
                0 => Event::External(true),
                1 => Event::External(false),
                moved => Event::Move(moved % VERSIONS.len()),
            },
            39 | 40 => Event::Instances(1 + dice.roll(4)),
            41 if dice.roll(2) == 0 => Event::Crashing(dice.roll(VERSIONS.len()), dice.roll(2) == 0),
            41 => Event::Broken(dice.roll(VERSIONS.len()), dice.roll(2) == 0),
            42 | 43 => Event::Silent(dice.roll(3), dice.roll(2) == 0),
            44 | 45 => Event::Call(dice.roll(4)),
            46 => Event::Contest(dice.roll(6)),
            47 => Event::Freeze(dice.roll(2) == 0),
            _ => Event::Crash,
        }
    }

    /// Makes it happen; the manifest stays one that would be accepted.
    pub(crate) fn act(self, world: &mut World) {
        match self {
            Event::Release(index) => {
                world.plan.release = name(VERSIONS[index]);
                add(&mut world.plan, index);
            }
            Event::Drop(index) => drop_version(&mut world.plan, index),
            Event::Steps(index) => {
                world.plan.steps = steps(index);
                let recreate = world.plan.steps.contains(&Step::Hold);
                world.plan.strategy = if recreate { Strategy::Recreate } else { Strategy::Canary };
                world.plan.held_deadline = recreate.then_some(Span::seconds(30));
            }
            Event::Instances(count) => {
                let count = u32::try_from(count).expect("few");
                world.plan.routing = Routing::Managed;
                world.plan.versions = world.plan.versions.iter().map(|v| command(v.name.as_str(), count)).collect();
            }
            Event::Crashing(index, true) => drop(world.crashing.insert(name(VERSIONS[index]))),
            Event::Crashing(index, false) => drop(world.crashing.remove(&name(VERSIONS[index]))),
            Event::Broken(index, true) => drop(world.broken.insert(name(VERSIONS[index]))),
            Event::Broken(index, false) => drop(world.broken.remove(&name(VERSIONS[index]))),
            Event::Silent(index, silent) => world.edges.iter_mut().skip(index).take(1).for_each(|edge| edge.silent = silent),
            Event::Call(index) => {
                let (by, note) = ("cab".to_owned(), String::new());
                let answer = [
                    CallSeen::Yes { by: by.clone(), note: note.clone() },
                    CallSeen::Yes { by: by.clone(), note: note.clone() },
                    CallSeen::No { by, note: note.clone() },
                    CallSeen::Failed { note },
                ];
                world.calls.insert("ask".to_owned(), answer[index].clone());
            }
            Event::Contest(index) => {
                let winner = |version| ContestOutcome::Winner(name(version));
                let outcomes = [
                    ContestOutcome::None,
                    ContestOutcome::NotEnoughData,
                    ContestOutcome::NoDifference,
                    winner("v2"),
                    winner("v3"),
                    ContestOutcome::SampleRatioMismatch,
                ];
                world.contest = Contest { outcome: outcomes[index].clone(), message: "a test".to_owned(), effects: Vec::new() };
            }
            Event::Freeze(true) => {
                world.freeze = Freeze::On { by: "ops".to_owned(), reason: "peak".to_owned(), since: world.now };
            }
            Event::Freeze(false) => world.freeze = Freeze::Off,
            Event::Rules(index) => {
                world.plan.rules = rules(index);
                let named = world.plan.rules.iter().filter_map(|rule| rule.version.as_ref().map(ToString::to_string));
                let named: Vec<usize> = named.filter_map(|name| VERSIONS.iter().position(|version| *version == name)).collect();
                named.into_iter().for_each(|index| add(&mut world.plan, index));
            }
            Event::Gone(gone) => world.plan.gone = gone,
            Event::Wait(index) => world.now = world.now.after(Span::seconds(WAITS[index])),
            Event::Command(verb, stale) => {
                let revision = if stale { world.state.revision.saturating_sub(1) } else { world.state.revision };
                world.command(verb, revision);
            }
            Event::Judge(index) => {
                world.judge = [Judge::Pass, Judge::Pass, Judge::Pass, Judge::More, Judge::Fail, Judge::Limit][index];
            }
            Event::Misrouted(on) => world.misrouting_since = on.then_some(world.now),
            Event::TakesPolicy(index, takes) => world.edges.iter_mut().skip(index).take(1).for_each(|edge| edge.takes_policy = takes),
            Event::TakesRoutes(index, takes) => world.edges.iter_mut().skip(index).take(1).for_each(|edge| edge.takes_routes = takes),
            Event::Edges(count) => {
                world.edges.truncate(count);
                (world.edges.len()..count).for_each(|index| world.edges.push(Edge::new(format!("edge-{index}"))));
            }
            Event::Open(requests) => world.open = requests as u64,
            Event::KeepOld(index) => world.plan.keep_old = [Span::default(), Span::seconds(60), Span::seconds(900)][index],
            Event::MaxExposed(index) => world.plan.max_exposed = [Weight::ALL, Weight::ppm(50_000)][index],
            Event::Move(index) => {
                for version in world.plan.versions.iter_mut().filter(|version| version.name == name(VERSIONS[index])) {
                    if let Backend::Endpoints(endpoints) = &mut version.backend {
                        *endpoints = vec!["127.0.0.1:9999".to_owned()];
                    }
                }
            }
            Event::External(true) => {
                world.plan.routing = Routing::External { default_route: world.plan.release.clone() };
                world.plan.versions.iter_mut().for_each(|v| v.backend = Backend::Cluster(format!("{}-cluster", v.name)));
            }
            Event::External(false) => {
                world.plan.routing = Routing::Managed;
                world.plan.versions = world.plan.versions.iter().map(|v| version(v.name.as_str())).collect();
            }
            Event::Crash => {
                let text = serde_json::to_string(&world.state).expect("state is JSON");
                world.state = serde_json::from_str::<State>(&text).expect("state from JSON");
            }
        }
    }
}

fn add(plan: &mut Plan, index: usize) {
    let mut added = version(VERSIONS[index]);
    if plan.versions.iter().all(|version| version.name != added.name) {
        if matches!(plan.routing, Routing::External { .. }) {
            added.backend = Backend::Cluster(format!("{}-cluster", added.name));
        }
        if let Some(instances) = plan.versions.iter().find_map(|version| version.backend.full_size()) {
            added = command(VERSIONS[index], instances);
        }
        plan.versions.push(added);
    }
}

/// What is released, named by a rule, or named by the user's default route must stay listed.
fn drop_version(plan: &mut Plan, index: usize) {
    let dropped = name(VERSIONS[index]);
    let ruled = plan.rules.iter().any(|rule| rule.version.as_ref() == Some(&dropped));
    let routed = plan.routing == (Routing::External { default_route: dropped.clone() });
    if plan.release != dropped && !ruled && !routed {
        plan.versions.retain(|version| version.name != dropped);
    }
}

fn rule(name_: &str, version: Option<&str>, role: Role) -> PlannedRule {
    PlannedRule { name: name_.to_owned(), matches: Vec::new(), version: version.map(name), role, weight: Weight::ppm(300_000) }
}

fn rules(index: usize) -> Vec<PlannedRule> {
    match index {
        0 => Vec::new(),
        1 => vec![rule("testers", Some("v2"), Role::Candidate)],
        2 => vec![rule("ahead", None, Role::Candidate), rule("behind", None, Role::Stable)],
        _ => vec![rule("testers", Some("v3"), Role::Candidate), rule("ahead", None, Role::Candidate)],
    }
}

fn steps(index: usize) -> Vec<Step> {
    let weight = |percent: u32| Step::SetWeight(Weight::ppm(percent * 10_000));
    let pause = |seconds| Step::Pause(Some(Span::seconds(seconds)));
    let mirror = |percent: u32| {
        Step::Mirror(MirrorStep { weight: Weight::ppm(percent * 10_000), matches: Vec::new(), unsafe_methods: false, max_body_bytes: 9 })
    };
    let scale = |role, percent: u32| Step::Scale(Scale { role, share: Weight::ppm(percent * 10_000) });
    let (candidate, stable) = (|percent| scale(Role::Candidate, percent), |percent| scale(Role::Stable, percent));
    let call = |kind| {
        let action = Action::Command(vec!["./ask".to_owned()]);
        Step::Call(Box::new(CallSpec { name: "ask".to_owned(), kind, action, timeout: Span::seconds(1), retries: 0 }))
    };
    let test = |on_winner, arms: &[&str]| {
        let arm = |version: &&str| Arm { version: name(version), weight: Weight::ppm(300_000) };
        let goals =
            vec![TestGoal::Counted(Goal { name: "bought".to_owned(), matches: Vec::new(), status: (200, 299), response_header: None })];
        let (duration, until_significant, negligible) = (Some(Span::seconds(60)), true, Weight::ZERO);
        let arms = arms.iter().map(arm).collect();
        Step::AbTest(Box::new(AbTestStep { arms, matches: Vec::new(), goals, duration, until_significant, on_winner, negligible }))
    };
    let experiment = Step::Experiment(ExperimentStep { weight: Weight::ppm(50_000), duration: Span::seconds(30), instances: 1 });
    match index {
        7 => vec![Step::Hold, stable(0), candidate(100)],
        8 => vec![
            candidate(25),
            weight(25),
            stable(75),
            candidate(50),
            weight(50),
            stable(50),
            candidate(75),
            weight(75),
            stable(25),
            candidate(100),
        ],
        9 => vec![stable(75), candidate(25), weight(25), stable(50), candidate(50), weight(50), stable(25), candidate(100)],
        10 => vec![
            call(CallKind::Hook),
            candidate(100),
            call(CallKind::Gate),
            weight(5),
            Step::PointOfNoReturn,
            weight(50),
            Step::Pause(None),
        ],
        11 => vec![test(OnWinner::Promote, &["v2", "v3"]), weight(60)],
        12 => vec![test(OnWinner::Ask, &["v2"])],
        13 => vec![mirror(100), Step::Analysis(Span::seconds(20)), Step::Conclude],
        14 => vec![experiment, weight(50), pause(10)],
        15 => vec![candidate(25), weight(5), pause(20), weight(50), candidate(100), weight(100), pause(20)],
        0 => Vec::new(),
        1 => vec![weight(5), pause(20), weight(50), pause(20)],
        2 => vec![weight(100)],
        3 => vec![Step::Rule(rule("internal", None, Role::Candidate)), mirror(10), pause(20), mirror(0), weight(3), weight(40)],
        4 => vec![weight(2), Step::Pause(None), weight(5), Step::Analysis(Span::seconds(30)), weight(100)],
        5 => vec![weight(1), weight(2), weight(3), weight(4), weight(5), weight(6)],
        _ => vec![mirror(50), weight(5), Step::Rule(rule("internal", None, Role::Candidate)), Step::Pause(None)],
    }
}

/// A key chain, so that the compiled policy is like real ones.
pub(crate) fn key() -> Vec<KeySource> {
    vec![KeySource { cookie: Some("shunt-id".to_owned()), ..KeySource::default() }]
}
