//! `scale`: another number of instances of the candidate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;
use shunt_filter_core::weight::POINTS;

use crate::plan::{Role, Scale, Step};
use crate::rollout::quantity::Amount;
use crate::rollout::strategy::List;

/// How many instances the candidate has from here on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleSpec {
    /// A number of instances, or a share of all. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub candidate: Option<Amount>,
}

impl ScaleSpec {
    pub(super) fn add(&self, path: &str, list: &mut List<'_>) {
        let Some(full) = list.terms.full() else {
            // With a broken list of versions nothing can be said about what is in it.
            if !list.problems.within("spec.versions") && !list.problems.within("spec.release") {
                list.refuse(path, "needs instances that Shunt starts and stops: write command in all versions, or remove the step");
            }
            return;
        };
        let at = format!("{path}.candidate");
        let Some(amount) = self.candidate else {
            return list.refuse(at, "is missing: write a number of instances, or a share of them, for example 50%");
        };
        let instances = amount.up(full);
        if amount.is_zero() {
            return list.refuse(at, "0 leaves no instance to answer: write 1 or more");
        }
        if instances > full {
            return list.refuse(at, format!("{amount} is more than the {full} instances of the release: write {full} or less"));
        }
        let points = u64::from(instances).saturating_mul(u64::from(POINTS)).checked_div(u64::from(full)).unwrap_or(0);
        let share = Weight::ppm(u32::try_from(points).unwrap_or(POINTS));
        list.push(path, Step::Scale(Scale { role: Role::Candidate, share }));
    }
}
