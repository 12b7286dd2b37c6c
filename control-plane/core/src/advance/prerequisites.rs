//! What a step needs before it changes any traffic: instances, or the answer of a gate or hook.

use shunt_spec::plan::{HELD_DEADLINE, Plan, Role, Scale, Step};
use shunt_spec::plural::{counted, part};
use shunt_spec::time::{Span, Time};

use super::step::{go_on, reweigh_all};
use super::{Transition, at, ending, forward, overdue, with_run};
use crate::call::CallSeen;
use crate::capacity::Capacity;
use crate::desired::{call_id, scaled};
use crate::observation::Observation;
use crate::state::{Ending, Paused, Run, Sizes, Stage, State};
use shunt_filter_core::{BaselineName, VersionName, Weight};

/// A step that waits for what it needs.
pub(super) fn met(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> Option<Transition> {
    // An experiment has something of its own to wait for, once it has asked for it.
    let begun = |what: &&Step| !what.exposes() || (matches!(what, Step::Experiment(_)) && run.baseline.is_some());
    let Some(what) = plan.steps.get(step).filter(begun) else {
        return exposing(plan, state, run, step, seen);
    };
    if let Some(reason) = refusal(plan, run, step, seen) {
        return forward::instead(plan, state, run, Ending::Refused { reason }, seen);
    }
    if let Some(missing) = missing(plan, state, run, step, seen) {
        return match what {
            _ if what.waits_for_an_operator() => None,
            Step::Scale(_) | Step::Experiment(_) => lacking(plan, state, run, missing, seen),
            _ => overdue(plan, state, run, run.since, &missing, seen.now),
        };
    }
    if super::blocked(plan, Some(run), seen).is_some() {
        return None;
    }
    Some(match what {
        Step::Experiment(experiment) => {
            let baseline = run.baseline.as_ref()?.version();
            let weights = [(run.candidate.clone(), experiment.weight), (baseline.clone(), experiment.weight)];
            let weighed = reweigh_all(state, &at(run, Stage::Applying { step }, seen.now), &weights, seen);
            Transition::new(weighed, format!("candidate and baseline are ready: {what}"))
        }
        _ => {
            let made = go_on(plan, state, step, seen);
            Transition::new(made.state, format!("{what}: {}; {}", answer(plan, run, step, seen), made.reason))
        }
    })
}

/// A step that shows users the candidate, or the promotion, and instances that were missing.
fn exposing(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> Option<Transition> {
    match short(plan, state, run, step, seen) {
        Some(missing) => lacking(plan, state, run, missing, seen),
        None => super::blocked(plan, Some(run), seen).is_none().then(|| super::step::enter(plan, state, run, step, seen)),
    }
}

/// Before any user is sent to instances that are not there, the run waits for them: arms of a test, or a candidate that was scaled down by
/// steps that were edited meanwhile.
pub(super) fn first(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> Option<Transition> {
    let missing = short(plan, state, run, step, seen)?;
    let candidate = if run.sizes.candidate < needed(plan, step) { Weight::ALL } else { run.sizes.candidate };
    let sizes = Sizes { candidate, ..run.sizes };
    let waiting = Run { sizes, ..at(run, Stage::AwaitingPrerequisites { step }, seen.now) };
    Some(Transition::new(with_run(state, waiting), format!("first {missing}")))
}

/// The share of its instances that the candidate needs for a step: all for the promotion, some for any that shows it to users.
fn needed(plan: &Plan, step: usize) -> Weight {
    match plan.steps.get(step) {
        None => Weight::ALL,
        Some(what) if what.exposes() => Weight::ppm(1),
        Some(_) => Weight::ZERO,
    }
}

fn short(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> Option<String> {
    let ours = scaled(plan, state, &run.candidate).is_some();
    if ours && run.sizes.candidate < needed(plan, step) {
        return Some(format!("{} needs its instances", run.candidate));
    }
    let arms = match plan.steps.get(step) {
        Some(Step::AbTest(test)) => test.arms.iter().map(|arm| &arm.version).collect(),
        Some(what) if !what.exposes() => Vec::new(),
        Some(_) | None => vec![&run.candidate],
    };
    arms.into_iter().find_map(|arm| {
        let absent = (!state.serving(arm)).then(|| format!("{arm} is not installed at every proxy"));
        absent.or_else(|| missing_instances(plan, state, arm, seen))
    })
}

/// Instances that do not come end the run: what never becomes ready is a bad release. A crash loop ends it at once, the deadline
/// what only takes long. A return is held instead: the other way leads to what it flees from.
pub(super) fn lacking(plan: &Plan, state: &State, run: &Run, missing: String, seen: &Observation) -> Option<Transition> {
    if run.paused.is_some() {
        return None;
    }
    let late = || {
        let over = seen.now.since(run.since) >= plan.progress_deadline;
        over.then(|| format!("no progress for {}: {missing}", plan.progress_deadline))
    };
    let reason = crash_loop(plan, run, seen).or_else(late)?;
    if run.returning {
        let paused = Some(Paused { at: seen.now, reason: reason.clone() });
        return Some(Transition::new(with_run(state, Run { paused, ..run.clone() }), reason));
    }
    forward::instead(plan, state, run, Ending::Refused { reason }, seen)
}

/// A version of this run whose instances end again and again before they are ready.
fn crash_loop(plan: &Plan, run: &Run, seen: &Observation) -> Option<String> {
    let arms = run.stage.step().and_then(|step| plan.test(step)).into_iter().flat_map(|test| &test.arms);
    let baseline = run.baseline.iter().map(BaselineName::version);
    let mut versions = [&run.candidate].into_iter().chain(baseline).chain(arms.map(|arm| &arm.version));
    versions.find_map(|version| match seen.capacity.get(version)? {
        Capacity::Instances { crash_loop, .. } => Some(format!("{version} {}", crash_loop.as_ref()?)),
        Capacity::Unmanaged => None,
    })
}

/// Why a candidate that replaces stable while requests are held (recreate) has had its time; none: it has some left. Once it is ready,
/// its way to the proxies is measured anew.
pub(super) fn held_too_long(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> Option<String> {
    let (deadline, until) = held_until(plan, run)?;
    if seen.now < until {
        return None;
    }
    let missing = match run.stage {
        Stage::AwaitingPrerequisites { step } => missing(plan, state, run, step, seen),
        Stage::Holding { .. } => Some(format!("requests to {} have not ended", state.stable)),
        _ => super::missing_proof(plan, run, seen),
    };
    let missing = run.paused.as_ref().map(|paused| paused.reason.clone()).or(missing).unwrap_or_else(|| "it was not promoted".to_owned());
    Some(format!("requests were held for {deadline}: {missing}"))
}

/// How long requests may be held, and until when, on the way forward; none: they are not.
pub(crate) fn held_until(plan: &Plan, run: &Run) -> Option<(Span, Time)> {
    let held = run.held?;
    // A manifest that was changed to another strategy meanwhile does not leave users without an answer for longer.
    let deadline = plan.held_deadline.unwrap_or(HELD_DEADLINE);
    match run.stage {
        Stage::AwaitingPrerequisites { .. } | Stage::Applying { .. } | Stage::Holding { .. } => Some((deadline, held.after(deadline))),
        Stage::Shifting => Some((deadline, run.since.after(deadline))),
        Stage::Preparing | Stage::Switching | Stage::Clearing(_) | Stage::Restoring(_) | Stage::Reverting(_) | Stage::Draining(_) => None,
    }
}

/// What an answered call, or what became of the instances, for the journal.
fn answer(plan: &Plan, run: &Run, step: usize, seen: &Observation) -> String {
    match (plan.steps.get(step), call_id(plan, run, step).and_then(|id| seen.calls.get(&id))) {
        (_, Some(CallSeen::Yes { by, note })) if note.is_empty() => format!("yes, by {by}"),
        (_, Some(CallSeen::Yes { by, note })) => format!("yes, by {by}: {note}"),
        (Some(Step::Scale(_)), _) => format!("done after {}", seen.now.since(run.since).text()),
        _ => "done".to_owned(),
    }
}

/// A no, or no answer after all retries.
fn refusal(plan: &Plan, run: &Run, step: usize, seen: &Observation) -> Option<String> {
    let call = match plan.steps.get(step)? {
        Step::Call(call) => call,
        _ => return None,
    };
    match seen.calls.get(&call_id(plan, run, step)?)? {
        CallSeen::No { by, note } => Some(format!("{} {}: no, by {by}{}", call.kind, call.name, colon(note))),
        CallSeen::Failed { note } => Some(format!("{} {} failed{}", call.kind, call.name, colon(note))),
        CallSeen::Waiting { .. } | CallSeen::Yes { .. } => None,
    }
}

fn colon(note: &str) -> String {
    if note.is_empty() { String::new() } else { format!(": {note}") }
}

/// What a step still needs; none: nothing.
pub(super) fn missing(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> Option<String> {
    let Some(what) = plan.steps.get(step) else { return short(plan, state, run, step, seen) };
    match what {
        Step::Scale(Scale { role, .. }) => {
            let version = match role {
                Role::Candidate => &run.candidate,
                Role::Stable => &state.stable,
            };
            missing_instances(plan, state, version, seen)
        }
        Step::Experiment(_) if run.baseline.is_none() => short(plan, state, run, step, seen),
        Step::Experiment(_) => {
            let baseline = run.baseline.as_ref()?.version();
            let installed = state.serving(baseline).then_some(());
            installed.map_or_else(
                || Some(format!("{baseline} is not installed at every proxy")),
                |()| missing_instances(plan, state, baseline, seen),
            )
        }
        Step::Call(call) => match seen.calls.get(&call_id(plan, run, step)?) {
            Some(CallSeen::Yes { .. }) => None,
            Some(CallSeen::Waiting { tries, note, .. }) if *tries > 0 => {
                Some(format!("{} {} did not say yes in {tries} tries{}", call.kind, call.name, colon(note)))
            }
            Some(CallSeen::Waiting { .. } | CallSeen::No { .. } | CallSeen::Failed { .. }) | None => {
                Some(format!("{} {} has not answered", call.kind, call.name))
            }
        },
        Step::SetWeight(_) | Step::Rule(_) | Step::Mirror(_) | Step::AbTest(_) => short(plan, state, run, step, seen),
        Step::Pause(_) | Step::Analysis(_) | Step::Hold | Step::PointOfNoReturn | Step::Conclude => None,
    }
}

/// What instances of a version are missing, or still there though they should be gone; none: it is as it should be, or not ours to count.
pub fn missing_instances(plan: &Plan, state: &State, version: &VersionName, seen: &Observation) -> Option<String> {
    let wanted = scaled(plan, state, version)?;
    let about = |trouble: &str| if trouble.is_empty() { String::new() } else { format!(" ({trouble})") };
    match seen.capacity.get(version) {
        None => Some(format!("the instances of {version} are not known yet")),
        Some(Capacity::Unmanaged) => None,
        Some(Capacity::Instances { running, .. }) if wanted == 0 && *running > 0 => {
            Some(format!("{} of {version} still there", counted(u64::from(*running), "instance")))
        }
        Some(Capacity::Instances { .. }) if wanted == 0 => None,
        // The number was changed a moment ago, and the platform has not looked yet.
        Some(Capacity::Instances { wanted: known, .. }) if *known != wanted => {
            Some(format!("{version} is being scaled to {}", counted(u64::from(wanted), "instance")))
        }
        Some(Capacity::Instances { ready, trouble, .. }) if *ready < wanted => {
            let ready = part(u64::from(*ready), u64::from(wanted), "instance");
            Some(format!("{ready} of {version} ready{}", about(trouble)))
        }
        Some(Capacity::Instances { .. }) => None,
    }
}

/// Instances as the step asks for, and the run waits for them. Steps that were edited meanwhile never leave a version without the
/// instances that its keys need.
pub(super) fn scale(plan: &Plan, state: &State, run: &Run, step: usize, scale: Scale, seen: &Observation) -> State {
    let mut sizes = run.sizes;
    match scale.role {
        Role::Candidate if run.weight > Weight::ZERO => sizes.candidate = scale.share.max(sizes.candidate),
        Role::Candidate => sizes.candidate = scale.share,
        Role::Stable if run.held.is_some() => sizes.stable = scale.share,
        Role::Stable => sizes.stable = scale.share.max(without(run.weight, unavailable(plan))).min(sizes.stable),
    }
    with_run(state, Run { sizes, ..at(run, Stage::AwaitingPrerequisites { step }, seen.now) })
}

/// What is left of everybody without these.
fn without(weight: Weight, other: Weight) -> Weight {
    Weight::ppm(Weight::ALL.points().saturating_sub(weight.points()).saturating_sub(other.points()))
}

/// How much less than its keys need stable may have, by the steps as they are written (`maxUnavailable`).
fn unavailable(plan: &Plan) -> Weight {
    let (mut weight, mut most) = (Weight::ZERO, Weight::ZERO);
    // A strategy that holds requests may take everything.
    for step in plan.steps.iter().take_while(|step| **step != Step::Hold) {
        match step {
            Step::SetWeight(next) => weight = *next,
            Step::Scale(Scale { role: Role::Stable, share }) => most = most.max(without(weight, *share)),
            _ => {}
        }
    }
    most
}

/// Stable may be shrunk only when no proxy that may still be there can send it more than it keeps.
pub(super) fn shrinks_too_early(state: &State, run: &Run, what: &Step, seen: &Observation) -> bool {
    let shrinks = matches!(what, Step::Scale(Scale { role: Role::Stable, share }) if *share < run.sizes.stable);
    shrinks && ending::needs_everybody(state, &state.stable) && super::install::no_proxy_uses_it(seen).is_none()
}
