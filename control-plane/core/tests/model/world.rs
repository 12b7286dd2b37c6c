//! A modelled world: proxies that take what is published, at once or when the script lets them.

#[path = "world/edge.rs"]
mod edge;
#[path = "world/fleet.rs"]
mod fleet;
#[path = "world/judge.rs"]
mod judge;

use std::collections::{BTreeMap, BTreeSet};

use shunt_core::advance;
use shunt_core::call::{Call, CallSeen};
use shunt_core::command::{Command, Verb};
use shunt_core::contest::Contest;
use shunt_core::desired::{Desired, desired};
use shunt_core::journal::Entry;
use shunt_core::observation::{Answers, Delivery, Freeze, LatencyBaseline, Misrouting, Observation, VersionSeen};
use shunt_core::state::State;
use shunt_filter_core::exemplar::Exemplars;
use shunt_filter_core::policy::Keyless;
use shunt_filter_core::{RolloutId, VersionName, Weight};
use shunt_spec::plan::metric::{Guard, Kind, Metric};
use shunt_spec::plan::{AnalysisPlan, Backend, CommandBackend, Plan, Routing, Step, Version};
use shunt_spec::time::{Span, Time};

pub(crate) use edge::Edge;
use fleet::Fleet;
pub(crate) use judge::Judge;

pub(crate) struct World {
    pub(crate) plan: Plan,
    /// Versions whose instances never become ready.
    pub(crate) broken: BTreeSet<VersionName>,
    /// Versions whose instances end as soon as they start, again and again.
    pub(crate) crashing: BTreeSet<VersionName>,
    /// How long an instance takes to become ready, and to go.
    pub(crate) takes: Span,
    fleets: BTreeMap<VersionName, Fleet>,
    /// What came of calls, by name.
    pub(crate) calls: BTreeMap<String, CallSeen>,
    pub(crate) contest: Contest,
    pub(crate) freeze: Freeze,
    pub(crate) latency_baseline: LatencyBaseline,
    pub(crate) state: State,
    pub(crate) now: Time,
    pub(crate) judge: Judge,
    pub(crate) edges: Vec<Edge>,
    pub(crate) misrouting_since: Option<Time>,
    /// Requests decided for the candidate that others answered, while it never did; none: it answers.
    pub(crate) astray: Option<u64>,
    /// Requests in flight at versions that are not stable, and at stable.
    pub(crate) open: u64,
    pub(crate) stable_open: u64,
    pub(crate) pending: Vec<Command>,
    pub(crate) journal: Vec<Entry>,
    pub(crate) answers: Vec<Result<String, String>>,
    /// Examples of what failed, by version.
    pub(crate) exemplars: BTreeMap<VersionName, Exemplars>,
    /// What the manifest says itself.
    pub(crate) max_exposed: Option<Weight>,
    /// Requests of the candidate in each epoch, each by a user of its own.
    pub(crate) requests: u64,
    commands: u64,
    /// As recorded before the first entry.
    pub(crate) first: State,
    /// Every plan there was, by digest.
    pub(crate) plans: BTreeMap<String, Plan>,
}

pub(crate) fn name(text: &str) -> VersionName {
    text.parse().expect("a version's name")
}

pub(crate) fn version(text: &str) -> Version {
    let port: String = text.chars().filter(char::is_ascii_digit).collect();
    Version { name: name(text), backend: Backend::at(vec![format!("127.0.0.1:9{port}")]) }
}

/// The same with instances that are ours.
pub(crate) fn command(text: &str, instances: u32) -> Version {
    let backend = CommandBackend {
        command: vec![format!("./{text}")],
        instances,
        port_env: "PORT".to_owned(),
        env: BTreeMap::new(),
        work_dir: None,
        probe: None,
        min_ready: Span::default(),
        termination_grace: Span::seconds(10),
    };
    Version { name: name(text), backend: Backend::Command(Box::new(backend)) }
}

/// With a warm-up of ten seconds where it compares latency.
pub(crate) fn metric(name: &str, guard: Guard) -> Metric {
    let warm_up = if guard.compares() == Some(Kind::Latency) { Span::seconds(10) } else { Span::default() };
    Metric { name: name.to_owned(), guard, min_samples: 100, warm_up }
}

pub(crate) fn plan(steps: Vec<Step>) -> Plan {
    Plan {
        id: RolloutId::new("shop", "checkout").expect("names"),
        digest: "digest".to_owned(),
        hosts: vec!["shop.test".to_owned()],
        port: None,
        routing: Routing::Managed,
        versions: vec![version("v1"), version("v2"), version("v3")],
        release: name("v1"),
        key: Vec::new(),
        keyless: Keyless::Stable,
        rules: Vec::new(),
        strategy: shunt_spec::plan::Strategy::Canary,
        steps,
        abort_over: Span::default(),
        rollback_window: Span::default(),
        windows: Vec::new(),
        rollback_call: None,
        hooks: Vec::new(),
        notifications: Vec::new(),
        analysis: AnalysisPlan { metrics: vec![metric("errors", Guard::ErrorsNoWorseThanStable)], external_metrics: Vec::new() },
        max_exposed: Weight::ALL,
        keep_old: Span::default(),
        progress_deadline: Span::seconds(600),
        held_deadline: None,
        drain_deadline: Span::seconds(30),
        fallback_deadline: Span::seconds(60),
        health: None,
        timeout: None,
        timeouts: Default::default(),
        gone: false,
        protocol: shunt_spec::plan::Protocol::Http1,
        sources: BTreeMap::new(),
    }
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let state = State::initial(&plan);
        Self {
            plan,
            broken: BTreeSet::new(),
            crashing: BTreeSet::new(),
            takes: Span::seconds(2),
            fleets: BTreeMap::new(),
            calls: BTreeMap::new(),
            contest: Contest::default(),
            freeze: Freeze::Off,
            latency_baseline: LatencyBaseline::Unknown,
            first: state.clone(),
            state,
            now: Time(0),
            judge: Judge::Pass,
            edges: vec![Edge::new("edge-1".to_owned())],
            misrouting_since: None,
            astray: None,
            open: 0,
            stable_open: 0,
            pending: Vec::new(),
            journal: Vec::new(),
            answers: Vec::new(),
            exemplars: BTreeMap::new(),
            max_exposed: None,
            requests: 200,
            commands: 0,
            plans: BTreeMap::new(),
        }
    }

    pub(crate) fn command(&mut self, verb: Verb, revision: u64) {
        self.commands += 1;
        self.pending.push(Command { id: self.commands, verb, revision, by: "ops".to_owned(), reason: String::new(), confirm: false });
    }

    /// As [`Self::command`], by an author who knows what the A/B test says.
    pub(crate) fn confirmed(&mut self, verb: Verb) {
        self.command(verb, self.state.revision);
        self.pending.iter_mut().for_each(|command| command.confirm = true);
    }

    fn delivery<'w>(&'w self, among: impl Fn(&&'w Edge) -> bool, reached: impl Fn(&'w Edge) -> Option<Time>) -> Delivery {
        let edges: Vec<&Edge> = self.edges.iter().filter(among).collect();
        let behind: Vec<String> = edges.iter().filter(|edge| reached(edge).is_none()).map(|edge| edge.name.clone()).collect();
        match edges.iter().filter_map(|edge| reached(edge)).max() {
            _ if !behind.is_empty() => Delivery::Waiting { behind },
            Some(since) => Delivery::Live { since, proxies: u32::try_from(edges.len()).expect("few") },
            None => Delivery::Unknown { since: Time(0) },
        }
    }

    pub(crate) fn observe(&self, wanted: &Desired) -> Observation {
        let policy = self.delivery(|edge| !edge.silent, |edge| edge.has_service(wanted));
        let seen = |name: &VersionName| {
            let open = if *name == self.state.stable { self.stable_open } else { self.open };
            let astray = self.astray.filter(|_| self.state.run.as_ref().is_some_and(|run| run.candidate == *name));
            let requests = if *name == self.state.stable { 200 } else { self.requests };
            let answers = match (astray, requests) {
                (Some(_), _) => Answers::Astray { nodes: vec!["edge-1".to_owned()] },
                (None, 0) => Answers::Nothing,
                (None, _) => Answers::Right,
            };
            let astray = astray.unwrap_or_default();
            let exemplars = self.exemplars.get(name).cloned().unwrap_or_default();
            (name.clone(), VersionSeen { open, in_epoch: requests, total: requests, astray, exemplars, answers, ..VersionSeen::default() })
        };
        Observation {
            now: self.now,
            everywhere: self.delivery(|_| true, |edge| edge.has_service(wanted)),
            policy,
            routes: match wanted.routes {
                None => Delivery::Live { since: Time(0), proxies: 0 },
                Some(_) => self.delivery(|edge| !edge.silent, |edge| edge.has_routes(wanted)),
            },
            misrouting: match self.misrouting_since {
                Some(since) => Misrouting::Growing { since },
                None => Misrouting::Quiet { since: Time(0) },
            },
            misrouted: 0,
            versions: self.state.installed.keys().map(seen).collect(),
            verdicts: self.verdicts(),
            evidence: self.evidence(),
            capacity: self.capacity(wanted),
            calls: self.seen_calls(wanted),
            contest: self.contest(),
            freeze: self.freeze.clone(),
            latency_baseline: self.latency_baseline.clone(),
        }
    }

    fn seen_calls(&self, wanted: &Desired) -> BTreeMap<String, CallSeen> {
        let waiting = CallSeen::Waiting { since: Time(0), tries: 0, note: String::new() };
        let answer = |call: &Call| self.calls.get(&call.spec.name).cloned().unwrap_or_else(|| waiting.clone());
        wanted.calls.iter().map(|call| (call.id.clone(), answer(call))).collect()
    }

    /// While a test is on.
    fn contest(&self) -> Contest {
        let step = self.state.run.as_ref().and_then(|run| run.stage.step());
        let on = step.and_then(|step| self.plan.steps.get(step)).is_some_and(|step| matches!(step, Step::AbTest(_)));
        if on { self.contest.clone() } else { Contest::default() }
    }

    /// Gives the plan its digest, the same for the same specification.
    pub(crate) fn register(&mut self) {
        if self.plans.get(&self.plan.digest) == Some(&Plan { gone: false, ..self.plan.clone() }) {
            return;
        }
        let bare = Plan { digest: String::new(), gone: false, ..self.plan.clone() };
        let known = self.plans.iter().find(|(_, plan)| Plan { digest: String::new(), gone: false, ..(*plan).clone() } == bare);
        self.plan.digest = known.map_or_else(|| format!("plan-{}", self.plans.len()), |(digest, _)| digest.clone());
        self.plans.entry(self.plan.digest.clone()).or_insert_with(|| Plan { gone: false, ..self.plan.clone() });
    }

    /// One reconcile: publish, deliver, observe, advance, record. Returns what was there before and the new entry.
    pub(crate) fn reconcile(&mut self) -> Option<(State, Entry)> {
        let wanted = desired(&self.plan, &self.state);
        let now = self.now;
        self.edges.iter_mut().for_each(|edge| edge.take(&wanted, now));
        self.run_instances(&wanted);
        let seen = self.observe(&wanted);
        let next = advance(&self.plan, &self.state, &seen, &self.pending);
        self.pending.retain(|command| !next.answered.iter().any(|answer| answer.command == command.id));
        self.answers.extend(next.answered.into_iter().map(|answer| answer.result.map_err(|refused| refused.to_string())));
        let before = std::mem::replace(&mut self.state, next.state);
        let entry = next.entry?;
        self.journal.push(entry.clone());
        Some((before, entry))
    }

    /// Reconciles while something happens. Returns the new entries.
    pub(crate) fn settle(&mut self) -> Vec<Entry> {
        self.register();
        let mut made = Vec::new();
        for _ in 0..50 {
            match self.reconcile() {
                Some((_, entry)) => made.push(entry),
                None if self.pending.is_empty() => return made,
                None => {}
            }
        }
        panic!("the state machine does not come to rest: {:?}", self.journal.iter().rev().take(6).map(|e| &e.reason).collect::<Vec<_>>());
    }

    /// Lets time pass second by second.
    pub(crate) fn pass(&mut self, span: Span) -> Vec<Entry> {
        let mut made = Vec::new();
        let until = self.now.after(span);
        while self.now < until {
            self.now = self.now.after(Span::millis(1_000)).min(until);
            made.extend(self.settle());
        }
        made
    }
}
