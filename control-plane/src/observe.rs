//! All that a decision about one Rollout may look at, read at once.

use std::collections::BTreeMap;

use shunt_core::analysis::{Analyst, Arms, Verdict, thresholds};
use shunt_core::contest::{Contest, Told, contest};
use shunt_core::observation::{Delivery, Freeze, Observation, Typical, VersionSeen};
use shunt_core::ranges::reshape;
use shunt_core::state::Run;
use shunt_core::{Plan, State, Time};
use shunt_filter_core::policy::Range;
use shunt_filter_core::report::{Counters, EpochReport};
use shunt_filter_core::weight::POINTS;
use shunt_filter_core::{RolloutId, VersionName, Weight};

use crate::board::Board;
use crate::proxies::Proxies;
use crate::standalone::Stored;

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

    /// One look at the run, or at the version just promoted while the old one is kept; none when nothing is exposed.
    fn look(&mut self, plan: &Plan, state: &State, evidence: &EpochReport) -> Vec<Verdict> {
        let everybody = [Range { from: 0, to: POINTS, version: state.stable.clone() }];
        let beside = state.run.as_ref().map(|run| beside_baseline(state, run)).unwrap_or_default();
        let arms = match (&state.run, &state.previous) {
            (Some(run), _) if run.stage.exposes() && !beside.is_empty() => {
                let baseline = run.baseline.as_ref().unwrap_or(&state.stable);
                Arms { candidate: &run.candidate, stable: baseline, ranges: &beside }
            }
            (Some(run), _) if run.stage.exposes() => Arms { candidate: &run.candidate, stable: &state.stable, ranges: &run.ranges },
            (None, Some(previous)) => Arms { candidate: &state.stable, stable: &previous.version, ranges: &everybody },
            _ => return Vec::new(),
        };
        let (attempt, analyst) = self.by_rollout.entry(plan.id.clone()).or_default();
        if *attempt != state.attempt {
            (*attempt, *analyst) = (state.attempt, Analyst::default());
        }
        analyst.look(&plan.analysis.metrics, plan.compared_steps(), arms, evidence)
    }
}

/// With an experiment's baseline: everything that the two do not have is stable's by name, so that nobody else counts as the baseline's.
fn beside_baseline(state: &State, run: &Run) -> Vec<Range> {
    let Some(baseline) = run.baseline.as_ref().filter(|baseline| run.ranges.iter().any(|range| range.version == **baseline)) else {
        return Vec::new();
    };
    let weight = |version: &VersionName| {
        let own = run.ranges.iter().filter(|range| range.version == *version);
        Weight::ppm(own.fold(0, |sum, range| sum + range.to.saturating_sub(range.from)))
    };
    let (candidate, other) = (weight(&run.candidate), weight(baseline));
    let rest = Weight::ppm(POINTS.saturating_sub(candidate.points()).saturating_sub(other.points()));
    reshape(&run.ranges, &[(run.candidate.clone(), candidate), (baseline.clone(), other), (state.stable.clone(), rest)])
}

/// How the A/B test of the run's step stands, while one is on.
fn standing(plan: &Plan, state: &State, evidence: &EpochReport, told: &BTreeMap<String, Told>) -> Contest {
    let run = state.run.as_ref().filter(|run| run.stage.exposes());
    let test = run.and_then(|run| Some((run, plan.test(run.stage.step()?)?)));
    test.map_or_else(Contest::default, |(run, test)| contest(test, &run.ranges, &state.stable, evidence, told))
}

/// How long stable's requests take, as far as they were counted.
fn typical(stable: Option<&Counters>) -> Typical {
    stable.and_then(|counters| thresholds(&counters.latency)).map_or(Typical::Unknown, Typical::Known)
}

/// Everything about one Rollout, now.
pub(crate) fn observe(
    board: &Board,
    proxies: &Proxies,
    analysts: &mut Analysts,
    stored: &Stored,
    freeze: &Freeze,
    told: &BTreeMap<String, Told>,
    now: Time,
) -> Observation {
    let (plan, state) = (&stored.plan, &stored.state);
    let reports = proxies.reports();
    let service = reports.service(&plan.id);
    let epoch = reports.epoch(&plan.id, state.epoch);
    // Not `Unknown`: that would mean that no proxy is there to have anything.
    let unpublished = || Delivery::Waiting { behind: vec!["the control plane (not published yet)".to_owned()] };
    let (policy, everywhere, routes) = match board.proofs(&plan.id) {
        Some(proofs) => (proxies.policy(proofs.policy, now), proxies.everywhere(proofs.policy, now), proxies.routes(proofs.routes, now)),
        None => (unpublished(), unpublished(), unpublished()),
    };
    let in_epoch = |counters: &Counters| counters.ended().saturating_sub(counters.uncounted);
    let seen = |(name, counters): (&shunt_filter_core::VersionName, &Counters)| {
        let seen = VersionSeen {
            open: counters.started.saturating_sub(counters.ended()),
            in_epoch: epoch.versions.get(name).map_or(0, in_epoch),
            total: in_epoch(counters),
            failed: counters.failed,
        };
        (name.clone(), seen)
    };
    Observation {
        now,
        policy,
        everywhere,
        routes,
        misrouting: reports.misrouting(&plan.id, now),
        misrouted: service.misrouted.saturating_add(service.unrouted),
        versions: service.versions.iter().map(seen).collect(),
        verdicts: analysts.look(plan, state, &epoch),
        capacity: BTreeMap::new(),
        calls: BTreeMap::new(),
        contest: standing(plan, state, &epoch, told),
        freeze: freeze.clone(),
        typical: typical(service.versions.get(&state.stable)),
    }
}
