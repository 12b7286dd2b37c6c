//! What a run exposes: one set of questions for what is wanted, what is judged and what is measured.

use shunt_filter_core::Weight;
use shunt_spec::plan::{Plan, Step};

use super::{Run, Stage};

impl Run {
    /// Whether users may be sent to its candidate: also while it waits for its candidate but has the keys of the run that it replaces,
    /// and while an abort gives stable its instances back.
    pub fn exposes(&self) -> bool {
        match self.stage {
            Stage::Preparing => self.forward_from.is_some(),
            Stage::Restoring(_) => true,
            Stage::AwaitingPrerequisites { .. }
            | Stage::Applying { .. }
            | Stage::Holding { .. }
            | Stage::Shifting
            | Stage::Switching
            | Stage::Clearing(_)
            | Stage::Reverting(_)
            | Stage::Draining(_) => self.is_judged(),
        }
    }

    /// Whether its candidate is judged: it is exposed on the way forward.
    pub fn is_judged(&self) -> bool {
        match self.stage {
            Stage::AwaitingPrerequisites { .. } | Stage::Applying { .. } | Stage::Holding { .. } | Stage::Shifting | Stage::Switching => {
                true
            }
            Stage::Preparing | Stage::Clearing(_) | Stage::Restoring(_) | Stage::Reverting(_) | Stage::Draining(_) => false,
        }
    }

    /// Whether candidate and stable both have keys of the split, so that they can be compared.
    pub fn is_compared(&self) -> bool {
        self.is_judged() && self.weight > Weight::ZERO && self.weight < Weight::ALL
    }

    /// The steps whose rules, copies and weights are in force.
    pub fn steps_in_force<'p>(&self, plan: &'p Plan) -> &'p [Step] {
        match self.stage {
            // The step itself has not begun.
            Stage::AwaitingPrerequisites { step } => plan.steps.get(..step).unwrap_or(&plan.steps),
            Stage::Applying { step } | Stage::Holding { step } => plan.steps.get(..=step).unwrap_or(&plan.steps),
            // Cohorts and copies stay until the candidate is stable, so that no user in them changes version twice: after `setWeight: 100` a
            // promotion then changes nothing here, and what is proved stays proved.
            Stage::Shifting | Stage::Switching => &plan.steps,
            Stage::Preparing | Stage::Clearing(_) | Stage::Restoring(_) | Stage::Reverting(_) | Stage::Draining(_) => &[],
        }
    }

    /// Whether a user, or a copy, has been sent to its candidate, so that a metric of the whole release is measured.
    pub fn has_reached_candidate(&self, plan: &Plan) -> bool {
        match self.stage {
            Stage::Shifting | Stage::Switching => true,
            Stage::AwaitingPrerequisites { .. } | Stage::Applying { .. } | Stage::Holding { .. } => {
                self.weight > Weight::ZERO || self.steps_in_force(plan).iter().any(Step::exposes)
            }
            Stage::Preparing | Stage::Clearing(_) | Stage::Restoring(_) | Stage::Reverting(_) | Stage::Draining(_) => false,
        }
    }
}
