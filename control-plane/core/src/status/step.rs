//! Where a run is among its steps, as people and pipelines see it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_spec::plan::{Plan, StepKind};
use shunt_spec::time::Time;

use crate::state::Run;

/// Where a run is among its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepStatus {
    /// Counted from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// What it does.
    pub kind: StepKind,
    /// As written, for people: `setWeight 5 %`.
    pub text: String,
    /// When the run came to where it is.
    pub since: Time,
}

impl StepStatus {
    /// The step that a run is at; none: it is at none.
    pub(super) fn at(plan: &Plan, run: &Run) -> Option<Self> {
        let index = run.stage.step()?;
        let step = plan.steps.get(index)?;
        Some(Self { number: index.saturating_add(1), of: plan.steps.len(), kind: step.kind(), text: step.to_string(), since: run.since })
    }
}
