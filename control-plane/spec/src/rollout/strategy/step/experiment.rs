//! `experiment`: a fresh baseline and the candidate, of equal size and weight, compared with each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;
use shunt_filter_core::weight::POINTS;

use crate::plan::{ExperimentStep, Role, Scale, Step};
use crate::rollout::strategy::List;
use crate::schema::filter;
use crate::time::Span;

/// Both beside stable for a while.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentSpec {
    /// Percent of keys of each of the two. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "filter::Weight")]
    pub weight: Option<Weight>,
    /// How long. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub duration: Option<Span>,
    /// Instances of the baseline. Default: as many as the candidate has then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<u32>,
}

/// Both take half at most, and stable keeps the rest.
const WEIGHT_MAX: Weight = Weight::ppm(500_000);

impl ExperimentSpec {
    pub(super) fn add(&self, path: &str, list: &mut List<'_>) {
        let Some(full) = list.terms.full() else {
            // With a broken list of versions nothing can be said about what is in it.
            if !list.problems.within("spec.versions") && !list.problems.within("spec.release") {
                list.refuse(path, "starts a fresh copy of stable, and Shunt starts only versions by command: write command in all versions, or setWeight and analysis");
            }
            return;
        };
        match self.weight {
            None | Some(Weight::ZERO) => {
                list.refuse(format!("{path}.weight"), "is missing: write percent of keys of each of the two, for example 5")
            }
            Some(weight) if weight > WEIGHT_MAX => {
                list.refuse(format!("{path}.weight"), format!("{} is for each of the two: write 50 or less", weight.as_percent()));
            }
            Some(_) => {}
        }
        if self.duration.is_none_or(|duration| duration == Span::default()) {
            list.refuse(format!("{path}.duration"), "is missing: write how long the two are compared, for example 30m");
        }
        let instances = self.instances.unwrap_or_else(|| list.instances(full));
        if !(1..=full).contains(&instances) {
            list.refuse(format!("{path}.instances"), format!("{instances} is not possible: write 1 to {full}, which the release has"));
        }
        self.equal(instances, full, path, list);
        let (weight, duration) = (self.weight.unwrap_or_default(), self.duration.unwrap_or_default());
        list.push(path, Step::Experiment(ExperimentStep { weight, duration, instances }));
    }

    /// The two are of equal size: the candidate gets as many instances as the baseline, while no user is on it.
    fn equal(&self, instances: u32, full: u32, path: &str, list: &mut List<'_>) {
        let has = list.instances(full);
        if instances == has {
            return;
        }
        if list.weight() > Weight::ZERO {
            let message = format!("{instances} is not what the candidate has here ({has}), and the two must be of equal size: write {has}");
            return list.refuse(format!("{path}.instances"), message);
        }
        let points = u64::from(instances).saturating_mul(u64::from(POINTS)).checked_div(u64::from(full)).unwrap_or(0);
        let share = Weight::ppm(u32::try_from(points).unwrap_or(POINTS));
        list.push(path, Step::Scale(Scale { role: Role::Candidate, share }));
    }
}
