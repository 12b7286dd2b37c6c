//! Transitions as people and pipelines see them. What is needed to run them again is in the journal.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::{RolloutId, VersionName, Weight};
use shunt_spec::schema::filter;
use shunt_spec::time::Time;

use crate::command::{Command, Verb};
use crate::figures::StepFigures;
use crate::journal::{Entry, Origin};

/// One transition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// Which Rollout.
    #[schemars(with = "filter::RolloutId")]
    pub rollout: RolloutId,
    /// The revision it made.
    pub revision: u64,
    /// When.
    pub at: Time,
    /// Digest of the plan it was made under.
    pub plan: String,
    /// What happened, as one sentence with numbers.
    pub reason: String,
    /// The command that caused it.
    pub command: Option<CommandStatus>,
    /// Where the state came from.
    pub origin: Origin,
    /// Number of the last attempt.
    pub attempt: u64,
    /// The version that gets all that nothing else claims, after it.
    #[schemars(with = "filter::VersionName")]
    pub stable: VersionName,
    /// The version being released, after it.
    #[schemars(with = "Option<filter::VersionName>")]
    pub candidate: Option<VersionName>,
    /// The candidate's share of keys, after it.
    #[schemars(with = "filter::Weight")]
    pub weight: Weight,
    /// The step that the run is at after it, counted from 1.
    pub step: Option<usize>,
    /// What the step that it ended had counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<StepFigures>,
}

/// A command that was obeyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandStatus {
    /// What it asked for.
    pub verb: Verb,
    /// Who asked.
    pub by: String,
    /// Why, in the author's words; may be empty.
    pub reason: String,
}

impl From<&Command> for CommandStatus {
    fn from(command: &Command) -> Self {
        Self { verb: command.verb, by: command.by.clone(), reason: command.reason.clone() }
    }
}

impl From<&Entry> for HistoryEntry {
    fn from(entry: &Entry) -> Self {
        let run = entry.next.run.as_ref();
        Self {
            rollout: entry.rollout.clone(),
            revision: entry.revision,
            at: entry.at,
            plan: entry.plan.clone(),
            reason: entry.reason.clone(),
            command: entry.command.as_ref().map(CommandStatus::from),
            origin: entry.origin,
            attempt: entry.next.attempt,
            stable: entry.next.stable.clone(),
            candidate: run.map(|run| run.candidate.clone()),
            weight: run.map(|run| run.weight).unwrap_or_default(),
            step: run.and_then(|run| run.stage.step()).map(|step| step.saturating_add(1)),
            ended: entry.next.figures.ended_by(entry.revision).cloned(),
        }
    }
}
