//! One step of a strategy, as written and as planned.

use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;
use shunt_filter_core::matching::Match;
use shunt_filter_core::policy::MIRROR_BODY_MAX;

use super::Terms;
use crate::manifest::Problems;
use crate::plan::{MirrorStep, PlannedRule, Role, Step};
use crate::rollout::calls::{GateSpec, HookSpec};
use crate::rollout::quantity::Size;
use crate::rollout::rule::{self, RuleNames};
use crate::time::Span;

/// Exactly one of these.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepSpec {
    /// Percent of keys that go to the candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_weight: Option<Weight>,
    /// Wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<PauseSpec>,
    /// A cohort gets the candidate until the run ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleStepSpec>,
    /// Copies of requests go to the candidate, whose answers nobody sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<MirrorSpec>,
    /// Wait for a pass of the analysis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<AnalysisStepSpec>,
    /// Ask, and go on with a yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateSpec>,
    /// Do something, and go on when it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook: Option<HookSpec>,
}

/// `pause`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseSpec {
    /// How long. Default: until somebody promotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
}

/// `analysis`, as a step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalysisStepSpec {
    /// How long to look at least. Default: only as long as a pass takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
}

/// `rule`, as a step: its version is always the candidate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleStepSpec {
    /// Its name in decisions and counters. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Any of these. Required.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<Vec<Match>>,
    /// Percent of the matching keys. Default: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
}

/// `mirror`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MirrorSpec {
    /// Percent of requests copied; 0 ends an earlier mirror. Default: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<Weight>,
    /// Any of these. Default: every request.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<Vec<Match>>,
    /// Also methods other than GET, HEAD, OPTIONS. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsafe_methods: Option<bool>,
    /// Requests with a longer body are not copied. Default: 64KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_body: Option<Size>,
}

/// Larger bodies could hang the original when the copy stalls: the proxy buffers no more than this.
const MAX_BODY: Size = Size::bytes(512 * 1024);

impl StepSpec {
    pub(super) fn step(&self, path: &str, terms: &Terms, names: &mut RuleNames, problems: &mut Problems) -> Option<Step> {
        match (&self.gate, &self.hook, self.written().as_slice()) {
            (Some(gate), None, [_]) => return gate.step(&format!("{path}.gate"), names, problems),
            (None, Some(hook), [_]) => return hook.step(&format!("{path}.hook"), names, problems),
            _ => {}
        }
        match (self.set_weight, &self.pause, &self.rule, &self.mirror, &self.analysis) {
            (Some(weight), None, None, None, None) => Some(Step::SetWeight(weight)),
            (None, Some(pause), None, None, None) => pause.step(path, problems),
            (None, None, Some(rule), None, None) => rule.step(&format!("{path}.rule"), names, problems),
            (None, None, None, Some(mirror), None) => mirror.step(&format!("{path}.mirror"), terms, problems),
            (None, None, None, None, Some(analysis)) => Some(Step::Analysis(analysis.duration.unwrap_or_default())),
            (None, None, None, None, None) if self.written().is_empty() => {
                problems.add(
                    path,
                    "does nothing: write one of setWeight, pause, rule, mirror, analysis, gate, hook (a pause without duration is pause: {})",
                );
                None
            }
            _ => {
                problems.add(path, format!("has {}: a step does one thing, make one step of each", self.written().join(" and ")));
                None
            }
        }
    }

    fn written(&self) -> Vec<&'static str> {
        let all = [
            ("setWeight", self.set_weight.is_some()),
            ("pause", self.pause.is_some()),
            ("rule", self.rule.is_some()),
            ("mirror", self.mirror.is_some()),
            ("analysis", self.analysis.is_some()),
            ("gate", self.gate.is_some()),
            ("hook", self.hook.is_some()),
        ];
        all.into_iter().filter(|(_, written)| *written).map(|(name, _)| name).collect()
    }
}

impl PauseSpec {
    fn step(&self, path: &str, problems: &mut Problems) -> Option<Step> {
        if self.duration == Some(Span::millis(0)) {
            problems.add(
                format!("{path}.pause.duration"),
                "0s does not wait: remove the step, or write pause: {} to wait until somebody promotes",
            );
        }
        Some(Step::Pause(self.duration))
    }
}

impl RuleStepSpec {
    fn step(&self, path: &str, names: &mut RuleNames, problems: &mut Problems) -> Option<Step> {
        let name = rule::name(self.name.as_deref(), path, names, problems);
        let matches = rule::matches(self.matches.as_deref(), path, problems);
        let weight = rule::weight(self.weight, path, problems);
        Some(Step::Rule(PlannedRule { name: name?, matches: matches?, version: None, role: Role::Candidate, weight }))
    }
}

impl MirrorSpec {
    fn step(&self, path: &str, terms: &Terms, problems: &mut Problems) -> Option<Step> {
        if terms.external {
            problems.add(path, "needs routes that Shunt owns: give the versions endpoints instead of cluster, or remove the step");
            return None;
        }
        let step = MirrorStep {
            weight: self.weight.unwrap_or(Weight::ALL),
            matches: self.matches.clone().unwrap_or_default(),
            unsafe_methods: self.unsafe_methods.unwrap_or(false),
            max_body_bytes: self.max_body.map_or(MIRROR_BODY_MAX, Size::value),
        };
        if let Some(why) = terms.no_mirror.as_ref().filter(|_| step.weight > Weight::ZERO) {
            problems.add(path, format!("is forbidden by {why}: remove the step"));
        }
        if let Some(why) = terms.no_unsafe_methods.as_ref().filter(|_| step.unsafe_methods) {
            problems.add(format!("{path}.unsafeMethods"), format!("is forbidden by {why}: remove it"));
        }
        if let Some(size) = self.max_body.filter(|size| *size > MAX_BODY) {
            problems.add(
                format!("{path}.maxBody"),
                format!("{size} is too large, a stalled copy could hang the original: write {MAX_BODY} or less"),
            );
        }
        Some(Step::Mirror(step))
    }
}
