//! What a call says: the body of a webhook, the environment and standard input of a command.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shunt_filter_core::VersionName;
use shunt_spec::plan::call::CallKind;
use shunt_spec::plan::{Plan, StepKind};

use super::Call;
use crate::state::{Phase, Run, State};

/// The body of a webhook. `name`, `namespace`, `phase`, `checksum` and `metadata` are those of Flagger's, so that its receivers work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Body {
    /// The same for the same question, also when it is asked again: what a receiver needs to do a thing once.
    pub id: String,
    /// Of the Rollout.
    pub name: String,
    /// Of the Rollout.
    pub namespace: String,
    /// What a glance needs.
    pub phase: Phase,
    /// Digest of the plan.
    pub checksum: String,
    /// As written in the manifest.
    pub metadata: BTreeMap<String, String>,
    /// Name of the gate or hook.
    pub call: String,
    /// What the answer means.
    pub kind: CallKind,
    /// For people.
    pub about: String,
    /// What happened, for hooks that follow an event: `promoted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The version being released; none without a run.
    pub candidate: Option<VersionName>,
    /// The version that gets what nothing else claims.
    pub stable: VersionName,
    /// The version that was stable before it: what a clean-up after a promotion is about. None: there was none.
    pub previous: Option<VersionName>,
    /// Number of the attempt.
    pub attempt: u64,
    /// The candidate's share of keys, percent.
    pub weight: f64,
    /// The step that the call belongs to; none without one.
    pub step: Option<StepBody>,
    /// Counted from 1; above 1 it was asked before, without an answer.
    pub r#try: u32,
}

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepBody {
    /// Counted from 1.
    pub number: usize,
    /// Steps in all.
    pub of: usize,
    /// What it does.
    pub kind: StepKind,
    /// As written, for people.
    pub text: String,
}

impl StepBody {
    /// The step that a run is at.
    pub(crate) fn at(plan: &Plan, run: &Run) -> Option<Self> {
        let index = run.stage.step()?;
        let step = plan.steps.get(index)?;
        Some(Self { number: index.saturating_add(1), of: plan.steps.len(), kind: step.kind(), text: step.to_string() })
    }
}

impl Body {
    /// What a call says now. `run` is the one it is about, also when it is over.
    pub fn new(plan: &Plan, state: &State, run: Option<&Run>, call: &Call) -> Self {
        Self {
            id: call.id.clone(),
            name: plan.id.name().to_owned(),
            namespace: plan.id.namespace().to_owned(),
            phase: state.phase(plan),
            checksum: plan.digest.clone(),
            metadata: call.spec.action.webhook().map(|webhook| webhook.metadata.clone()).unwrap_or_default(),
            call: call.spec.name.clone(),
            kind: call.spec.kind,
            about: call.about.clone(),
            event: None,
            candidate: run.map(|run| run.candidate.clone()),
            stable: state.stable.clone(),
            previous: state.before_stable().cloned(),
            attempt: state.attempt,
            weight: run.map_or(0.0, |run| run.weight.as_percent()),
            step: run.and_then(|run| StepBody::at(plan, run)),
            r#try: 0,
        }
    }

    /// The environment of a command; what is not there is empty.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let name = |version: &Option<VersionName>| version.as_ref().map(ToString::to_string).unwrap_or_default();
        let step = self.step.as_ref();
        vec![
            ("SHUNT_NAMESPACE", self.namespace.clone()),
            ("SHUNT_NAME", self.name.clone()),
            ("SHUNT_ROLLOUT", format!("{}/{}", self.namespace, self.name)),
            ("SHUNT_PHASE", format!("{:?}", self.phase)),
            ("SHUNT_CANDIDATE", name(&self.candidate)),
            ("SHUNT_STABLE", self.stable.to_string()),
            ("SHUNT_PREVIOUS", name(&self.previous)),
            ("SHUNT_ATTEMPT", self.attempt.to_string()),
            ("SHUNT_WEIGHT", self.weight.to_string()),
            ("SHUNT_STEP", step.map(|step| step.number.to_string()).unwrap_or_default()),
            ("SHUNT_STEPS", step.map(|step| step.of.to_string()).unwrap_or_default()),
            ("SHUNT_EVENT", text(&self.event)),
            ("SHUNT_CALL", self.call.clone()),
            ("SHUNT_CALL_ID", self.id.clone()),
            ("SHUNT_CALL_KIND", self.kind.to_string()),
            ("SHUNT_TRY", self.r#try.to_string()),
        ]
    }
}
