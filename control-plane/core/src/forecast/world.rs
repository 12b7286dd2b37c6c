//! The modelled world: what is published is in force at once, requests come at an even rate, no version
//! fails more often than always.

use std::collections::BTreeMap;

use shunt_filter_core::policy::{Flag, LatencyThresholds};
use shunt_filter_core::report::{Counters, EpochReport, LATENCY_BUCKETS, LatencySlots, Slots};
use shunt_filter_core::{ServicePolicy, VersionName, Weight, split};
use shunt_spec::plan::Plan;
use shunt_spec::plan::call::{Action, CallKind};
use shunt_spec::plan::external_metrics::Reading;
use shunt_spec::time::{Span, Time};

use super::PATIENCE;
use super::population::{Dice, Traffic, User, came, population};
use crate::analysis::external_metrics::{self, History, Measurement, Scope, Subject};
use crate::analysis::{Analyst, Judging, Verdict, Warmth};
use crate::call::{Call, CallSeen};
use crate::capacity::Capacity;
use crate::compared::Compared;
use crate::contest::{Contest, Sample, alike};
use crate::desired::{Desired, Routes};
use crate::observation::{Delivery, Freeze, LatencyBaseline, Misrouting, Observation, VersionSeen};
use crate::state::{Installed, State};

/// Proxies of the model.
const PROXIES: u32 = 1;

/// The world as the machine sees it.
#[derive(Debug, Clone)]
pub(super) struct World {
    traffic: Traffic,
    population: Vec<User>,
    service: (Option<ServicePolicy>, Time),
    flag: Option<Flag>,
    routes: (Option<Routes>, Time),
    /// Instances by version: asked for, and since when.
    scale: BTreeMap<VersionName, (u32, Time)>,
    /// Calls that are wanted, by id, and since when.
    calls: BTreeMap<String, (Call, Time)>,
    /// The epoch, and since when.
    epoch: (u64, Time),
    /// When slots are seen first, the last one first, and those that were.
    arrivals: Vec<(f64, u16)>,
    seen: Slots,
    attempt: u64,
    analyst: Analyst,
    /// What external sources said so far, by metric and scope.
    histories: BTreeMap<(String, Scope), History>,
    /// How often each metric was measured, over all scopes.
    pub(super) measurements: BTreeMap<String, u32>,
}

impl World {
    pub(super) fn new(traffic: Traffic) -> Self {
        Self {
            traffic,
            population: population(&traffic),
            service: (None, Time(0)),
            flag: None,
            routes: (None, Time(0)),
            scale: BTreeMap::new(),
            calls: BTreeMap::new(),
            epoch: (0, Time(0)),
            arrivals: Vec::new(),
            seen: Slots::default(),
            attempt: 0,
            analyst: Analyst::default(),
            histories: BTreeMap::new(),
            measurements: BTreeMap::new(),
        }
    }

    /// What is wanted is published, and in force at once.
    pub(super) fn take(&mut self, wanted: &Desired, state: &State, now: Time) {
        if self.service.0 != wanted.service || self.flag != wanted.flag {
            self.service = (wanted.service.clone(), now);
            self.flag = wanted.flag.clone();
        }
        if self.routes.0 != wanted.routes {
            self.routes = (wanted.routes.clone(), now);
        }
        for (name, wanted) in &wanted.scale {
            let known = self.scale.entry(name.clone()).or_insert((*wanted, now));
            if known.0 != *wanted {
                // What remains is not new.
                let since = if *wanted > known.0 { now } else { known.1 };
                *known = (*wanted, since);
            }
        }
        let calls = wanted.calls.iter().map(|call| {
            let since = self.calls.get(&call.id).map_or(now, |(_, since)| *since);
            (call.id.clone(), (call.clone(), since))
        });
        self.calls = calls.collect();
        if self.epoch.0 != state.epoch {
            self.epoch = (state.epoch, now);
            let split = wanted.service.as_ref().map(|service| &service.split).or(wanted.flag.as_ref().map(|flag| &flag.split));
            self.arrivals = split.map(|split| self.arrivals(&split.salt)).unwrap_or_default();
            self.seen = Slots::default();
        }
        if self.attempt != state.attempt {
            (self.attempt, self.analyst) = (state.attempt, Analyst::default());
        }
    }

    /// When users come first, by seconds since now, the last one first.
    fn arrivals(&self, salt: &str) -> Vec<(f64, u16)> {
        let seed = split::seed(salt);
        let arrival = |user: &User| {
            let hash = split::hash(&user.identity.to_le_bytes(), seed);
            (Dice::new(hash).first(user.rate), split::slot(split::point(hash)))
        };
        let mut arrivals: Vec<(f64, u16)> = self.population.iter().map(arrival).collect();
        arrivals.sort_by(|a, b| b.0.total_cmp(&a.0));
        arrivals
    }

    /// Seconds of the epoch so far.
    fn seconds(&self, now: Time) -> f64 {
        now.since(self.epoch.1).0 as f64 / 1_000.0
    }

    /// Requests of a share of the keys in this epoch so far.
    pub(super) fn requests(&self, weight: Weight, now: Time) -> u64 {
        (self.traffic.rate * self.seconds(now) * weight.as_percent() / 100.0) as u64
    }

    pub(super) fn observe(&mut self, plan: &Plan, state: &State, now: Time) -> Observation {
        let live = |since: Time| Delivery::Live { since, proxies: PROXIES };
        let verdicts = self.all_verdicts(plan, state, now);
        Observation {
            now,
            policy: live(self.service.1),
            everywhere: live(self.service.1),
            routes: live(self.routes.1),
            misrouting: Misrouting::Quiet { since: Time(0) },
            misrouted: 0,
            versions: self.versions(state, now),
            verdicts,
            evidence: Compared::of(state).map(|_| self.analyst.evidence()).unwrap_or_default(),
            capacity: self.capacity(state, now),
            calls: self.calls.values().map(|(call, since)| (call.id.clone(), answer(call, *since, now))).collect(),
            contest: self.contest(plan, state, now),
            freeze: Freeze::Off,
            latency_baseline: LatencyBaseline::Known(LatencyThresholds { p50_us: 20_000, p90_us: 50_000, p99_us: 200_000 }),
        }
    }

    /// No arm is better than others, and everybody takes part.
    fn contest(&self, plan: &Plan, state: &State, now: Time) -> Contest {
        let test = state.run.as_ref().filter(|run| run.is_judged()).and_then(|run| Some((run, plan.test(run.stage.step()?)?)));
        test.map_or_else(Contest::default, |(run, test)| alike(test, &run.ranges, &state.stable, self.sample(now)))
    }

    /// Who came in this epoch.
    pub(super) fn sample(&self, now: Time) -> Sample {
        Sample { users: came(&self.population, &self.traffic, self.seconds(now)), rate: self.traffic.goals }
    }

    /// Instances are ready as soon as they may count as ready, and gone at once.
    fn capacity(&self, state: &State, now: Time) -> BTreeMap<VersionName, Capacity> {
        let capacity = |(name, installed): (&VersionName, &Installed)| {
            let Some(min_ready) = installed.backend.min_ready() else { return (name.clone(), Capacity::Unmanaged) };
            let (wanted, since) = self.scale.get(name).copied().unwrap_or((0, now));
            let ready = if now.since(since) >= min_ready { wanted } else { 0 };
            // They are as new as the size that is asked for.
            let newest = if ready > 0 { since } else { Time(0) };
            (name.clone(), Capacity::Instances { wanted, ready, running: wanted, newest, trouble: String::new(), crash_loop: None })
        };
        state.installed.iter().map(capacity).collect()
    }

    fn versions(&self, state: &State, now: Time) -> BTreeMap<VersionName, VersionSeen> {
        let seen = |name: &VersionName| {
            let requests = self.requests(share(state, name), now);
            let failed = (requests as f64 * self.traffic.errors) as u64;
            (name.clone(), VersionSeen { in_epoch: requests, failed_in_epoch: failed, total: requests, failed, ..VersionSeen::default() })
        };
        state.installed.keys().map(seen).collect()
    }

    fn all_verdicts(&mut self, plan: &Plan, state: &State, now: Time) -> Vec<Verdict> {
        let mut verdicts = self.verdicts(plan, state, now);
        self.measure(plan, state, now);
        if Subject::of(state).is_some() {
            verdicts
                .extend(external_metrics::verdicts(plan, state, now, |metric, scope| self.histories.get(&(metric.name.clone(), scope))));
        }
        verdicts
    }

    /// Every source answers, and all it says is good.
    fn measure(&mut self, plan: &Plan, state: &State, now: Time) {
        for metric in &plan.analysis.external_metrics {
            let Ok(scope) = external_metrics::scope(metric, plan, state) else { continue };
            let history = self.histories.entry((metric.name.clone(), scope)).or_insert_with(|| History::new(now));
            let mut at = history.latest().map_or(history.began.after(metric.initial_delay), |latest| latest.at.after(metric.interval));
            while at <= now && external_metrics::due(metric, history, at) {
                let (value, baseline) = ("good".to_owned(), String::new());
                history.take(Measurement { at, epoch: state.epoch, reading: Reading::Success, value, baseline });
                let made = self.measurements.entry(metric.name.clone()).or_default();
                *made = made.saturating_add(1);
                at = at.after(metric.interval);
            }
        }
    }

    /// As the platform judges: while the candidate is exposed, and while the old version is kept.
    fn verdicts(&mut self, plan: &Plan, state: &State, now: Time) -> Vec<Verdict> {
        let Some(compared) = Compared::of(state) else { return Vec::new() };
        let arms = compared.arms();
        self.arrive(now);
        let evidence = EpochReport {
            epoch: state.epoch,
            versions: [arms.candidate, arms.stable].map(|name| (name.clone(), self.counters(share(state, name), now))).into(),
            seen: self.seen.clone(),
            // No failure stands out, and no version is slow: the candidate is as good as stable.
            failed: Slots::default(),
            latency: self.timed().then(|| LatencySlots { seen: self.seen.clone(), ..LatencySlots::default() }),
            ..EpochReport::default()
        };
        let judging = Judging { metrics: &plan.analysis.metrics, steps: plan.compared_steps(), warmth: Warmth::of(state, now) };
        self.analyst.evaluate(judging, arms, &evidence)
    }

    /// Whether proxies are told what is slow.
    fn timed(&self) -> bool {
        let of_flag = self.flag.as_ref().and_then(|flag| flag.latency.as_ref());
        self.service.0.as_ref().and_then(|service| service.latency.as_ref()).or(of_flag).is_some()
    }

    fn arrive(&mut self, now: Time) {
        let seconds = self.seconds(now);
        while let Some((_, slot)) = self.arrivals.pop_if(|(first, _)| *first <= seconds) {
            self.seen.insert(slot);
        }
    }

    fn counters(&self, weight: Weight, now: Time) -> Counters {
        let requests = self.requests(weight, now);
        counters(requests, (requests as f64 * self.traffic.errors) as u64)
    }
}

/// Requests of which so many failed, all of them fast.
pub(super) fn counters(requests: u64, failed: u64) -> Counters {
    let mut latency = vec![0; LATENCY_BUCKETS];
    if let Some(fastest) = latency.first_mut() {
        *fastest = requests;
    }
    Counters { started: requests, succeeded: requests.saturating_sub(failed), failed, latency, ..Counters::default() }
}

/// Machines say yes at once, people after a while; no rollback gate asks for the way back.
fn answer(call: &Call, since: Time, now: Time) -> CallSeen {
    let patience = match call.spec.action {
        Action::Manual => PATIENCE,
        Action::Webhook(_) | Action::Command(_) => Span::default(),
    };
    match call.spec.kind {
        CallKind::Gate | CallKind::Hook if now.since(since) >= patience => {
            CallSeen::Yes { by: "the model".to_owned(), note: String::new() }
        }
        CallKind::Gate | CallKind::Hook | CallKind::Rollback => CallSeen::Waiting { since, tries: 1, note: String::new() },
    }
}

/// The share of keys of a version.
fn share(state: &State, name: &VersionName) -> Weight {
    let ranges = state.run.iter().flat_map(|run| &run.ranges);
    let points = |named: bool| {
        let own = ranges.clone().filter(|range| (range.version == *name) == named);
        own.map(|range| range.to.saturating_sub(range.from)).fold(0, u32::saturating_add)
    };
    let rest = if *name == state.stable { Weight::ALL.points().saturating_sub(points(false)).saturating_sub(points(true)) } else { 0 };
    Weight::ppm(points(true).saturating_add(rest))
}
