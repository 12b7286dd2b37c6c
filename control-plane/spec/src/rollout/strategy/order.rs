//! What must hold from step to step: weights only grow, no step jumps where that is forbidden, and few users see what has not passed.

use shunt_filter_core::Weight;

use super::{Placed, Terms};
use crate::plan::Step;
use crate::problems::Problems;

/// Weights only grow: giving keys back within a run is what abort is for.
pub(super) fn growing(steps: &[Placed], terms: &Terms<'_>, problems: &mut Problems) {
    let mut before: Option<(&Placed, Weight)> = None;
    for placed in steps {
        let Some(weight) = terms.weight_after(&placed.step) else { continue };
        if let Some((earlier, last)) = before.filter(|(_, last)| weight < *last) {
            let (weight, last) = (weight.as_percent(), last.as_percent());
            let message = format!(
                "{weight} is less than {last} in {}: weights of a release must not go down; write {last} or more",
                short(&earlier.path)
            );
            problems.add(&placed.path, message);
        }
        before = Some((placed, weight));
    }
}

/// Everybody after less than half, where the mesh policy forbids it.
pub(super) fn jumping(steps: &[Placed], terms: &Terms<'_>, problems: &mut Problems) {
    let Some(why) = &terms.no_jump else { return };
    let mut last = Weight::ZERO;
    for placed in steps {
        let jumps = last.points() < Weight::ALL.points().div_euclid(2);
        match &placed.step {
            Step::Hold => problems
                .add(&placed.path, format!("gives everybody the candidate at once, which is forbidden by {why}: write canary with steps")),
            Step::SetWeight(Weight::ALL) if jumps => {
                let last = last.as_percent();
                problems.add(
                    &placed.path,
                    format!("100 after {last} is forbidden by {why}: add a step of 50 or more before it{}", elsewhere(&placed.path)),
                );
            }
            _ => {}
        }
        last = terms.weight_after(&placed.step).unwrap_or(last);
    }
}

/// A weight above `maxExposed` needs a pass, and nothing can be judged before the first weight, unless a step asks for it.
pub(super) fn exposed(steps: &[Placed], terms: &Terms<'_>, problems: &mut Problems) {
    let most = terms.max_exposed;
    // Told at its own field.
    if most == Weight::ZERO {
        return;
    }
    let before_looks = steps.iter().take_while(|placed| !matches!(placed.step, Step::Analysis(_)));
    let first = before_looks.filter_map(|placed| Some((placed, placed.step.largest_weight()?))).find(|(_, weight)| *weight > Weight::ZERO);
    if let Some((placed, weight)) = first.filter(|(_, weight)| *weight > most) {
        let (weight, most) = (weight.as_percent(), most.as_percent());
        let message = format!(
            "{weight} comes first and is above maxExposed ({most}), so nothing could pass before it: add a step of {most} or less before it{}",
            elsewhere(&placed.path)
        );
        problems.add(&placed.path, message);
    }
}

/// Where steps are not written one by one, none can be added.
fn elsewhere(path: &str) -> &'static str {
    if path.contains('[') { "" } else { " (write canary with steps instead)" }
}

/// `spec.strategy.canary.steps[3].setWeight` -> `steps[3]`.
fn short(path: &str) -> &str {
    path.split('.').rev().find(|part| part.ends_with(']')).or(path.rsplit('.').next()).unwrap_or(path)
}
