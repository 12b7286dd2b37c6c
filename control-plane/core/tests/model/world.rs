//! A modelled world: proxies that take what is published, at once or when the script lets them.

use std::collections::BTreeMap;

use shunt_core::advance;
use shunt_core::analysis::{Guard, Metric, Outcome, Verdict};
use shunt_core::command::{Command, Verb};
use shunt_core::desired::{Desired, Routes, desired};
use shunt_core::journal::Entry;
use shunt_core::observation::{Delivery, Misrouting, Observation, VersionSeen};
use shunt_core::plan::{AnalysisPlan, Backend, Plan, Routing, Step, Version};
use shunt_core::state::{Stage, State};
use shunt_core::time::{Span, Time};
use shunt_filter_core::policy::Keyless;
use shunt_filter_core::{RolloutId, ServicePolicy, VersionName, Weight};

/// How the analysis answers while both arms have weight.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judge {
    /// Passes.
    Pass,
    /// Says that the candidate is worse.
    Fail,
    /// A fixed limit is broken wherever the candidate answers, also alone.
    Limit,
    /// Never has enough data.
    More,
}

/// A proxy: what it runs, since when, and what of it keeps up with what is published.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) name: String,
    pub(crate) takes_policy: bool,
    pub(crate) takes_routes: bool,
    service: Option<(Option<ServicePolicy>, Time)>,
    routes: Option<(Option<Routes>, Time)>,
}

impl Edge {
    pub(crate) fn new(name: String) -> Self {
        Self { name, takes_policy: true, takes_routes: true, service: None, routes: None }
    }

    fn take(&mut self, wanted: &Desired, now: Time) {
        if self.takes_policy && self.service.as_ref().is_none_or(|(service, _)| *service != wanted.service) {
            self.service = Some((wanted.service.clone(), now));
        }
        if self.takes_routes && self.routes.as_ref().is_none_or(|(routes, _)| *routes != wanted.routes) {
            self.routes = Some((wanted.routes.clone(), now));
        }
    }

    fn has_service(&self, wanted: &Desired) -> Option<Time> {
        self.service.as_ref().filter(|(service, _)| *service == wanted.service).map(|(_, at)| *at)
    }

    fn has_routes(&self, wanted: &Desired) -> Option<Time> {
        self.routes.as_ref().filter(|(routes, _)| *routes == wanted.routes).map(|(_, at)| *at)
    }
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) state: State,
    pub(crate) now: Time,
    pub(crate) judge: Judge,
    pub(crate) edges: Vec<Edge>,
    pub(crate) misrouting_since: Option<Time>,
    pub(crate) open: u64,
    pub(crate) pending: Vec<Command>,
    pub(crate) journal: Vec<Entry>,
    pub(crate) answers: Vec<Result<String, String>>,
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
    Version { name: name(text), backend: Backend::Endpoints(vec![format!("127.0.0.1:9{}", text.trim_start_matches('v'))]) }
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
        strategy: shunt_core::plan::Strategy::Canary,
        steps,
        abort_over: Span::default(),
        rollback_window: Span::default(),
        windows: Vec::new(),
        rollback_call: None,
        hooks: Vec::new(),
        notifications: Vec::new(),
        analysis: AnalysisPlan {
            metrics: vec![Metric { name: "errors".to_owned(), guard: Guard::ErrorsNoWorseThanStable, min_samples: 100 }],
        },
        max_exposed: Weight::ALL,
        keep_old: Span::default(),
        progress_deadline: Span::seconds(600),
        drain_deadline: Span::seconds(30),
        fallback_deadline: Span::seconds(60),
        health: None,
        timeout: None,
        gone: false,
        protocol: shunt_core::plan::Protocol::Http1,
        sources: BTreeMap::new(),
    }
}

impl World {
    pub(crate) fn new(plan: Plan) -> Self {
        let state = State::initial(&plan);
        Self {
            plan,
            first: state.clone(),
            state,
            now: Time(0),
            judge: Judge::Pass,
            edges: vec![Edge::new("edge-1".to_owned())],
            misrouting_since: None,
            open: 0,
            pending: Vec::new(),
            journal: Vec::new(),
            answers: Vec::new(),
            commands: 0,
            plans: BTreeMap::new(),
        }
    }

    pub(crate) fn command(&mut self, verb: Verb, revision: u64) {
        self.commands += 1;
        self.pending.push(Command { id: self.commands, verb, revision, by: "ops".to_owned(), reason: String::new() });
    }

    fn delivery(&self, reached: impl Fn(&Edge) -> Option<Time>) -> Delivery {
        let behind: Vec<String> = self.edges.iter().filter(|edge| reached(edge).is_none()).map(|edge| edge.name.clone()).collect();
        match self.edges.iter().filter_map(&reached).max() {
            _ if !behind.is_empty() => Delivery::Waiting { behind },
            Some(since) => Delivery::Live { since, proxies: u32::try_from(self.edges.len()).expect("few") },
            None => Delivery::Unknown { since: Time(0) },
        }
    }

    pub(crate) fn observe(&self, wanted: &Desired) -> Observation {
        let policy = self.delivery(|edge| edge.has_service(wanted));
        let seen = |name: &VersionName| {
            let open = if *name == self.state.stable { 0 } else { self.open };
            (name.clone(), VersionSeen { open, in_epoch: 200, total: 200, failed: 0 })
        };
        Observation {
            now: self.now,
            everywhere: policy.clone(),
            policy,
            routes: match wanted.routes {
                None => Delivery::Live { since: Time(0), proxies: 0 },
                Some(_) => self.delivery(|edge| edge.has_routes(wanted)),
            },
            misrouting: match self.misrouting_since {
                Some(since) => Misrouting::Growing { since },
                None => Misrouting::Quiet { since: Time(0) },
            },
            misrouted: 0,
            versions: self.state.installed.keys().map(seen).collect(),
            verdicts: self.verdicts(),
            capacity: BTreeMap::new(),
            calls: BTreeMap::new(),
            contest: shunt_core::contest::Contest::default(),
            freeze: shunt_core::observation::Freeze::Off,
            typical: shunt_core::observation::Typical::Unknown,
        }
    }

    /// As the platform does it: while the candidate is exposed, and while the old version is kept.
    fn verdicts(&self) -> Vec<Verdict> {
        let (candidate, both) = match (&self.state.run, &self.state.previous) {
            (Some(run), _) if matches!(run.stage, Stage::Preparing | Stage::Reverting(_) | Stage::Draining(_)) => return Vec::new(),
            (Some(run), _) => (&run.candidate, run.weight > Weight::ZERO && run.weight < Weight::ALL),
            (None, Some(_)) => (&self.state.stable, false),
            (None, None) => return Vec::new(),
        };
        let (outcome, message) = match self.judge {
            Judge::Limit => (Outcome::Fail, format!("{candidate} failed 30/100 (30 %): below 99 % success")),
            _ if !both => (Outcome::NotApplicable, "one arm has no weight".to_owned()),
            Judge::Pass => (Outcome::Pass, "no worse than stable".to_owned()),
            Judge::Fail => (Outcome::Fail, format!("{candidate} failed 5/48 (10.4 %), {} 0/912", self.state.stable)),
            Judge::More => (Outcome::NeedMoreData, "errors: needs 52 more requests".to_owned()),
        };
        vec![Verdict {
            metric: "errors".to_owned(),
            outcome,
            value: String::new(),
            baseline: String::new(),
            samples: 0,
            threshold: String::new(),
            message,
        }]
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
        let seen = self.observe(&wanted);
        let next = advance(&self.plan, &self.state, &seen, &self.pending);
        self.pending.retain(|command| !next.answered.iter().any(|answer| answer.command == command.id));
        self.answers.extend(next.answered.into_iter().map(|answer| answer.result));
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
