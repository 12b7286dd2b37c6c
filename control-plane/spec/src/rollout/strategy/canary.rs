//! `canary`: the steps as written, or the default ones.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;

use super::{List, StepSpec};
use crate::plan::Step;
use crate::time::Span;

/// A list of steps; after the last one the candidate is promoted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CanarySpec {
    /// In order. Default: [`default_steps`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub steps: Option<Vec<StepSpec>>,
}

/// Most steps of one strategy.
const STEPS_MAX: usize = 100;
/// Weights without a strategy, in points.
const DEFAULT_WEIGHTS: [Weight; 3] = [Weight::ppm(50_000), Weight::ppm(250_000), Weight::ppm(500_000)];
/// How long each of them lasts.
const DEFAULT_PAUSE: Span = Span::seconds(300);

/// Without a strategy: 5, 25, 50 %, five minutes each, then promotion; the analysis guards every step. Starts at `max_exposed` where
/// that is less than 5 %, because nothing can be judged before.
pub fn default_steps(max_exposed: Weight) -> Vec<Step> {
    let first = DEFAULT_WEIGHTS.first().filter(|first| max_exposed < **first).map(|_| max_exposed);
    let weights = first.into_iter().chain(DEFAULT_WEIGHTS);
    weights.flat_map(|weight| [Step::SetWeight(weight), Step::Pause(Some(DEFAULT_PAUSE))]).collect()
}

impl CanarySpec {
    pub(super) fn add(&self, path: &str, list: &mut List<'_>) {
        let path = format!("{path}.steps");
        match &self.steps {
            None => list.extend(&path, default_steps(list.terms.max_exposed)),
            Some(written) => written_steps(written, &path, list),
        }
    }
}

/// Steps one by one. `path` is where their list stands in the manifest.
pub(super) fn written_steps(written: &[StepSpec], path: &str, list: &mut List<'_>) {
    match written.len() {
        0 => list.refuse(
            path,
            "is empty, so nothing would be learned before everybody gets the candidate: write at least one step, or leave canary's steps out for the default ones (5, 25, 50 %, 5m each)",
        ),
        n if n > STEPS_MAX => list.refuse(path, format!("has {n} steps: at most {STEPS_MAX} are allowed")),
        _ => {}
    }
    for (index, spec) in written.iter().enumerate() {
        spec.add(&format!("{path}[{index}]"), list);
    }
}
