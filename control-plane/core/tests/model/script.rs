//! Scripts of what happens to a modelled world, one line each.

use shunt_core::State;
use shunt_core::call::CallSeen;
use shunt_core::command::Verb;
use shunt_core::contest::{Contest, ContestOutcome};
use shunt_core::journal::Entry;
use shunt_core::observation::{Freeze, LatencyBaseline};
use shunt_filter_core::Weight;
use shunt_filter_core::exemplar::{Answer, Exemplar, ExemplarKind};
use shunt_filter_core::method::Method;
use shunt_filter_core::policy::{Goal, LatencyThresholds};
use shunt_spec::plan::call::{Action, CallKind, CallSpec};
use shunt_spec::plan::metric::{Guard, LatencyTolerance};
use shunt_spec::plan::{
    AbTestStep, Arm, Backend, ExperimentStep, MirrorStep, OnWinner, PlannedRule, Progress, Role, Routing, Scale, Step, Strategy, TestGoal,
    Window, first_weight,
};
use shunt_spec::time::Span;

use crate::world::{Edge, Judge, World, command, metric, name, version};

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
        ["scale", role, percent] => Step::Scale(Scale { role: role_of(role), share: weight(percent) }),
        ["hold"] => Step::Hold,
        ["conclude"] => Step::Conclude,
        ["pointOfNoReturn"] => Step::PointOfNoReturn,
        ["gate", gate] => Step::Call(Box::new(call(gate, CallKind::Gate, Action::Manual))),
        ["webhook", gate] => Step::Call(Box::new(call(gate, CallKind::Gate, Action::Command(vec!["./ask".to_owned()])))),
        ["hook", hook] => Step::Call(Box::new(call(hook, CallKind::Hook, Action::Command(vec!["./migrate".to_owned()])))),
        ["experiment", percent, span, instances] => Step::Experiment(ExperimentStep {
            weight: weight(percent),
            duration: span.parse().expect("a span"),
            instances: instances.parse().expect("a number"),
        }),
        ["abTest", ask, duration, arms @ ..] => Step::AbTest(Box::new(ab_test(ask, duration, arms))),
        _ => panic!("not a step: {text}"),
    }
}

fn role_of(text: &str) -> Role {
    if text == "stable" { Role::Stable } else { Role::Candidate }
}

fn call(name: &str, kind: CallKind, action: Action) -> CallSpec {
    CallSpec { name: name.to_owned(), kind, action, timeout: Span::seconds(10), retries: 3 }
}

/// `promote 1h v2:25 v3:25`; a duration of 0s is none, and a winner ends it.
fn ab_test(ask: &str, duration: &str, arms: &[&str]) -> AbTestStep {
    let duration: Span = duration.parse().expect("a span");
    let arm = |text: &&str| {
        let (version, percent) = text.split_once(':').expect("version:percent");
        Arm { version: name(version), weight: weight(percent) }
    };
    AbTestStep {
        arms: arms.iter().map(arm).collect(),
        matches: Vec::new(),
        goals: vec![TestGoal::Counted(Goal { name: "bought".to_owned(), matches: Vec::new(), status: (200, 299), response_header: None })],
        duration: (duration > Span::default()).then_some(duration),
        until_significant: true,
        on_winner: if ask == "promote" { OnWinner::Promote } else { OnWinner::Ask },
        negligible: Weight::ZERO,
    }
}

fn contest(words: &[&str]) -> Contest {
    let (outcome, message) = match words {
        ["none"] => (ContestOutcome::None, ""),
        ["winner", version] => (ContestOutcome::Winner(name(version)), "bought: 5.1 % of 2000 against 4.0 % of 2000"),
        ["no", "difference"] => (ContestOutcome::NoDifference, "bought: between -0.2 and +0.3 points"),
        ["not", "enough"] => (ContestOutcome::NotEnoughData, "bought: 12 users, needs more"),
        ["source", "error"] => {
            (ContestOutcome::SourceError, "bought: Prometheus could not be asked 5 times in a row, 4 allowed: no answer within 10s")
        }
        ["mismatch"] => (ContestOutcome::SampleRatioMismatch, "v2 has 40.2 % of users, its weight is 50 %"),
        _ => panic!("not a contest: {words:?}"),
    };
    Contest { outcome, message: message.to_owned(), effects: Vec::new() }
}

/// As the manifest is compiled where it does not say it.
fn most_exposed(world: &World) -> Weight {
    let default = match world.plan.progress() {
        Progress::Pass => first_weight(&world.plan.steps),
        Progress::Readiness => Weight::ALL,
    };
    world.max_exposed.unwrap_or(default)
}

/// Does what a line says; what the machine made of it.
pub(crate) fn act(world: &mut World, line: &str) -> Vec<Entry> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        ["steps", ..] => {
            world.plan.steps = line.trim_start_matches("steps").split(';').map(|text| step(text.trim())).collect();
            world.plan.max_exposed = most_exposed(world);
        }
        ["release", version] => world.plan.release = name(version),
        ["versions", rest @ ..] => world.plan.versions = rest.iter().map(|text| version(text)).collect(),
        ["move", moved] => {
            let at = world.plan.versions.iter_mut().find(|v| v.name == name(moved)).expect("a version");
            at.backend = Backend::at(vec!["127.0.0.1:9999".to_owned()]);
        }
        ["wait", span] => return world.pass(span.parse::<Span>().expect("a span")),
        ["proxies", "hang"] => world.edges.iter_mut().for_each(|edge| (edge.takes_policy, edge.takes_routes) = (false, false)),
        ["routes", "hang"] => world.edges.iter_mut().for_each(|edge| edge.takes_routes = false),
        ["proxies", "report"] => world.edges.iter_mut().for_each(|edge| (edge.takes_policy, edge.takes_routes) = (true, true)),
        ["second", "proxy"] => world.edges.push(Edge::new("edge-2".to_owned())),
        ["second", "proxy", "silent"] => world.edges.iter_mut().skip(1).for_each(|edge| edge.silent = true),
        ["second", "proxy", "back"] => world.edges.iter_mut().skip(1).for_each(|edge| edge.silent = false),
        ["proxies", "none"] => world.edges.clear(),
        ["analysis", "passes"] => world.judge = Judge::Pass,
        ["analysis", "fails"] => world.judge = Judge::Fail,
        ["limit", "broken"] => world.judge = Judge::Limit,
        ["analysis", "lacks", "data"] => world.judge = Judge::More,
        ["compare", "latency"] => {
            let latency = metric("latency", Guard::LatencyNoWorseThanStable(LatencyTolerance::USUAL));
            world.plan.analysis.metrics.extend([latency, metric("hanging", Guard::HangingNoWorseThanStable)]);
        }
        ["times", "known"] => {
            world.latency_baseline = LatencyBaseline::Known(LatencyThresholds { p50_us: 3_700, p90_us: 30_000, p99_us: 210_000 });
        }
        // Its process is started anew.
        ["crash", version] => world.crash(&name(version)),
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
        ["instances", count] => {
            let count = count.parse().expect("a number");
            world.plan.versions = world.plan.versions.iter().map(|v| command(v.name.as_str(), count)).collect();
        }
        ["crashing", version] => drop(world.crashing.insert(name(version))),
        ["strategy", strategy] => {
            world.plan.strategy = match *strategy {
                "recreate" => Strategy::Recreate,
                "rollingUpdate" => Strategy::RollingUpdate,
                "blueGreen" => Strategy::BlueGreen,
                _ => panic!("not a strategy: {strategy}"),
            };
            world.plan.held_deadline = (world.plan.strategy == Strategy::Recreate).then_some(Span::seconds(30));
            world.plan.max_exposed = most_exposed(world);
        }
        ["requests", count] => world.requests = count.parse().expect("a number"),
        ["abortOver", span] => world.plan.abort_over = span.parse().expect("a span"),
        ["rollbackWindow", span] => world.plan.rollback_window = span.parse().expect("a span"),
        ["rollbackCall", call_name] => {
            world.plan.rollback_call = Some(call(call_name, CallKind::Rollback, Action::Command(vec!["./ask".to_owned()])));
        }
        ["window", days @ ..] => {
            let days = days.iter().map(|day| day.parse().expect("a day")).collect();
            world.plan.windows = vec![Window { days, from_minute: 0, to_minute: 1440, time_zone: "UTC".to_owned() }];
        }
        ["broken", version] => drop(world.broken.insert(name(version))),
        ["mended", version] => drop(world.broken.remove(&name(version))),
        ["call", call, "yes"] => {
            drop(world.calls.insert((*call).to_owned(), CallSeen::Yes { by: "cab".to_owned(), note: "approved".to_owned() }))
        }
        ["call", call, "no"] => {
            drop(world.calls.insert((*call).to_owned(), CallSeen::No { by: "cab".to_owned(), note: "not today".to_owned() }))
        }
        ["call", call, "fails"] => drop(world.calls.insert((*call).to_owned(), CallSeen::Failed { note: "exit code 3".to_owned() })),
        ["contest", words @ ..] => world.contest = contest(words),
        ["freeze"] => world.freeze = Freeze::On { by: "ops".to_owned(), reason: "peak season".to_owned(), since: world.now },
        ["unfreeze"] => world.freeze = Freeze::Off,
        ["promote", "full"] => world.command(Verb::PromoteFull, world.state.revision),
        ["promote", "to", step] => world.command(Verb::PromoteTo { step: step.parse().expect("a step") }, world.state.revision),
        ["restart", "from", step] => world.command(Verb::RestartFrom { step: step.parse().expect("a step") }, world.state.revision),
        ["misrouted"] => world.misrouting_since = Some(world.now),
        ["failed", version, status, method, path, count] => {
            let answer = Some(Answer::Status(status.parse().expect("a status")));
            let new = Exemplar::new(ExemplarKind::Failed, answer, Method::parse(method.as_bytes()), (*path).to_owned());
            let exemplars = world.exemplars.entry(name(version)).or_default();
            (0..count.parse().expect("a number")).for_each(|_| exemplars.note(new.clone()));
        }
        ["never", "answers", requests] => world.astray = Some(requests.parse().expect("a number")),
        ["answers"] => world.astray = None,
        ["routed"] => world.misrouting_since = None,
        ["open", requests] => world.open = requests.parse().expect("a number"),
        ["flying", requests] => world.stable_open = requests.parse().expect("a number"),
        ["keepOld", span] => world.plan.keep_old = span.parse().expect("a span"),
        ["maxExposed", percent] => {
            world.max_exposed = Some(weight(percent));
            world.plan.max_exposed = most_exposed(world);
        }
        ["manifest", "gone"] => world.plan.gone = true,
        ["manifest", "back"] => world.plan.gone = false,
        ["promote", "confirmed"] => world.confirmed(Verb::Promote),
        ["promote", "full", "confirmed"] => world.confirmed(Verb::PromoteFull),
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
