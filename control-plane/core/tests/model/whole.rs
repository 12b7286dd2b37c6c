//! A state, a plan and journal entries in which everything is set, for tests of how they are written.

use std::collections::{BTreeMap, BTreeSet};

use shunt_core::analysis::{Evidence, Outcome, Verdict};
use shunt_core::call::CallSeen;
use shunt_core::capacity::{Capacity, CrashLoop, Exit};
use shunt_core::contest::{Contest, ContestOutcome, Effect, Unit};
use shunt_core::figures::{Counted, Figures, Judged, StepFigures};
use shunt_core::journal::{Entry, Origin};
use shunt_core::observation::{Answers, Delivery, Freeze, LatencyBaseline, Misrouting, Observation, VersionSeen};
use shunt_core::state::{
    Concluded, DefaultRoute, Ending, Former, Installation, Installed, Paused, Previous, Refused, Retiring, Run, Sizes, Stage, State, Warmed,
};
use shunt_core::{Command, Verb};
use shunt_filter_core::policy::{LatencyThresholds, Range};
use shunt_filter_core::{BaselineName, VersionName, Weight};
use shunt_spec::manifest::parse;
use shunt_spec::plan::Backend;
use shunt_spec::rollout::analysis::Templates;
use shunt_spec::{Context, Plan, Time};

fn name(text: &str) -> VersionName {
    text.parse().expect("a version's name")
}

/// Every stage that a run can be at, with every way in which it can end.
pub(crate) fn stages() -> Vec<Stage> {
    let endings = [
        Ending::Refused { reason: "it failed".to_owned() },
        Ending::RolledBack,
        Ending::Superseded,
        Ending::Deleted,
        Ending::Concluded { result: "it looked".to_owned() },
    ];
    let on_the_way = [
        Stage::Preparing,
        Stage::AwaitingPrerequisites { step: 1 },
        Stage::Applying { step: 1 },
        Stage::Holding { step: 1 },
        Stage::Shifting,
        Stage::Switching,
    ];
    let back = endings.into_iter().flat_map(|ending| {
        [Stage::Clearing(ending.clone()), Stage::Restoring(ending.clone()), Stage::Reverting(ending.clone()), Stage::Draining(ending)]
    });
    on_the_way.into_iter().chain(back).collect()
}

/// A state in which nothing is left out.
pub(crate) fn state(stage: Stage, retiring: Retiring) -> State {
    let installed = |backend, stage| Installed { backend, stage };
    let counted = Counted { requests: 912, failed: 3 };
    State {
        revision: 7,
        stable: name("v1"),
        default_route: DefaultRoute::Changing { to: name("v2") },
        installed: BTreeMap::from([
            (name("v0"), installed(Backend::at(vec!["127.0.0.1:9000".to_owned()]), Installation::Leaving { since: Time(5) })),
            (name("v1"), installed(Backend::at(vec!["127.0.0.1:9001".to_owned()]), Installation::Serving)),
            (name("v2"), installed(Backend::Cluster("own".to_owned()), Installation::Installing)),
        ]),
        attempt: 2,
        epoch: 4,
        run: Some(Run {
            candidate: name("v2"),
            started: Time(10),
            ranges: vec![Range { from: 0, to: 50_000, version: name("v2") }],
            weight: Weight::ppm(50_000),
            stage,
            since: Time(20),
            paused: Some(Paused { at: Time(21), reason: "held by ann".to_owned() }),
            passed: Some(3),
            regardless: Some(4),
            returning: true,
            warmed: Warmed::Warming { since: Time(12) },
            held: Some(Time(22)),
            sizes: Sizes { candidate: Weight::ppm(500_000), stable: Weight::ALL },
            baseline: Some(BaselineName::of(&name("v1"))),
            arms: BTreeSet::from([name("v3")]),
            first_step: 1,
            forward_from: Some(name("v0")),
        }),
        previous: Some(Previous { version: name("v0"), until: Time(1_000), size: Weight::ALL }),
        refused: Some(Refused { version: name("v9"), reason: "it failed".to_owned(), at: Time(3) }),
        concluded: Some(Concluded { version: name("v8"), result: "it looked".to_owned(), at: Time(2) }),
        former: vec![Former { version: name("v0"), until: Time(4) }],
        thresholds: Some(LatencyThresholds { p50_us: 1, p90_us: 2, p99_us: 3 }),
        figures: Figures {
            steps: vec![StepFigures {
                revision: 6,
                number: Some(1),
                text: "setWeight 5 %".to_owned(),
                began: Time(10),
                ended: Time(20),
                weight: Weight::ppm(50_000),
                versions: BTreeMap::from([(name("v1"), counted)]),
                verdicts: vec![Judged {
                    metric: "errors".to_owned(),
                    outcome: Outcome::NeedMoreData,
                    value: "3/912 (0.3 %)".to_owned(),
                    baseline: "0/50".to_owned(),
                    samples: 50,
                }],
                exemplars: BTreeMap::new(),
            }],
            earlier: 1,
            versions: BTreeMap::from([(name("v1"), counted)]),
            since: Time(20),
        },
        retiring: Some(retiring),
    }
}

/// An observation in which nothing is left out.
pub(crate) fn observation() -> Observation {
    let crash_loop = CrashLoop { exits: vec![Exit { how: "exit code 3".to_owned(), words: "no database".to_owned() }] };
    Observation {
        now: Time(30),
        policy: Delivery::Waiting { behind: vec!["edge-1".to_owned()] },
        everywhere: Delivery::Rejected { node: "edge-1".to_owned(), error: "no such cluster".to_owned() },
        routes: Delivery::Live { since: Time(25), proxies: 2 },
        misrouting: Misrouting::Growing { since: Time(24) },
        misrouted: 2,
        versions: BTreeMap::from([(
            name("v2"),
            VersionSeen {
                open: 1,
                in_epoch: 50,
                failed_in_epoch: 3,
                total: 60,
                failed: 4,
                astray: 1,
                abandoned: 2,
                answers: Answers::Astray { nodes: vec!["edge-1".to_owned()] },
                ..VersionSeen::default()
            },
        )]),
        verdicts: vec![Verdict {
            metric: "errors".to_owned(),
            outcome: Outcome::NotApplicable,
            value: "3/50 (6.0 %)".to_owned(),
            baseline: "0/912".to_owned(),
            samples: 50,
            threshold: "E at least 400".to_owned(),
            message: "errors: too few".to_owned(),
        }],
        evidence: Evidence::default(),
        capacity: BTreeMap::from([
            (name("v1"), Capacity::Unmanaged),
            (
                name("v2"),
                Capacity::Instances {
                    wanted: 2,
                    ready: 1,
                    running: 2,
                    newest: Time(11),
                    trouble: "exit code 3".to_owned(),
                    crash_loop: Some(crash_loop),
                },
            ),
        ]),
        calls: BTreeMap::from([
            ("2/1/board".to_owned(), CallSeen::Waiting { since: Time(15), tries: 1, note: "busy".to_owned() }),
            ("2/2/migrate".to_owned(), CallSeen::Failed { note: "no".to_owned() }),
        ]),
        contest: Contest {
            outcome: ContestOutcome::NotEnoughData,
            message: "too few users".to_owned(),
            effects: vec![Effect {
                version: name("v2"),
                goal: "purchase".to_owned(),
                value: "57 of 1203 (4.7 %)".to_owned(),
                baseline: "48 of 1190 (4.0 %)".to_owned(),
                unit: Unit::Points,
                difference: 0.5,
                low: -1.5,
                high: 2.5,
            }],
        },
        freeze: Freeze::On { by: "ann".to_owned(), reason: "a fair".to_owned(), since: Time(1) },
        latency_baseline: LatencyBaseline::Known(LatencyThresholds { p50_us: 1, p90_us: 2, p99_us: 3 }),
    }
}

/// The plan of a manifest of `tests/manifest/good` of `shunt-spec`, by its file's name.
pub(crate) fn plan(file: &str) -> Plan {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/tests/manifest/good").join(file);
    let text = std::fs::read_to_string(&path).expect("a manifest");
    let documents = parse(file, &text).expect("a good one");
    let mesh = documents.iter().find_map(|document| document.mesh_policy());
    let rollout = documents.iter().find(|document| document.rollout().is_some()).expect("a Rollout");
    rollout.compile(&Context { mesh, templates: &Templates::of(&documents) }).expect("a plan")
}

/// One journal entry for each stage, with a command and an origin.
pub(crate) fn entries(plan: &Plan) -> Vec<Entry> {
    let verbs = [
        Verb::Promote,
        Verb::PromoteFull,
        Verb::PromoteTo { step: 2 },
        Verb::Pause,
        Verb::Resume,
        Verb::Abort,
        Verb::Retry,
        Verb::RestartFrom { step: 1 },
    ];
    let retiring = [Retiring::EndingRun, Retiring::LeavingPolicy, Retiring::LeavingRoutes, Retiring::Gone];
    let stages = stages().into_iter().zip(verbs.into_iter().cycle()).zip(retiring.into_iter().cycle());
    let entry = |(number, ((stage, verb), retiring)): (u64, ((Stage, Verb), Retiring))| Entry {
        rollout: plan.id.clone(),
        revision: number,
        at: Time(30),
        plan: plan.digest.clone(),
        reason: "it went on".to_owned(),
        command: Some(Command { id: number, verb, revision: 6, by: "ann".to_owned(), reason: "looks good".to_owned(), confirm: true }),
        observation: observation(),
        next: state(stage, retiring),
        origin: Origin::Recovery,
    };
    (1..).zip(stages).map(entry).collect()
}
