//! What gates and hooks should be asked now.

use shunt_spec::plan::call::CallSpec;
use shunt_spec::plan::{Plan, Step};

use crate::call::Call;
use crate::state::{Run, Stage, State};

/// All that wants an answer now.
pub fn calls(plan: &Plan, state: &State) -> Vec<Call> {
    let Some(run) = state.run.as_ref().filter(|run| run.stage.ending().is_none()) else {
        return Vec::new();
    };
    let here = match &run.stage {
        Stage::AwaitingPrerequisites { step } => call_at(plan, state, run, *step),
        _ => None,
    };
    let rollback = plan.rollback_call.as_ref().filter(|_| !run.returning).map(|spec| Call {
        id: rollback_id(state, spec),
        spec: spec.clone(),
        about: format!("rollback of {} to {}", run.candidate, state.stable),
    });
    here.into_iter().chain(rollback).collect()
}

fn call_at(plan: &Plan, state: &State, run: &Run, step: usize) -> Option<Call> {
    let Some(Step::Call(spec)) = plan.steps.get(step) else { return None };
    let about = format!(
        "{} {} before step {} of {} of the release of {} over {}",
        spec.kind,
        spec.name,
        step.saturating_add(2),
        plan.steps.len(),
        run.candidate,
        state.stable
    );
    Some(Call { id: call_id(plan, run, step)?, spec: CallSpec::clone(spec), about })
}

/// The id of the call of a step in this run: the same after a restart of the control plane, another one in the next attempt.
pub fn call_id(plan: &Plan, run: &Run, step: usize) -> Option<String> {
    match plan.steps.get(step)? {
        Step::Call(spec) => Some(format!("{}/{}/{}", run.started.0, step.saturating_add(1), spec.name)),
        _ => None,
    }
}

/// The id of the standing question whether to go back.
pub(crate) fn rollback_id(state: &State, spec: &CallSpec) -> String {
    format!("{}/rollback/{}", state.attempt, spec.name)
}
