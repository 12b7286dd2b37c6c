//! Steps: jumps, waits without end, copies with consequences.

use shunt_filter_core::Weight;

use super::Lint;
use crate::plan::Step;

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
                Step::Pause(None) => {
                    let message = "waits until somebody runs `shunt promote`: write a duration if nobody should have to";
                    self.warn(path, message);
                }
                Step::Mirror(mirror) if mirror.unsafe_methods && mirror.weight > Weight::ZERO => {
                    let message = "also copies requests that change something, such as POST: be sure that the candidate's copies change nothing that counts";
                    self.warn(format!("{path}.unsafeMethods"), message);
                }
                _ => {}
            }
        }
        if weight < JUMP {
            let weight = weight.as_percent();
            let message = format!(
                "after the last step everybody gets the candidate at once, from {weight} % on: add steps such as {{setWeight: 25}}, {{setWeight: 50}}"
            );
            self.warn("spec.strategy", message);
        }
    }

    fn set_weight(&mut self, path: &str, before: Weight, next: Weight, following: Option<&Step>) {
        let (from, to) = (before.as_percent(), next.as_percent());
        if next == Weight::ALL && before < JUMP {
            self.warn(path, format!("everybody gets the candidate at once, from {from} % on: add steps such as {{setWeight: 25}}, {{setWeight: 50}} before it"));
        } else if next == before && next > Weight::ZERO {
            self.warn(path, format!("is {to} as before, so nothing changes: remove it"));
        }
        if matches!(following, Some(Step::SetWeight(_))) && next < Weight::ALL {
            let message = "is followed by another weight at once, so it is not looked at: add {pause: {duration: 5m}} or {analysis: {duration: 5m}} after it";
            self.warn(path, message);
        }
    }
}
