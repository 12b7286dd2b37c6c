//! `ramp`: weights that grow little by little.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;

use crate::plan::Step;
use crate::rollout::strategy::List;
use crate::schema::filter;
use crate::time::Span;

/// From one weight to another, in stages of equal length.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RampSpec {
    /// Percent of keys at the first stage. Default: one stage above what the candidate has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::Weight>")]
    pub from: Option<Weight>,
    /// Percent of keys at the last stage. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "filter::Weight")]
    pub to: Option<Weight>,
    /// How long all stages take together. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub over: Option<Span>,
}

/// Fewest and most stages: each takes a proof, and starts the comparison with stable anew.
const STAGES: (u64, u64) = (2, 20);
/// As long as a stage is where there are neither too few nor too many.
const STAGE: Span = Span::seconds(60);
/// Weights between the two ends are whole slots of the hash space, in points.
const SLOT: u32 = 100;

impl RampSpec {
    pub(super) fn add(&self, path: &str, list: &mut List<'_>) {
        if self.to.is_none() {
            list.refuse(format!("{path}.to"), "is missing: write the weight at the end, for example 50");
        }
        if self.over.is_none_or(|over| over == Span::default()) {
            list.refuse(format!("{path}.over"), "is missing: write how long it takes, for example 20m");
        }
        let (Some(to), Some(over)) = (self.to, self.over) else { return };
        let before = self.from.unwrap_or_else(|| list.weight());
        if to <= before {
            let (to_percent, before) = (to.as_percent(), before.as_percent());
            list.refuse(format!("{path}.to"), format!("{to_percent} is not above {before}, where it begins: write more"));
            return;
        }
        let stages = over.0.div_euclid(STAGE.0).clamp(STAGES.0, STAGES.1);
        let pause = Span::millis(over.0.checked_div(stages).unwrap_or(0));
        for weight in weights(self.from, before, to, stages) {
            list.extend(path, [Step::SetWeight(weight), Step::Pause(Some(pause))]);
        }
    }
}

/// So many weights that grow evenly, the last one `to`; the first one `from` where it is written.
fn weights(from: Option<Weight>, before: Weight, to: Weight, stages: u64) -> Vec<Weight> {
    // Where the first weight is not written, the ramp begins a stage above what there was.
    let (first, parts) = if from.is_some() { (0, stages.saturating_sub(1)) } else { (1, stages) };
    let distance = u64::from(to.points().saturating_sub(before.points()));
    let at = |part: u64| {
        let points = distance.saturating_mul(part).checked_div(parts).unwrap_or(0);
        let exact = before.points().saturating_add(u32::try_from(points).unwrap_or(0));
        let even = exact.saturating_sub(exact.checked_rem(SLOT).unwrap_or(0));
        Weight::ppm(if part == 0 || part == parts || even <= before.points() { exact } else { even })
    };
    let mut weights: Vec<Weight> = (first..=parts).map(at).collect();
    weights.dedup();
    weights
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn percent(weights: &[Weight]) -> Vec<f64> {
        weights.iter().map(|weight| weight.as_percent()).collect()
    }

    #[test_case(Some(10_000), 10_000, 500_000, 2, &[1.0, 50.0]; "both ends")]
    #[test_case(Some(10_000), 10_000, 500_000, 4, &[1.0, 17.33, 33.66, 50.0]; "whole slots between")]
    #[test_case(None, 0, 500_000, 5, &[10.0, 20.0, 30.0, 40.0, 50.0]; "from nothing")]
    #[test_case(None, 100_000, 500_000, 4, &[20.0, 30.0, 40.0, 50.0]; "from what there is")]
    #[test_case(Some(0), 0, 3, 20, &[0.0, 0.0001, 0.0002, 0.0003]; "finer than slots")]
    fn stages(from: Option<u32>, before: u32, to: u32, stages: u64, expected: &[f64]) {
        assert_eq!(percent(&weights(from.map(Weight::ppm), Weight::ppm(before), Weight::ppm(to), stages)), expected);
    }

    #[test]
    fn every_ramp_grows_and_ends_where_it_says() {
        for stages in 2..=20 {
            for before in [0, 1, 99, 100, 10_000, 123_456] {
                for to in [before + 1, before + 50, before + 12_345, 1_000_000] {
                    for from in [None, Some(Weight::ppm(before))] {
                        let weights = weights(from, Weight::ppm(before), Weight::ppm(to), stages);
                        assert!(weights.is_sorted() && weights.last() == Some(&Weight::ppm(to)), "{before} {to} {stages}: {weights:?}");
                        assert!(from.is_none() || weights.first() == from.as_ref(), "{before} {to} {stages}: {weights:?}");
                    }
                }
            }
        }
    }
}
