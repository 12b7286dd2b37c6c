//! The state machine: (plan, state, observation, commands) -> next state. One transition at most, pure and total.
//!
//! The order of concerns is fixed: the manifest is gone; what an operator asked; versions that come and go; what ends a run early
//! (a changed release, a failed analysis, a candidate that does not answer); and only then the run's own next stage.

mod blocked;
mod command;
mod contest;
mod ending;
mod forward;
mod idle;
mod install;
mod prerequisites;
mod promote;
mod proof;
mod recurrence;
mod restore;
mod step;
mod warm;

use shunt_spec::plan::Plan;
use shunt_spec::plural::counted;
use shunt_spec::time::Time;

use crate::command::{Command, CommandRefused};
use crate::figures::Figures;
use crate::journal::{Entry, Origin};
use crate::observation::{Delivery, MISROUTED_QUIET, Misrouting, Observation};
use crate::state::{Paused, Run, Stage, State};

/// The next state, and the journal's line when anything changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Next {
    /// What to record and act on.
    pub state: State,
    /// None: nothing changed, nothing to record.
    pub entry: Option<Entry>,
    /// Commands that were used up or refused, with what to tell their authors.
    pub answered: Vec<Answer>,
}

/// What became of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The command's id.
    pub command: u64,
    /// What happened, or why nothing did and what to do instead.
    pub result: Result<String, CommandRefused>,
}

/// A transition: the state it makes, and its sentence for the journal.
#[derive(Debug, Clone, PartialEq)]
struct Transition {
    state: State,
    reason: String,
}

impl Transition {
    fn new(state: State, reason: impl Into<String>) -> Self {
        Self { state, reason: reason.into() }
    }
}

/// One transition at most; called again at once while transitions happen.
pub fn advance(plan: &Plan, state: &State, seen: &Observation, commands: &[Command]) -> Next {
    if let Some((command, rest)) = commands.split_first() {
        return answer(plan, state, seen, command, rest);
    }
    next(plan, state, seen, spontaneous(plan, state, seen), None, Vec::new())
}

fn answer(plan: &Plan, state: &State, seen: &Observation, command: &Command, rest: &[Command]) -> Next {
    let refuse = |reason: CommandRefused| Answer { command: command.id, result: Err(reason) };
    if command.revision != state.revision {
        let late = CommandRefused::MovedOn { seen: command.revision, now: state.revision };
        let mut next = advance(plan, state, seen, rest);
        next.answered.insert(0, refuse(late));
        return next;
    }
    match command::obey(plan, state, seen, command) {
        Ok(transition) => {
            let done = Answer { command: command.id, result: Ok(transition.reason.clone()) };
            next(plan, state, seen, Some(transition), Some(command.clone()), vec![done])
        }
        Err(reason) => {
            let mut next = advance(plan, state, seen, rest);
            next.answered.insert(0, refuse(reason));
            next
        }
    }
}

fn next(plan: &Plan, old: &State, seen: &Observation, made: Option<Transition>, command: Option<Command>, answered: Vec<Answer>) -> Next {
    let Some(Transition { mut state, reason }) = made else {
        return Next { state: old.clone(), entry: None, answered };
    };
    state.revision = old.revision.saturating_add(1);
    state.figures = Figures::after(plan, old, &state, seen);
    let entry = Entry {
        rollout: plan.id.clone(),
        revision: state.revision,
        at: seen.now,
        plan: plan.digest.clone(),
        reason,
        command,
        observation: seen.clone(),
        next: state.clone(),
        origin: Origin::Advance,
    };
    Next { state, entry: Some(entry), answered }
}

fn spontaneous(plan: &Plan, state: &State, seen: &Observation) -> Option<Transition> {
    if plan.gone || state.retiring.is_some() {
        return ending::retire(plan, state, seen);
    }
    install::sync(plan, state, seen).or_else(|| match &state.run {
        None => idle::react(plan, state, seen),
        Some(run) => in_run(plan, state, run, seen),
    })
}

fn in_run(plan: &Plan, state: &State, run: &Run, seen: &Observation) -> Option<Transition> {
    if let Some(made) = contest::winner_released(plan, state, run) {
        return Some(made);
    }
    if let Some(made) = ending::early(plan, state, run, seen).and_then(|ending| forward::instead(plan, state, run, ending, seen)) {
        return Some(made);
    }
    if let Some(made) = warm::changed(plan, state, run, seen) {
        return Some(made);
    }
    match &run.stage {
        Stage::Clearing(ending) => restore::cleared(plan, state, run, ending, seen),
        Stage::Restoring(ending) => restore::restored(plan, state, run, ending, seen),
        Stage::Reverting(ending) => ending::reverted(plan, state, run, ending, seen),
        Stage::Draining(ending) => ending::drained(plan, state, run, ending, seen),
        _ if run.paused.is_some() && !ending::passes_by(plan, state, run) => None,
        Stage::Preparing => step::prepared(plan, state, run, seen),
        Stage::AwaitingPrerequisites { step } => prerequisites::met(plan, state, run, *step, seen),
        Stage::Applying { step } => step::applied(plan, state, run, *step, seen),
        Stage::Holding { step } => step::held(plan, state, run, *step, seen),
        Stage::Shifting => promote::shifted(plan, state, run, seen),
        Stage::Switching => promote::switched(plan, state, run, seen),
    }
}

/// Whether what was published last is proved: every proxy runs it, nothing has gone astray under it for a while, and what the run exposes
/// has answered where anything was decided for it. `Err` says what is missing, for people.
fn proved(plan: &Plan, run: &Run, seen: &Observation) -> Result<u32, String> {
    let (routes_since, _) = live(&seen.routes, "clusters and routes")?;
    let (policy_since, proxies) = live(&seen.policy, "the policy")?;
    match seen.misrouting {
        Misrouting::Growing { since } => {
            proof::answered(plan, run, seen)?;
            let requests = counted(seen.misrouted, "request");
            Err(format!("{requests} not answered by the version decided for them, for {} now", seen.now.since(since).text()))
        }
        Misrouting::Quiet { since } => {
            let quiet = seen.now.since(since.max(policy_since).max(routes_since));
            if quiet < MISROUTED_QUIET {
                return Err(format!("watching the answers for {MISROUTED_QUIET}"));
            }
            proof::answered(plan, run, seen).map(|()| proxies)
        }
    }
}

/// What the run waits for beside proofs: instances, or the answer of a gate or hook.
pub(crate) fn missing_prerequisites(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> Option<String> {
    prerequisites::missing(plan, state, run, step, seen)
}

/// What guards against transitions that lead nowhere.
pub use recurrence::{Recurrence, Recurs};

/// What keeps a release from going forward: a freeze, or no window of time.
pub use blocked::blocked;
pub(crate) use blocked::{closed, opens};
pub(crate) use prerequisites::held_until;
/// What instances of a version are missing, or too many.
pub use prerequisites::missing_instances;
pub(crate) use step::needs_pass;

fn live(delivery: &Delivery, what: &str) -> Result<(Time, u32), String> {
    match delivery {
        Delivery::Live { since, proxies } => Ok((*since, *proxies)),
        Delivery::Waiting { behind } => Err(format!("waiting for {} to report {what}", behind.join(", "))),
        Delivery::Rejected { node, error } => Err(format!("{node} refuses {what}: {error}")),
        Delivery::Unknown { .. } => Err(format!("no proxy reports, so it is not known who has {what}")),
    }
}

/// What is wrong with the way to the candidate, which has never answered; none: it has, or nothing was decided for it.
pub(crate) fn astray(plan: &Plan, run: &Run, seen: &Observation) -> Option<String> {
    proof::astray(plan, &run.candidate, seen)
}

/// What the run waits for, or nothing when it does not wait for a proof.
pub fn missing_proof(plan: &Plan, run: &Run, seen: &Observation) -> Option<String> {
    proved(plan, run, seen).err()
}

/// The pass that a held step waits for when its duration is over, or nothing when it needs none.
pub(crate) fn missing_pass(plan: &Plan, state: &State, run: &Run, step: usize, seen: &Observation) -> Option<String> {
    step::missing_pass(plan, state, run, step, seen)
}

/// A copy of the state with its run changed.
fn with_run(state: &State, run: Run) -> State {
    State { run: Some(run), ..state.clone() }
}

/// The run at another stage from now on.
fn at(run: &Run, stage: Stage, now: Time) -> Run {
    Run { stage, since: now, paused: None, ..run.clone() }
}

/// Waits at most the progress deadline, then holds the run with the reason: a state with a way out.
fn overdue(plan: &Plan, state: &State, run: &Run, since: Time, missing: &str, now: Time) -> Option<Transition> {
    let waited = now.since(since);
    if waited < plan.progress_deadline || run.paused.is_some() {
        return None;
    }
    let reason = format!("no progress for {}: {missing}", plan.progress_deadline);
    let paused = Run { paused: Some(Paused { at: now, reason: reason.clone() }), ..run.clone() };
    Some(Transition::new(with_run(state, paused), reason))
}
