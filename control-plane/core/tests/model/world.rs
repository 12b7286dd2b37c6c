//! A modelled world: proxies that take what is published, at once or when the script lets them.

use shunt_core::analysis::{Guard, Metric, Outcome, Verdict};
use shunt_core::command::{Command, Verb};
use shunt_core::desired::{Desired, desired};
use shunt_core::journal::Entry;
use shunt_core::observation::{Delivery, Misrouting, Observation, VersionSeen};
use shunt_core::plan::{AnalysisPlan, Backend, Plan, Routing, Step, Version};
use shunt_core::state::State;
use shunt_core::time::{Span, Time};
use shunt_core::{advance, plan};
use shunt_filter_core::policy::Keyless;
use shunt_filter_core::{RolloutId, VersionName, Weight};
use std::collections::BTreeMap;

/// How the analysis answers while both arms have weight.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judge {
    /// Passes.
    Pass,
    /// Says that the candidate is worse.
    Fail,
    /// Never has enough data.
    More,
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) state: State,
    pub(crate) now: Time,
    pub(crate) judge: Judge,
    /// False: proxies do not take what is published.
    pub(crate) reporting: bool,
    /// False: no proxy is known.
    pub(crate) proxies: bool,
    pub(crate) misrouting_since: Option<Time>,
    pub(crate) open: u64,
    pub(crate) policy_live: Option<Time>,
    pub(crate) routes_live: Option<Time>,
    pub(crate) taken: Option<Desired>,
    pub(crate) pending: Vec<Command>,
    pub(crate) journal: Vec<Entry>,
    pub(crate) answers: Vec<Result<String, String>>,
    commands: u64,
}

pub(crate) fn name(text: &str) -> VersionName {
    text.parse().expect("a version's name")
}

pub(crate) fn version(text: &str) -> Version {
    Version { name: name(text), backend: Backend::Endpoints(vec![format!("127.0.0.1:9{}", &text[1..])]) }
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
        steps,
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
            state,
            now: Time(0),
            judge: Judge::Pass,
            reporting: true,
            proxies: true,
            misrouting_since: None,
            open: 0,
            policy_live: None,
            routes_live: None,
            taken: None,
            pending: Vec::new(),
            journal: Vec::new(),
            answers: Vec::new(),
            commands: 0,
        }
    }

    pub(crate) fn command(&mut self, verb: Verb, revision: u64) {
        self.commands += 1;
        self.pending.push(Command { id: self.commands, verb, revision, by: "ops".to_owned(), reason: String::new() });
    }

    /// What the proxies run, after they took what is desired now (if they do).
    fn deliver(&mut self, wanted: &Desired) {
        if !self.reporting || !self.proxies {
            return;
        }
        let (service, routes) = match &self.taken {
            Some(taken) => (taken.service == wanted.service, taken.routes == wanted.routes),
            None => (false, false),
        };
        if !service || self.policy_live.is_none() {
            self.policy_live = Some(self.now);
        }
        if !routes || self.routes_live.is_none() {
            self.routes_live = Some(self.now);
        }
        self.taken = Some(wanted.clone());
    }

    fn delivery(&self, same: bool, live: Option<Time>) -> Delivery {
        match live {
            _ if !self.proxies => Delivery::Unknown { since: Time(0) },
            Some(since) if same => Delivery::Live { since, proxies: 1 },
            _ => Delivery::Waiting { behind: vec!["edge-1".to_owned()] },
        }
    }

    pub(crate) fn observe(&self, wanted: &Desired) -> Observation {
        let same_service = self.taken.as_ref().is_some_and(|taken| taken.service == wanted.service);
        let same_routes = self.taken.as_ref().is_some_and(|taken| taken.routes == wanted.routes);
        let policy = self.delivery(same_service, self.policy_live);
        let seen = |name: &VersionName| {
            let open = if *name == self.state.stable { 0 } else { self.open };
            (name.clone(), VersionSeen { open, in_epoch: 200, total: 200, failed: 0 })
        };
        Observation {
            now: self.now,
            everywhere: policy.clone(),
            policy,
            routes: self.delivery(same_routes, self.routes_live),
            misrouting: match self.misrouting_since {
                Some(since) => Misrouting::Growing { since },
                None => Misrouting::Quiet { since: Time(0) },
            },
            misrouted: 0,
            versions: self.state.installed.keys().map(seen).collect(),
            verdicts: self.verdicts(),
        }
    }

    fn verdicts(&self) -> Vec<Verdict> {
        let Some(run) = &self.state.run else { return Vec::new() };
        let both = run.weight > Weight::ZERO && run.weight < Weight::ALL && !run.ranges.is_empty();
        let (outcome, message) = match self.judge {
            _ if !both => (Outcome::NotApplicable, "one arm has no weight"),
            Judge::Pass => (Outcome::Pass, "no worse than stable"),
            Judge::Fail => (Outcome::Fail, "v2 failed 5/48 (10.4 %), v1 0/912"),
            Judge::More => (Outcome::NeedMoreData, "errors: needs 52 more requests"),
        };
        vec![Verdict {
            metric: "errors".to_owned(),
            outcome,
            value: String::new(),
            baseline: String::new(),
            samples: 0,
            threshold: String::new(),
            message: message.to_owned(),
        }]
    }

    /// One reconcile: publish, deliver, observe, advance, record; again while something happens. Returns the new entries.
    pub(crate) fn settle(&mut self) -> Vec<Entry> {
        let mut made = Vec::new();
        for _ in 0..50 {
            let wanted = desired(&self.plan, &self.state);
            self.deliver(&wanted);
            let seen = self.observe(&wanted);
            let next = advance(&self.plan, &self.state, &seen, &self.pending);
            self.pending.retain(|command| !next.answered.iter().any(|answer| answer.command == command.id));
            self.answers.extend(next.answered.into_iter().map(|answer| answer.result));
            self.state = next.state;
            let Some(entry) = next.entry else {
                if self.pending.is_empty() {
                    return made;
                } else {
                    continue;
                };
            };
            made.push(entry.clone());
            self.journal.push(entry);
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
