//! What people read of each arm and goal.

use shunt_spec::plan::external_metrics::Value;
use shunt_spec::plan::{AbTestStep, TestGoal};

use super::external::Figures;
use super::lift::Lift;
use super::participants::Participants;
use super::{Effect, Unit};
use crate::analysis::number;

/// Probability of a wrong winner over the whole test.
const ALPHA: f64 = 0.05;

/// What each of the comparisons may be wrong with: all pairs of versions, in all goals (Bonferroni).
pub(super) fn alpha(test: &AbTestStep, versions: usize) -> f64 {
    let pairs = versions.saturating_mul(versions.saturating_sub(1)).div_euclid(2);
    ALPHA / pairs.saturating_mul(test.goals.len()).max(1) as f64
}

/// Each arm against stable, the first of `participants`, goal by goal.
pub(super) fn effects(test: &AbTestStep, participants: &[Participants<'_>]) -> Vec<Effect> {
    let Some((control, arms)) = participants.split_first() else { return Vec::new() };
    let alpha = alpha(test, participants.len());
    let goals = || test.goals.iter().enumerate();
    let of = |arm: &Participants<'_>, (index, goal): (usize, &TestGoal)| {
        let Lift { difference, low, high, .. } = Lift::of(arm, control, index, alpha);
        let (value, baseline) = (rate(arm, index), rate(control, index));
        Effect {
            version: arm.version.clone(),
            goal: goal.name().to_owned(),
            value,
            baseline,
            unit: unit(arm, index),
            difference,
            low,
            high,
        }
    };
    arms.iter().flat_map(|arm| goals().map(move |goal| of(arm, goal))).collect()
}

fn unit(participants: &Participants<'_>, goal: usize) -> Unit {
    match participants.external(goal) {
        Some(Figures::Mean { .. }) => Unit::Value,
        Some(Figures::Share { .. }) | None => Unit::Points,
    }
}

/// `57 of 1203 (4.7 %)`, or `12.4 (of 1203)`.
fn rate(participants: &Participants<'_>, goal: usize) -> String {
    let (part, of) = match participants.external(goal) {
        Some(Figures::Mean { users, mean, .. }) if users > 0.0 => return format!("{} (of {:.0})", Value::Number(mean), users),
        Some(Figures::Mean { users, .. }) => (0.0, users),
        Some(Figures::Share { users, successes }) => (successes.round(), users.round()),
        None => (participants.converted(goal).round(), participants.users().round()),
    };
    if of == 0.0 {
        return "no users yet".to_owned();
    }
    format!("{part} of {of} ({})", number::percent(100.0 * part / of))
}

/// `+0.7 points (-0.9 to +2.3)`, or `+0.31 (-0.02 to +0.64)`.
pub(super) fn points(effect: &Effect) -> String {
    if effect.unit == Unit::Value {
        let signed = |number: f64| format!("{}{}", if number > 0.0 { "+" } else { "" }, Value::Number(number));
        return format!("{} ({} to {})", signed(effect.difference), signed(effect.low), signed(effect.high));
    }
    format!("{:+.1} points ({:+.1} to {:+.1})", effect.difference, effect.low, effect.high)
}
