//! All that a decision about one Rollout may look at, read at once.

use std::collections::BTreeMap;

use shunt_core::State;
use shunt_core::analysis::{Analyst, Evidence, Judging, Verdict, Warmth, thresholds};
use shunt_core::compared::Compared;
use shunt_core::contest::{Contest, ExternalFigures, contest};
use shunt_core::isolation::{Rejected, Standing};
use shunt_core::observation::{Delivery, Freeze, LatencyBaseline, Observation, VersionSeen};
use shunt_filter_core::report::{Counters, EpochReport};
use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::{Plan, Time};

use crate::platform::Stored;
use crate::policy_publisher::PolicyPublisher;
use crate::proxies::Proxies;

/// The analysts of all runs, in memory: a fresh one judges the epoch so far as one batch.
#[derive(Debug, Default)]
pub(crate) struct Analysts {
    by_rollout: BTreeMap<RolloutId, (u64, Analyst)>,
}

impl Analysts {
    /// Its Rollout is forgotten.
    pub(crate) fn dismiss(&mut self, id: &RolloutId) {
        self.by_rollout.remove(id);
    }

    /// One evaluation of the run, or at the version just promoted while the old one is kept; none when nothing is exposed.
    fn evaluate(&mut self, plan: &Plan, state: &State, evidence: &EpochReport, now: Time) -> (Vec<Verdict>, Evidence) {
        let Some(compared) = Compared::of(state) else { return (Vec::new(), Evidence::default()) };
        let (attempt, analyst) = self.by_rollout.entry(plan.id.clone()).or_default();
        if *attempt != state.attempt {
            (*attempt, *analyst) = (state.attempt, Analyst::default());
        }
        let judging = Judging { metrics: &plan.analysis.metrics, steps: plan.compared_steps(), warmth: Warmth::of(state, now) };
        let verdicts = analyst.evaluate(judging, compared.arms(), evidence);
        (verdicts, analyst.evidence())
    }
}

/// How the A/B test of the run's step stands, while one is on.
fn standing(plan: &Plan, state: &State, evidence: &EpochReport, external: &BTreeMap<String, ExternalFigures>) -> Contest {
    let run = state.run.as_ref().filter(|run| run.is_judged());
    let test = run.and_then(|run| Some((run, plan.test(run.stage.step()?)?)));
    test.map_or_else(Contest::default, |(run, test)| contest(test, &run.ranges, &state.stable, evidence, external))
}

/// How long stable's requests take, as far as they were counted.
fn latency_baseline(stable: Option<&Counters>) -> LatencyBaseline {
    stable.and_then(|counters| thresholds(&counters.latency)).map_or(LatencyBaseline::Unknown, LatencyBaseline::Known)
}

/// How far what this Rollout wants of clusters and routes has come. While it is refused, something else is published in its place,
/// whose proofs are not its own.
fn routes(standing: Standing<'_>, published: Delivery) -> Delivery {
    match standing {
        Standing::Published => published,
        Standing::Aside => {
            Delivery::Waiting { behind: vec!["the control plane, which looks for the Rollout that a proxy refuses,".to_owned()] }
        }
        Standing::Rejected(Rejected { node, kind, error, .. }) => {
            Delivery::Rejected { node: node.clone(), error: format!("{kind}: {error}") }
        }
    }
}

/// Everything about one Rollout, now.
pub(crate) fn observe(
    publisher: &PolicyPublisher,
    proxies: &Proxies,
    analysts: &mut Analysts,
    stored: &Stored,
    freeze: &Freeze,
    external: &BTreeMap<String, ExternalFigures>,
    now: Time,
) -> Observation {
    let (plan, state) = (&stored.plan, &stored.state);
    let reports = proxies.reports();
    let service = reports.service(&plan.id);
    let epoch = reports.epoch(&plan.id, state.epoch);
    // Not `Unknown`: that would mean that no proxy is there to have anything.
    let unpublished = || Delivery::Waiting { behind: vec!["the control plane (not published yet)".to_owned()] };
    let (policy, everywhere, published) = match publisher.aggregator().proofs(&plan.id) {
        Some(proofs) => (proxies.policy(proofs.policy, now), proxies.everywhere(proofs.policy, now), proxies.routes(proofs.routes, now)),
        None => (unpublished(), unpublished(), unpublished()),
    };
    let answers = |version: &VersionName| {
        publisher.aggregator().proofs(&plan.id).map(|proofs| proxies.answers(&plan.id, version, proofs.policy, now)).unwrap_or_default()
    };
    let in_epoch = |counters: &Counters| counters.ended().saturating_sub(counters.uncounted);
    let seen = |(name, counters): (&VersionName, &Counters)| {
        let seen = VersionSeen {
            open: counters.started.saturating_sub(counters.ended()),
            in_epoch: epoch.versions.get(name).map_or(0, in_epoch),
            failed_in_epoch: epoch.versions.get(name).map_or(0, |counters| counters.failed),
            total: in_epoch(counters),
            failed: counters.failed,
            astray: counters.astray,
            abandoned: counters.abandoned,
            exemplars: epoch.exemplars.get(name).cloned().unwrap_or_default(),
            answers: answers(name),
        };
        (name.clone(), seen)
    };
    let (verdicts, evidence) = analysts.evaluate(plan, state, &epoch, now);
    Observation {
        now,
        policy,
        everywhere,
        routes: routes(publisher.standing(&plan.id), published),
        misrouting: reports.misrouting(&plan.id, now),
        misrouted: service.misrouted.saturating_add(service.unrouted),
        versions: service.versions.iter().map(seen).collect(),
        verdicts,
        evidence,
        capacity: BTreeMap::new(),
        calls: BTreeMap::new(),
        contest: standing(plan, state, &epoch, external),
        freeze: freeze.clone(),
        latency_baseline: latency_baseline(service.versions.get(&state.stable)),
    }
}
