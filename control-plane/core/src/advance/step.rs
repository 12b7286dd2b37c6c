//! The steps of a run: installed -> applied (proved) -> held (duration, pass) -> next.

use shunt_spec::plan::{ExperimentStep, Plan, Progress, Step};
use shunt_spec::time::Time;

use super::install::proxies_text;
use super::{Transition, at, contest, live, overdue, prerequisites, promote, proved, with_run};
use crate::analysis::{Evidence, MIN_ACTIVE_SLOTS, Outcome, Verdict};
use crate::observation::{LatencyBaseline, Observation};
use crate::ranges::reshape;
use crate::state::{Installation, Installed, Run, Stage, State};
use shunt_filter_core::report::POINTS_PER_SLOT;
use shunt_filter_core::{BaselineName, VersionName, Weight};

/// The candidate's cluster and route are in place: the first step.
pub(super) fn prepared(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> Option<Transition> {
    if !state.serving(&run.candidate) {
        return overdue(plan, state, run, run.since, &format!("{} is not installed at every proxy", run.candidate), seen.now);
    }
    if let Some(missing) = prerequisites::missing_instances(plan, state, &run.candidate, seen) {
        return prerequisites::lacking(plan, state, run, missing, seen);
    }
    if super::blocked(plan, Some(run), seen).is_some() {
        return None;
    }
    Some(match run.returning || run.forward_from.is_some() {
        true => promote::shift(state, run, seen),
        false => enter(plan, state, run, run.first_step, seen),
    })
}

/// What a step asks for is published; it counts when it is proved.
pub(super) fn applied(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> Option<Transition> {
    let proof = match plan.steps.get(step) {
        // No version answers, so there is nothing to watch: every moment counts.
        Some(Step::Hold) => live(&seen.policy, "the policy").and_then(|_| live(&seen.routes, "the held route")).map(|(_, proxies)| proxies),
        _ => proved(plan, run, seen),
    };
    match proof {
        Ok(proxies) => {
            let what = plan.steps.get(step).map(ToString::to_string).unwrap_or_default();
            let reason = format!("{what}: proved by {}{}", proxies_text(proxies), share(run, seen));
            Some(Transition::new(with_run(state, at(run, Stage::Holding { step }, seen.now)), reason))
        }
        Err(missing) => overdue(plan, state, run, run.since, &missing, seen.now),
    }
}

/// The share of requests beside the share of keys: shown, never gated on (users differ in how many requests they make).
fn share(run: &Run, seen: &Observation) -> String {
    let all: u64 = seen.versions.values().map(|version| version.in_epoch).fold(0, u64::saturating_add);
    let own = seen.versions.get(&run.candidate).map_or(0, |version| version.in_epoch);
    let asked = run.weight;
    match (own, all) {
        _ if asked == Weight::ZERO => String::new(),
        (0, 0) => format!("; {asked} of keys, no traffic yet"),
        (0, _) => format!("; {asked} of keys, no traffic yet: 0 of {}", requests(all)),
        _ => format!("; {asked} of keys, {:.1} % of {}", own as f64 * 100.0 / all as f64, requests(all)),
    }
}

fn requests(n: u64) -> String {
    if n == 1 { "1 request".to_owned() } else { format!("{n} requests") }
}

/// The wait of a proved step: its duration, then a pass where one is needed.
pub(super) fn held(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> Option<Transition> {
    let until = wait_ends(plan, step, run.since);
    match plan.steps.get(step) {
        Some(Step::AbTest(test)) => return contest::held(plan, state, run, step, test, seen),
        Some(Step::Pause(None)) => return None,
        // Requests in flight end by themselves, or have had their time.
        Some(Step::Hold) if in_flight(state, seen) && seen.now.since(run.since) < plan.drain_deadline => return None,
        _ if seen.now < until => return None,
        _ => {}
    }
    if let Some(missing) = missing_pass(plan, state, run, step, seen) {
        return overdue(plan, state, run, until, &format!("no pass of the analysis: {missing}"), seen.now);
    }
    if waits(plan, state, run, step, seen).is_some() {
        return None;
    }
    let now_passed = matches!(passed(plan, state, run, seen), Pass::Now);
    let noted = if now_passed { waive(state, run) } else { state.clone() };
    Some(go_on(plan, &noted, step, seen))
}

/// What keeps a step that is otherwise over: a freeze, a window, or a proxy that may still send stable more than it would keep.
pub(super) fn waits(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> Option<String> {
    let early = plan.steps.get(step.saturating_add(1)).is_some_and(|next| prerequisites::shrinks_too_early(state, run, next, seen));
    super::blocked(plan, Some(run), seen)
        .or_else(|| early.then(|| format!("some proxy may still send {} more than it would keep", state.stable)))
}

fn in_flight(state: &State, seen: &Observation) -> bool {
    seen.versions.get(&state.stable).is_some_and(|version| version.open > 0)
}

/// When the duration of a step is over that is held since `since`.
pub(super) fn wait_ends(plan: &Plan, step: usize, since: Time) -> Time {
    match plan.steps.get(step) {
        Some(Step::Pause(Some(span)) | Step::Analysis(span) | Step::Experiment(ExperimentStep { duration: span, .. })) => {
            since.after(*span)
        }
        Some(
            Step::Pause(None)
            | Step::SetWeight(_)
            | Step::Rule(_)
            | Step::Mirror(_)
            | Step::Scale(_)
            | Step::Hold
            | Step::AbTest(_)
            | Step::Call(_)
            | Step::PointOfNoReturn
            | Step::Conclude,
        )
        | None => since,
    }
}

fn is_analysis(plan: &Plan, step: usize) -> bool {
    matches!(plan.steps.get(step), Some(Step::Analysis(_) | Step::Experiment(_)))
}

/// Whether this step ends only with a pass of the analysis.
pub(crate) fn needs_pass(plan: &Plan, run: &Run, step: usize) -> bool {
    is_analysis(plan, step) || gated(plan, run, step.saturating_add(1))
}

/// The state with the analysis of its epoch passed, or gone on without.
pub(super) fn waive(state: &State, run: &Run) -> State {
    with_run(state, Run { passed: Some(state.epoch), ..run.clone() })
}

/// What is missing where no metric has anything to say.
const NOTHING_JUDGES: &str = "no analysis can judge in this step";

/// What a held step, its duration over, still waits for; none: nothing.
pub(super) fn missing_pass(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> Option<String> {
    // Neither good nor bad too often: a person decides, whether this step needs a pass or not, unless one went on without.
    let unclear = seen.verdicts.iter().find(|verdict| verdict.outcome == Outcome::Inconclusive);
    if let Some(verdict) = unclear.filter(|_| run.passed != Some(state.epoch)) {
        return Some(verdict.message.clone());
    }
    match passed(plan, state, run, seen) {
        Pass::Now => None,
        _ if !needs_pass(plan, run, step) => None,
        Pass::Before(_) if !is_analysis(plan, step) => None,
        Pass::Before(missing) | Pass::Missing(missing) => Some(missing),
    }
}

/// Whether the analysis has passed.
enum Pass {
    /// In this epoch, at this evaluation.
    Now,
    /// Not at this evaluation, but before, or an operator went on without it: earlier in this epoch, or in another one and now nothing can
    /// judge. With what is missing now.
    Before(String),
    /// Not yet; with what is missing.
    Missing(String),
}

fn passed(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> Pass {
    let judging = || seen.verdicts.iter().filter(|verdict| verdict.outcome != Outcome::NotApplicable);
    let short: Vec<&Verdict> = judging().filter(|verdict| verdict.outcome != Outcome::Pass).collect();
    if judging().next().is_none() {
        let missing = NOTHING_JUDGES.to_owned();
        return if run.passed.is_some() { Pass::Before(missing) } else { Pass::Missing(missing) };
    }
    if short.is_empty() {
        return Pass::Now;
    }
    let missing = shortfall(plan, run, &short, seen);
    if run.passed == Some(state.epoch) { Pass::Before(missing) } else { Pass::Missing(missing) }
}

/// What verdicts that are no pass wait for: how much there is of the least that a pass needs, where that is all, else their own words.
fn shortfall(plan: &Plan, run: &Run, short: &[&Verdict], seen: &Observation) -> String {
    let Evidence { requests, slots } = seen.evidence;
    // With fewer keys than the slots that are needed no request helps: the verdict says so.
    let enough_keys = u64::from(run.weight.points()) >= MIN_ACTIVE_SLOTS.saturating_mul(u64::from(POINTS_PER_SLOT));
    let least = |verdict: &Verdict| {
        let metric = plan.analysis.metrics.iter().find(|metric| metric.name == verdict.metric);
        let few = |min: &u64| verdict.outcome == Outcome::NeedMoreData && (requests < *min || slots < MIN_ACTIVE_SLOTS);
        metric.map(|metric| metric.min_samples).filter(|min| enough_keys && few(min))
    };
    let needed = short.iter().filter_map(|verdict| least(verdict)).max();
    let counted = needed.map(|needed| {
        let slots = slots.min(MIN_ACTIVE_SLOTS);
        format!("{} of {needed} requests and {slots} of {MIN_ACTIVE_SLOTS} active slots of {}", requests.min(needed), run.candidate)
    });
    let others = short.iter().filter(|verdict| least(verdict).is_none()).map(|verdict| verdict.message.clone());
    counted.into_iter().chain(others).collect::<Vec<_>>().join("; ")
}

/// Whether what comes next needs a pass: promotion (a weight of 100 % is one), or a weight above what may be exposed before.
fn gated(plan: &Plan, run: &Run, next: usize) -> bool {
    let split = run.weight > Weight::ZERO && run.weight < Weight::ALL;
    let both_arms = split && plan.progress() == Progress::Pass;
    let too_many = |weight: Weight| weight > plan.max_exposed && run.passed.is_none();
    match plan.steps.get(next) {
        None => both_arms || (run.weight < Weight::ALL && too_many(Weight::ALL)),
        Some(Step::SetWeight(Weight::ALL)) => both_arms || too_many(Weight::ALL),
        Some(Step::SetWeight(weight)) => too_many(*weight),
        Some(Step::AbTest(test)) => too_many(test.arms.iter().map(|arm| arm.weight).max().unwrap_or(Weight::ZERO)),
        Some(Step::Experiment(experiment)) => too_many(experiment.weight),
        // What only shrinks, asks or ends comes before the promotion that needs the pass.
        Some(Step::Scale(_) | Step::Call(_) | Step::PointOfNoReturn) => gated(plan, run, next.saturating_add(1)),
        Some(Step::Pause(_) | Step::Rule(_) | Step::Mirror(_) | Step::Analysis(_) | Step::Hold | Step::Conclude) => false,
    }
}

/// The step after this one, or the promotion.
pub(super) fn go_on(plan: &Plan, state: &State, step: usize, seen: &Observation) -> Transition {
    match &state.run {
        Some(run) => enter(plan, state, run, step.saturating_add(1), seen),
        None => Transition::new(state.clone(), "nothing is being released"),
    }
}

/// Into a step, or, after the last one, the promotion.
pub(super) fn enter(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> Transition {
    let without = without_baseline(state, run, seen.now);
    let (state, run) = (&without, without.run.as_ref().unwrap_or(run));
    if let Some(made) = prerequisites::first(plan, state, run, step, seen) {
        return made;
    }
    let Some(what) = plan.steps.get(step) else {
        return promote::shift(state, run, seen);
    };
    let reason = format!("step {} of {}: {what}", step.saturating_add(1), plan.steps.len());
    let to = |stage| at(run, stage, seen.now);
    let applying = to(Stage::Applying { step });
    let state = match what {
        // Keys are given back by ending the run only: steps that were edited meanwhile do not take any away.
        Step::SetWeight(weight) => reweigh(state, &applying, run.weight.max(*weight), seen),
        Step::Rule(_) | Step::Mirror(_) => with_run(state, applying),
        Step::Pause(_) | Step::Analysis(_) | Step::PointOfNoReturn => with_run(state, to(Stage::Holding { step })),
        Step::Scale(scale) => prerequisites::scale(plan, state, run, step, *scale, seen),
        Step::Call(_) => with_run(state, to(Stage::AwaitingPrerequisites { step })),
        Step::Hold => with_run(state, Run { held: Some(seen.now), ..applying }),
        Step::AbTest(test) => contest::begin(state, run, step, test, seen),
        Step::Experiment(experiment) => with_baseline(state, &to(Stage::AwaitingPrerequisites { step }), experiment),
        Step::Conclude => return contest::conclude(state, run, &summary(plan, seen), seen),
    };
    Transition::new(state, reason)
}

/// What was learned, for a release that ends without promotion.
fn summary(plan: &Plan, seen: &Observation) -> String {
    let said: Vec<&str> = seen.verdicts.iter().map(|verdict| verdict.message.as_str()).collect();
    if said.is_empty() { format!("{} was looked at", plan.release) } else { said.join("; ") }
}

/// A fresh copy of stable, to be compared with the candidate.
fn with_baseline(state: &State, run: &Run, experiment: &ExperimentStep) -> State {
    let baseline = BaselineName::of(&state.stable);
    let mut installed = state.installed.clone();
    if let Some(stable) = state.installed.get(&state.stable) {
        let backend = stable.backend.resized(experiment.instances);
        installed.insert(baseline.version().clone(), Installed { backend, stage: Installation::Installing });
    }
    State { installed, ..with_run(state, Run { baseline: Some(baseline), ..run.clone() }) }
}

/// The experiment is over: its copy of stable gives its keys back and leaves.
fn without_baseline(state: &State, run: &Run, now: Time) -> State {
    let Some(baseline) = &run.baseline else { return state.clone() };
    let mut installed = state.installed.clone();
    if let Some(known) = installed.get_mut(baseline.version()) {
        known.stage = Installation::Leaving { since: now };
    }
    let ranges = reshape(&run.ranges, &[(run.candidate.clone(), run.weight)]);
    let epoch = state.epoch.saturating_add(1);
    State { installed, epoch, ..with_run(state, Run { ranges, baseline: None, ..run.clone() }) }
}

/// Another weight: ranges that move the least, and a new epoch for the analysis.
pub(super) fn reweigh(state: &State, run: &Run, weight: Weight, seen: &Observation) -> State {
    reweigh_all(state, run, &[(run.candidate.clone(), weight)], seen)
}

/// Other weights of all versions beside stable. The run's weight is its candidate's.
pub(super) fn reweigh_all(state: &State, run: &Run, weights: &[(VersionName, Weight)], seen: &Observation) -> State {
    let ranges = reshape(&run.ranges, weights);
    let weight = weights.iter().find(|(version, _)| *version == run.candidate).map_or(Weight::ZERO, |(_, weight)| *weight);
    let changed = ranges != run.ranges;
    let epoch = if changed { state.epoch.saturating_add(1) } else { state.epoch };
    let thresholds = match &seen.latency_baseline {
        LatencyBaseline::Known(thresholds) if changed => Some(*thresholds),
        LatencyBaseline::Known(_) | LatencyBaseline::Unknown => state.thresholds,
    };
    let mut arms = run.arms.clone();
    arms.extend(ranges.iter().map(|range| &range.version).filter(|version| **version != run.candidate).cloned());
    State { epoch, thresholds, ..with_run(state, Run { ranges, weight, arms, ..run.clone() }) }
}
