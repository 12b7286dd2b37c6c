//! `strategy`: how a new release is rolled out.

mod step;

use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;

use crate::manifest::Problems;
use crate::plan::Step;
use crate::rollout::rule::RuleNames;
use crate::time::Span;
pub use step::{AnalysisStepSpec, MirrorSpec, PauseSpec, RuleStepSpec, StepSpec};

/// Exactly one strategy; this version of Shunt knows canary.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StrategySpec {
    /// The steps as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanarySpec>,
}

/// A list of steps; after the last one the candidate is promoted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CanarySpec {
    /// In order. Default: [`default_steps`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<StepSpec>>,
}

/// Most steps of one strategy.
const STEPS_MAX: usize = 100;

/// Who owns the routes, and what the mesh policy allows steps to do.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// Largest share of keys before the analysis has passed once.
    pub(crate) max_exposed: Weight,
    /// The user's own Envoy configuration routes: no copies.
    pub(crate) external: bool,
    /// Why copies are forbidden, if they are.
    pub(crate) no_mirror: Option<String>,
    /// Why copies of requests with other methods than GET, HEAD, OPTIONS are forbidden, if they are.
    pub(crate) no_unsafe_methods: Option<String>,
    /// Why a step must not jump from below half to everybody, if it must not.
    pub(crate) no_jump: Option<String>,
}

/// Weights without a strategy, in points.
const DEFAULT_WEIGHTS: [Weight; 3] = [Weight::ppm(50_000), Weight::ppm(250_000), Weight::ppm(500_000)];
/// How long each of them lasts.
const DEFAULT_PAUSE: Span = Span::seconds(300);

/// Without a strategy: 5, 25, 50 %, five minutes each, then promotion; the analysis guards every step. Starts at `max_exposed` where
/// that is less than 5 %, because nobody can be judged before.
pub fn default_steps(max_exposed: Weight) -> Vec<Step> {
    let first = DEFAULT_WEIGHTS.first().filter(|first| max_exposed < **first).map(|_| max_exposed);
    let weights = first.into_iter().chain(DEFAULT_WEIGHTS);
    weights.flat_map(|weight| [Step::SetWeight(weight), Step::Pause(Some(DEFAULT_PAUSE))]).collect()
}

impl StrategySpec {
    /// The steps, every problem noted. `path` is where this stands in the manifest.
    pub(crate) fn steps(&self, path: &str, terms: &Terms, names: &mut RuleNames, problems: &mut Problems) -> Vec<Step> {
        let Some(canary) = &self.canary else {
            problems.add(path, "names no strategy: write canary: {steps: [...]}, or leave strategy out for the default steps");
            return Vec::new();
        };
        let Some(written) = &canary.steps else {
            return default_steps(terms.max_exposed);
        };
        let path = format!("{path}.canary.steps");
        match written.len() {
            0 => problems.add(&path, "is empty, so nothing would be learned before everybody gets the candidate: leave steps out for the default ones (5, 25, 50 %, 5m each)"),
            n if n > STEPS_MAX => problems.add(&path, format!("has {n} steps: at most {STEPS_MAX} are allowed")),
            _ => {}
        }
        let mut steps = Vec::new();
        for (index, spec) in written.iter().enumerate() {
            steps.push(spec.step(&format!("{path}[{index}]"), terms, names, problems));
        }
        weights(&steps, &path, terms, problems);
        exposed(&steps, &path, terms.max_exposed, problems);
        steps.into_iter().flatten().collect()
    }
}

/// Weights only grow: giving keys back within a run is what abort is for.
fn weights(steps: &[Option<Step>], path: &str, terms: &Terms, problems: &mut Problems) {
    let mut before: Option<(usize, Weight)> = None;
    for (index, step) in steps.iter().enumerate() {
        let Some(Step::SetWeight(weight)) = step else { continue };
        let at = format!("{path}[{index}].setWeight");
        let last = before.map_or(Weight::ZERO, |(_, last)| last);
        if let Some((earlier, last)) = before.filter(|(_, last)| weight < last) {
            problems.add(
                &at,
                format!(
                    "{} is less than {} in steps[{earlier}]: weights of a release must not go down; write {} or more",
                    weight.as_percent(),
                    last.as_percent(),
                    last.as_percent()
                ),
            );
        }
        if let Some(why) = terms.no_jump.as_ref().filter(|_| *weight == Weight::ALL && last.points() < Weight::ALL.points().div_euclid(2)) {
            problems.add(&at, format!("100 after {} is forbidden by {why}: add a step of 50 or more before it", last.as_percent()));
        }
        before = Some((index, *weight));
    }
}

/// A weight above `maxExposed` needs a pass, and nothing can be judged before the first weight.
fn exposed(steps: &[Option<Step>], path: &str, most: Weight, problems: &mut Problems) {
    let first = steps.iter().enumerate().find_map(|(index, step)| match step {
        Some(Step::SetWeight(weight)) if *weight > Weight::ZERO => Some((index, *weight)),
        _ => None,
    });
    if let Some((index, weight)) = first.filter(|(_, weight)| *weight > most) {
        let (weight, most) = (weight.as_percent(), most.as_percent());
        let message = format!(
            "{weight} comes first and is above maxExposed ({most}), so nothing could pass before it: add a step of {most} or less before it"
        );
        problems.add(format!("{path}[{index}].setWeight"), message);
    }
}
