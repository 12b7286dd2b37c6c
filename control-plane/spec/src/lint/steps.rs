//! Steps: jumps, waits without end, copies with consequences.

use shunt_filter_core::Weight;

use super::Lint;
use crate::plan::{Role, Scale, Step, Strategy};

/// Everybody after less than this is a jump.
const JUMP: Weight = Weight::ppm(250_000);

impl Lint<'_> {
    pub(super) fn steps(&mut self) {
        let plan = self.plan;
        let mut weight = Weight::ZERO;
        for (index, step) in plan.steps.iter().enumerate() {
            let path = self.step_path(index);
            match step {
                Step::SetWeight(next) => {
                    self.set_weight(&path, weight, *next, plan.steps.get(index.saturating_add(1)));
                    weight = *next;
                }
                Step::AbTest(test) => weight = test.arms.iter().find(|arm| arm.version == plan.release).map_or(weight, |arm| arm.weight),
                Step::Experiment(experiment) => weight = experiment.weight,
                Step::Conclude => weight = Weight::ALL,
                Step::Pause(None) => {
                    let message = "waits until an operator runs `shunt promote`: write a duration if no operator should have to";
                    self.warn(path, message);
                }
                Step::Mirror(mirror) if mirror.unsafe_methods && mirror.weight > Weight::ZERO => {
                    let message = "also copies requests that change something, such as POST: be sure that the candidate's copies change nothing that counts";
                    self.warn(format!("{path}.unsafeMethods"), message);
                }
                _ => {}
            }
        }
        self.jump_at_the_end(weight);
        self.instances();
    }

    fn jump_at_the_end(&mut self, weight: Weight) {
        // The others give everybody the candidate at once because that is what they are for.
        let list = match self.plan.strategy {
            Strategy::Canary => true,
            Strategy::Shadow => self.steps.iter().any(|path| path.ends_with("then[0]") || path.contains("then[0].")),
            Strategy::Recreate | Strategy::RollingUpdate | Strategy::BlueGreen | Strategy::AbTest => false,
        };
        if list && weight < JUMP {
            let weight = weight.as_percent();
            let message = format!(
                "after the last step everybody gets the candidate at once, from {weight} % on: add steps such as {{setWeight: 25}}, {{setWeight: 50}}"
            );
            self.warn("spec.strategy", message);
        }
    }

    /// A share of users larger than that of the instances that they get.
    fn instances(&mut self) {
        let plan = self.plan;
        let mut share = Weight::ALL;
        for (index, step) in plan.steps.iter().enumerate() {
            match step {
                Step::Scale(Scale { role: Role::Candidate, share: next }) => share = *next,
                Step::SetWeight(weight) if *weight > share => {
                    let (weight, share) = (weight.as_percent(), share.as_percent());
                    let message = format!(
                        "gives {weight} % of users to {share} % of the instances: put a scale step with {weight}% or more before it"
                    );
                    self.warn(self.step_path(index), message);
                }
                _ => {}
            }
        }
    }

    fn set_weight(&mut self, path: &str, before: Weight, next: Weight, following: Option<&Step>) {
        let (from, to) = (before.as_percent(), next.as_percent());
        let straight_on = matches!(following, Some(Step::SetWeight(_))) && next < Weight::ALL;
        if !path.contains('[') {
            if straight_on && self.plan.strategy == Strategy::RollingUpdate {
                self.warn(path, "goes from batch to batch at once, so no batch is looked at on the way: write delay, for example 5m");
            }
            return;
        }
        if next == Weight::ALL && before < JUMP {
            self.warn(path, format!("everybody gets the candidate at once, from {from} % on: add steps such as {{setWeight: 25}}, {{setWeight: 50}} before it"));
        } else if next == before && next > Weight::ZERO {
            self.warn(path, format!("is {to} as before, so nothing changes: remove it"));
        }
        if straight_on {
            let message = "is followed by another weight at once, so it is not looked at: add {pause: {duration: 5m}} or {analysis: {duration: 5m}} after it";
            self.warn(path, message);
        }
    }
}
