//! The steps of a run: installed -> applied (proved) -> held (duration, pass) -> next.

use super::install::proxies_text;
use super::{Transition, at, overdue, promote, proved, with_run};
use crate::analysis::{Outcome, Verdict};
use crate::observation::Observation;
use crate::plan::{Plan, Step};
use crate::ranges::reshape;
use crate::state::{Run, Stage, State};
use crate::time::Time;
use shunt_filter_core::Weight;

/// The candidate's cluster and route are in place: the first step.
pub(super) fn prepared(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> Option<Transition> {
    if !state.serving(&run.candidate) {
        return overdue(plan, state, run, run.since, &format!("{} is not installed at every proxy", run.candidate), seen.now);
    }
    Some(enter(plan, state, run, 0, seen.now))
}

/// What a step asks for is published; it counts when it is proved.
pub(super) fn applied(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> Option<Transition> {
    match proved(seen) {
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
    if run.weight == Weight::ZERO {
        String::new()
    } else if all == 0 {
        "; no traffic yet".to_owned()
    } else {
        format!("; {} of keys, {:.1} % of {all} requests", run.weight, own as f64 * 100.0 / all as f64)
    }
}

/// The wait of a proved step: its duration, then a pass where one is needed.
pub(super) fn held(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> Option<Transition> {
    let until = wait_ends(plan, step, run.since);
    if seen.now < until || plan.steps.get(step) == Some(&Step::Pause(None)) {
        return None;
    }
    if let Some(missing) = missing_pass(plan, state, run, step, seen) {
        return overdue(plan, state, run, until, &missing, seen.now);
    }
    let now_passed = matches!(passed(state, run, seen), Pass::Now);
    let noted = if now_passed { waive(state, run) } else { state.clone() };
    Some(go_on(plan, &noted, step, seen.now))
}

/// When the duration of a step is over that is held since `since`.
pub(super) fn wait_ends(plan: &Plan, step: usize, since: Time) -> Time {
    match plan.steps.get(step) {
        Some(Step::Pause(Some(span)) | Step::Analysis(span)) => since.after(*span),
        Some(Step::Pause(None) | Step::SetWeight(_) | Step::Rule(_) | Step::Mirror(_)) | None => since,
    }
}

fn is_analysis(plan: &Plan, step: usize) -> bool {
    matches!(plan.steps.get(step), Some(Step::Analysis(_)))
}

/// Whether this step ends only with a pass of the analysis.
pub(super) fn needs_pass(plan: &Plan, run: &Run, step: usize) -> bool {
    is_analysis(plan, step) || gated(plan, run, step.saturating_add(1))
}

/// The state with the analysis of its epoch passed, or gone on without.
pub(super) fn waive(state: &State, run: &Run) -> State {
    with_run(state, Run { passed: Some(state.epoch), ..run.clone() })
}

/// What is missing where no metric has anything to say.
const NOBODY_JUDGES: &str = "no analysis can judge in this step";

/// What a held step, its duration over, still waits for; none: nothing.
pub(super) fn missing_pass(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> Option<String> {
    match passed(state, run, seen) {
        Pass::Now => None,
        _ if !needs_pass(plan, run, step) => None,
        Pass::Before(_) if !is_analysis(plan, step) => None,
        Pass::Before(missing) | Pass::Missing(missing) => Some(missing),
    }
}

/// Whether the analysis has passed.
enum Pass {
    /// In this epoch, at this look.
    Now,
    /// Not at this look, but before, or somebody went on without it: earlier in this epoch, or in another one and now nothing can
    /// judge. With what is missing now.
    Before(String),
    /// Not yet; with what is missing.
    Missing(String),
}

fn passed(state: &State, run: &Run, seen: &Observation) -> Pass {
    let judging = || seen.verdicts.iter().filter(|verdict| verdict.outcome != Outcome::NotApplicable);
    let short: Vec<&Verdict> = judging().filter(|verdict| verdict.outcome != Outcome::Pass).collect();
    if judging().next().is_none() {
        let missing = NOBODY_JUDGES.to_owned();
        return if run.passed.is_some() { Pass::Before(missing) } else { Pass::Missing(missing) };
    }
    if short.is_empty() {
        return Pass::Now;
    }
    let missing = short.iter().map(|verdict| verdict.message.as_str()).collect::<Vec<_>>().join("; ");
    if run.passed == Some(state.epoch) { Pass::Before(missing) } else { Pass::Missing(missing) }
}

/// Whether what comes next needs a pass: promotion (a weight of 100 % is one), or a weight above what may be exposed before.
fn gated(plan: &Plan, run: &Run, next: usize) -> bool {
    let both_arms = run.weight > Weight::ZERO && run.weight < Weight::ALL;
    let too_many = |weight: Weight| weight > plan.max_exposed && run.passed.is_none();
    match plan.steps.get(next) {
        None => both_arms || (run.weight < Weight::ALL && too_many(Weight::ALL)),
        Some(Step::SetWeight(Weight::ALL)) => both_arms || too_many(Weight::ALL),
        Some(Step::SetWeight(weight)) => too_many(*weight),
        Some(Step::Pause(_) | Step::Rule(_) | Step::Mirror(_) | Step::Analysis(_)) => false,
    }
}

/// The step after this one, or the promotion.
pub(super) fn go_on(plan: &Plan, state: &State, step: usize, now: Time) -> Transition {
    match &state.run {
        Some(run) => enter(plan, state, run, step.saturating_add(1), now),
        None => Transition::new(state.clone(), "nothing is being released"),
    }
}

fn enter(plan: &Plan, state: &State, run: &Run, step: usize, now: Time) -> Transition {
    let Some(what) = plan.steps.get(step) else {
        return promote::shift(state, run, now);
    };
    let reason = format!("step {} of {}: {what}", step.saturating_add(1), plan.steps.len());
    let applying = at(run, Stage::Applying { step }, now);
    match what {
        // Keys are given back by ending the run only: steps that were edited meanwhile do not take any away.
        Step::SetWeight(weight) => Transition::new(reweigh(state, &applying, run.weight.max(*weight)), reason),
        Step::Rule(_) | Step::Mirror(_) => Transition::new(with_run(state, applying), reason),
        Step::Pause(_) | Step::Analysis(_) => Transition::new(with_run(state, at(run, Stage::Holding { step }, now)), reason),
    }
}

/// Another weight: ranges that move the least, and a new epoch for the analysis.
pub(super) fn reweigh(state: &State, run: &Run, weight: Weight) -> State {
    let ranges = reshape(&run.ranges, &[(run.candidate.clone(), weight)]);
    let epoch = if ranges == run.ranges { state.epoch } else { state.epoch.saturating_add(1) };
    State { epoch, ..with_run(state, Run { ranges, weight, ..run.clone() }) }
}
