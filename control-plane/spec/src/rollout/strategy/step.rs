//! One step of a strategy, as written and as planned.

mod experiment;
mod mirror;
mod ramp;
mod scale;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;
use shunt_filter_core::matching::Match;

use super::{AbTestSpec, List};
use crate::plan::{PlannedRule, Role, Step};
use crate::rollout::analysis::{MetricSpec, TemplateUse};
use crate::rollout::calls::{GateSpec, HookSpec};
use crate::rollout::rule;
use crate::schema::{ExactlyOne, filter};
use crate::time::Span;
pub use experiment::ExperimentSpec;
pub use mirror::MirrorSpec;
pub use ramp::RampSpec;
pub use scale::ScaleSpec;

/// Exactly one of these; `bake` goes with `setWeight`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ExactlyOne(&["setWeight", "ramp", "scale", "pause", "rule", "mirror", "analysis", "experiment", "abTest", "gate", "hook", "pointOfNoReturn"]))]
pub struct StepSpec {
    /// Percent of keys that go to the candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::Weight>")]
    pub set_weight: Option<Weight>,
    /// How long to stay at that weight. Default: 0s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bake: Option<Span>,
    /// Weights that grow little by little.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ramp: Option<RampSpec>,
    /// Another number of instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<ScaleSpec>,
    /// Wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<PauseSpec>,
    /// A cohort gets the candidate until the run ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleStepSpec>,
    /// Copies of requests go to the candidate, whose answers no user sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<MirrorSpec>,
    /// Wait for a pass of the analysis.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub analysis: Option<AnalysisStepSpec>,
    /// A fresh baseline and the candidate, compared with each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experiment: Option<ExperimentSpec>,
    /// Arms compared by goals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ab_test: Option<AbTestSpec>,
    /// Ask, and go on with a yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<GateSpec>,
    /// Do something, and go on when it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hook: Option<HookSpec>,
    /// From here on there is no way back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point_of_no_return: Option<NoReturnSpec>,
}

/// `pause`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PauseSpec {
    /// How long. Default: until an operator promotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
}

/// `analysis`, as a step, and in other strategies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisStepSpec {
    /// How long to analyse at least. Default: only as long as a pass takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<Span>,
    /// Metrics of this step alone, each with a source, beside those of `spec.analysis`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Vec<MetricSpec>>,
    /// Templates of this step alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub templates: Option<Vec<TemplateUse>>,
}

/// `pointOfNoReturn: {}`: nothing to set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoReturnSpec {}

/// `rule`, as a step: its version is always the candidate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuleStepSpec {
    /// Its name in decisions and counters. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// Any of these. Required.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<filter::Match>")]
    pub matches: Option<Vec<Match>>,
    /// Percent of the matching keys. Default: 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::Weight>")]
    pub weight: Option<Weight>,
}

/// The one thing that a step does.
#[derive(Debug, Clone, Copy)]
enum Written<'s> {
    SetWeight(Weight),
    Ramp(&'s RampSpec),
    Scale(&'s ScaleSpec),
    Pause(&'s PauseSpec),
    Rule(&'s RuleStepSpec),
    Mirror(&'s MirrorSpec),
    Analysis(&'s AnalysisStepSpec),
    Experiment(&'s ExperimentSpec),
    AbTest(&'s AbTestSpec),
    Gate(&'s GateSpec),
    Hook(&'s HookSpec),
    PointOfNoReturn,
}

impl StepSpec {
    /// The steps that this one becomes, every problem noted. `path` is where it stands in the manifest.
    pub(super) fn add(&self, path: &str, list: &mut List<'_>) {
        let written = self.written();
        let (name, one) = match written.as_slice() {
            [one] => *one,
            [] => {
                let message = "does nothing: write one of setWeight, ramp, scale, pause, rule, mirror, analysis, experiment, abTest, gate, hook, pointOfNoReturn (a pause without duration is pause: {})";
                return list.refuse(path, message);
            }
            several => {
                let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
                return list.refuse(path, format!("has {}: a step does one thing, make one step of each", names.join(" and ")));
            }
        };
        if self.bake.is_some() && self.set_weight.is_none() {
            list.refuse(format!("{path}.bake"), "is how long a setWeight lasts: write pause: {duration: ..}");
        }
        let at = format!("{path}.{name}");
        match one {
            Written::SetWeight(weight) => self.set_weight(weight, path, list),
            Written::Ramp(ramp) => ramp.add(&at, list),
            Written::Scale(scale) => scale.add(&at, list),
            Written::Pause(pause) => pause.add(&at, list),
            Written::Rule(rule) => rule.add(&at, list),
            Written::Mirror(mirror) => mirror.add(&at, list),
            Written::Analysis(analysis) => list.analysis(at, analysis),
            Written::Experiment(experiment) => experiment.add(&at, list),
            Written::AbTest(test) => test.add(&at, list),
            Written::Gate(gate) => {
                let step = gate.step(&at, list.names, list.problems);
                list.extend(&at, step);
            }
            Written::Hook(hook) => {
                let step = hook.step(&at, list.names, list.problems);
                list.extend(&at, step);
            }
            Written::PointOfNoReturn => list.push(at, Step::PointOfNoReturn),
        }
    }

    fn written(&self) -> Vec<(&'static str, Written<'_>)> {
        let all = [
            ("setWeight", self.set_weight.map(Written::SetWeight)),
            ("ramp", self.ramp.as_ref().map(Written::Ramp)),
            ("scale", self.scale.as_ref().map(Written::Scale)),
            ("pause", self.pause.as_ref().map(Written::Pause)),
            ("rule", self.rule.as_ref().map(Written::Rule)),
            ("mirror", self.mirror.as_ref().map(Written::Mirror)),
            ("analysis", self.analysis.as_ref().map(Written::Analysis)),
            ("experiment", self.experiment.as_ref().map(Written::Experiment)),
            ("abTest", self.ab_test.as_ref().map(Written::AbTest)),
            ("gate", self.gate.as_ref().map(Written::Gate)),
            ("hook", self.hook.as_ref().map(Written::Hook)),
            ("pointOfNoReturn", self.point_of_no_return.map(|_| Written::PointOfNoReturn)),
        ];
        all.into_iter().filter_map(|(name, written)| Some((name, written?))).collect()
    }

    fn set_weight(&self, weight: Weight, path: &str, list: &mut List<'_>) {
        list.push(format!("{path}.setWeight"), Step::SetWeight(weight));
        let bake = format!("{path}.bake");
        match self.bake {
            Some(span) if span == Span::default() => list.refuse(bake, "0s does not wait: remove it"),
            Some(span) => list.push(bake, Step::Pause(Some(span))),
            None => {}
        }
    }
}

impl PauseSpec {
    fn add(&self, path: &str, list: &mut List<'_>) {
        if self.duration == Some(Span::millis(0)) {
            list.refuse(
                format!("{path}.duration"),
                "0s does not wait: remove the step, or write pause: {} to wait until an operator promotes",
            );
        }
        list.push(path, Step::Pause(self.duration));
    }
}

impl RuleStepSpec {
    fn add(&self, path: &str, list: &mut List<'_>) {
        let name = rule::name(self.name.as_deref(), path, list.names, list.problems);
        let matches = rule::matches(self.matches.as_deref(), path, list.problems);
        let weight = rule::weight(self.weight, path, list.problems);
        if let (Some(name), Some(matches)) = (name, matches) {
            list.push(path, Step::Rule(PlannedRule { name, matches, version: None, role: Role::Candidate, weight }));
        }
    }
}
