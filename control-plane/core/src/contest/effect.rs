//! What people read of each arm and goal.

use shunt_filter_core::policy::Goal;

use super::Effect;
use super::lift::Lift;
use super::people::People;
use crate::analysis::number;
use crate::plan::AbTestStep;

/// Probability of a wrong winner over the whole test.
const ALPHA: f64 = 0.05;

/// What each of the comparisons may be wrong with: all pairs of versions, in all goals (Bonferroni).
pub(super) fn alpha(test: &AbTestStep, versions: usize) -> f64 {
    let pairs = versions.saturating_mul(versions.saturating_sub(1)).div_euclid(2);
    ALPHA / pairs.saturating_mul(test.goals.len()).max(1) as f64
}

/// Each arm against stable, the first of `people`, goal by goal.
pub(super) fn effects(test: &AbTestStep, people: &[People<'_>]) -> Vec<Effect> {
    let Some((control, arms)) = people.split_first() else { return Vec::new() };
    let alpha = alpha(test, people.len());
    let goals = || test.goals.iter().enumerate();
    let of = |arm: &People<'_>, (index, goal): (usize, &Goal)| {
        let Lift { difference, low, high, .. } = Lift::of(arm, control, index, alpha);
        let (value, baseline) = (rate(arm, index), rate(control, index));
        Effect { version: arm.version.clone(), goal: goal.name.clone(), value, baseline, difference, low, high }
    };
    arms.iter().flat_map(|arm| goals().map(move |goal| of(arm, goal))).collect()
}

/// `57 of 1203 (4.7 %)`.
fn rate(people: &People<'_>, goal: usize) -> String {
    let (part, of) = (people.converted(goal).round(), people.users().round());
    if of == 0.0 {
        return "nobody yet".to_owned();
    }
    format!("{part} of {of} ({})", number::percent(100.0 * part / of))
}

/// `+0.7 points (-0.9 to +2.3)`.
pub(super) fn points(effect: &Effect) -> String {
    format!("{:+.1} points ({:+.1} to {:+.1})", effect.difference, effect.low, effect.high)
}
