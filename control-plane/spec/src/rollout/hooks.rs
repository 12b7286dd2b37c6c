//! `gates` and `hooks`: what is asked and done around a whole release, whatever its strategy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::call::{CallKind, CallSpec};
use crate::plan::{Hook, HookPoint};
use crate::problems::Problems;
use crate::rollout::calls::{GateSpec, HookSpec, Naming, Places};
use crate::rollout::rule::RuleNames;

/// `gates`. Named as Flagger's webhooks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GatesSpec {
    /// Before anything is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_rollout: Option<GateSpec>,
    /// Before each step that sends users to the candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_step: Option<GateSpec>,
    /// Before the promotion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirm_promotion: Option<GateSpec>,
    /// Asked all the while; its yes ends the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<GateSpec>,
}

/// `hooks`. A release waits for `beforeDeploy` and `beforeTraffic`, and is refused when they fail; the others follow what happened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HooksSpec {
    /// Before the candidate's instances start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_deploy: Option<HookSpec>,
    /// Before the first step that sends users to the candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_traffic: Option<HookSpec>,
    /// The candidate is stable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_promote: Option<HookSpec>,
    /// A run is over without promotion, and no user is on the candidate any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_rollback: Option<HookSpec>,
    /// A release replaces a refused one, or one that could no longer go back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_roll_forward: Option<HookSpec>,
    /// A step was entered: for load tests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_step: Option<HookSpec>,
}

/// Everything that is asked and done around a release.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Around {
    /// What goes among the steps.
    pub(crate) places: Places,
    /// What is asked all the while.
    pub(crate) rollback: Option<CallSpec>,
    /// What follows events.
    pub(crate) hooks: Vec<Hook>,
}

/// Gates and hooks with their defaults, every problem noted.
pub(crate) fn around(gates: Option<&GatesSpec>, hooks: Option<&HooksSpec>, names: &mut RuleNames, problems: &mut Problems) -> Around {
    let (gates, hooks) = (gates.cloned().unwrap_or_default(), hooks.cloned().unwrap_or_default());
    let rollback = rollback(gates.rollback.as_ref(), names, problems);
    let mut gate = |field: &str, spec: &Option<GateSpec>| {
        spec.as_ref().and_then(|spec| spec.call(CallKind::Gate, Naming::Field(field), &format!("spec.gates.{field}"), names, problems))
    };
    let confirm_rollout = gate("confirmRollout", &gates.confirm_rollout);
    let confirm_step = gate("confirmStep", &gates.confirm_step);
    let confirm_promotion = gate("confirmPromotion", &gates.confirm_promotion);
    let mut hook = |field: &str, spec: &Option<HookSpec>| {
        spec.as_ref().and_then(|spec| spec.call(Naming::Field(field), &format!("spec.hooks.{field}"), names, problems))
    };
    let before_deploy = hook("beforeDeploy", &hooks.before_deploy);
    let before_traffic = hook("beforeTraffic", &hooks.before_traffic);
    let after = [
        (HookPoint::AfterPromote, "afterPromote", &hooks.after_promote),
        (HookPoint::OnRollback, "onRollback", &hooks.on_rollback),
        (HookPoint::OnRollForward, "onRollForward", &hooks.on_roll_forward),
        (HookPoint::OnStep, "onStep", &hooks.on_step),
    ];
    let hooks = after.into_iter().filter_map(|(on, field, spec)| Some(Hook { on, call: hook(field, spec)? })).collect();
    Around { places: Places { confirm_rollout, confirm_step, confirm_promotion, before_deploy, before_traffic }, rollback, hooks }
}

fn rollback(spec: Option<&GateSpec>, names: &mut RuleNames, problems: &mut Problems) -> Option<CallSpec> {
    let (spec, path) = (spec?, "spec.gates.rollback");
    if spec.webhook.is_none() {
        problems.add(path, "has no receiver to ask: write webhook: {url: ...}; a person goes back with `shunt abort`");
        return None;
    }
    spec.call(CallKind::Rollback, Naming::Field("rollback"), path, names, problems)
}
