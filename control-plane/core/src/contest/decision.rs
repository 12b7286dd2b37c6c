//! What can be said of a test, in one sentence with its numbers.

use std::collections::BTreeMap;

use shunt_spec::plan::{AbTestStep, TestGoal};

use super::effect::{alpha, points};
use super::external::{ExternalFigures, Figures};
use super::lift::{self, Lift};
use super::participants::Participants;
use super::sequential_multinomial::{Draws, ln_blind, ln_spread};
use super::{ContestOutcome, Effect};
use crate::analysis::number;

/// 1/α of the check of the sample ratio: 0.1 %.
const MISMATCH: f64 = 1_000.0;

/// Spreads of shares that the check looks for: from gross errors to a few in a hundred. It looks at their mean.
const CONCENTRATIONS: [f64; 3] = [100.0, 1_000.0, 10_000.0];

/// Users that every version must have met before anything is said.
const MIN_USERS: f64 = 100.0;

/// The outcome and its sentence. The first of `participants` is stable, the control; `effects` are those of the others.
pub(super) fn decide(
    test: &AbTestStep,
    participants: &[Participants<'_>],
    effects: &[Effect],
    external: &BTreeMap<String, ExternalFigures>,
) -> (ContestOutcome, String) {
    if let Some(message) = mismatch(participants) {
        return (ContestOutcome::SampleRatioMismatch, message);
    }
    let Some((control, arms)) = participants.split_first().filter(|_| !test.goals.is_empty()) else {
        return (ContestOutcome::NotEnoughData, "there is nothing to compare".to_owned());
    };
    if let Some(lacking) = participants.iter().find(|participants| participants.users() < MIN_USERS) {
        let message =
            format!("not enough data: {} has met {:.0} of the {MIN_USERS} users needed", lacking.version, lacking.users().floor());
        return (ContestOutcome::NotEnoughData, message);
    }
    if let Some(missing) = missing(test, participants, external) {
        return missing;
    }
    let pairs = Pairs { test, alpha: alpha(test, participants.len()), effects };
    let refused: Vec<Refused<'_>> = arms.iter().filter_map(|arm| pairs.refused(arm, control)).collect();
    let left = || participants.iter().filter(|participants| refused.iter().all(|refused| refused.version != participants.version.as_str()));
    let state = pairs.sentence();
    let worse: String =
        refused.iter().map(|refused| format!("; {} is worse in {}, so it cannot win", refused.version, refused.goal)).collect();
    if let Some(winner) = left().find(|one| left().count() > 1 && left().all(|other| pairs.beats(one, other))) {
        return (ContestOutcome::Winner(winner.version.clone()), format!("{} wins: {state}{worse}", winner.version));
    }
    if left().count() <= 1 {
        return (ContestOutcome::NoDifference, format!("no winner: {state}{worse}"));
    }
    let alike = |one: &Participants<'_>| left().all(|other| pairs.alike(one, other));
    if left().all(alike) {
        let negligible = test.negligible.as_percent();
        return (ContestOutcome::NoDifference, format!("no difference above {negligible} points: {state}{worse}"));
    }
    (ContestOutcome::NotEnoughData, format!("not enough data to tell: {state}{worse}"))
}

/// What the sources do not say: nothing is concluded from what one of them said before it went away.
fn missing(
    test: &AbTestStep,
    participants: &[Participants<'_>],
    external: &BTreeMap<String, ExternalFigures>,
) -> Option<(ContestOutcome, String)> {
    let nothing = ExternalFigures::default();
    let goals = test.goals.iter().enumerate().filter_map(|(index, goal)| match goal {
        TestGoal::External(goal) => Some((index, goal)),
        TestGoal::Counted(_) => None,
    });
    let mut waiting = None;
    for (index, goal) in goals {
        let ExternalFigures { errors, error, .. } = external.get(&goal.name).unwrap_or(&nothing);
        let (name, limit) = (&goal.name, goal.consecutive_error_limit);
        if *errors > limit {
            let message = format!("{name}: {} could not be asked {errors} times in a row, {limit} allowed: {error}", goal.source.name());
            return Some((ContestOutcome::SourceError, message));
        }
        if *errors > 0 {
            waiting = waiting.or(Some(format!("not enough data: {name}: {} could not be asked: {error}", goal.source.name())));
        }
        let lacks = |participants: &&Participants<'_>| participants.external(index).is_none_or(|figures| figures.users() < MIN_USERS);
        if let Some(lacking) = participants.iter().find(lacks) {
            let users = lacking.external(index).map_or(0.0, Figures::users);
            let version = lacking.version;
            let message =
                format!("not enough data: {name}: {} knows {users} of the {MIN_USERS} users of {version} needed", goal.source.name());
            waiting = waiting.or(Some(message));
        }
    }
    waiting.map(|message| (ContestOutcome::NotEnoughData, message))
}

/// An arm that got worse in a goal where it must not.
struct Refused<'a> {
    version: &'a str,
    goal: String,
}

/// How any two versions compare.
struct Pairs<'a> {
    test: &'a AbTestStep,
    alpha: f64,
    effects: &'a [Effect],
}

impl Pairs<'_> {
    /// The first goal in which the arm is worse and must not be, with its numbers.
    fn refused<'p>(&self, arm: &Participants<'p>, control: &Participants<'_>) -> Option<Refused<'p>> {
        let mut guards = self.test.goals.iter().enumerate().skip(1);
        let (_, goal) = guards.find(|(index, _)| lift::better(control, arm, *index, self.alpha))?;
        let effect = self.effects.iter().find(|effect| effect.version == *arm.version && effect.goal == goal.name());
        let goal = format!("{}, {}", goal.name(), effect.map(points).unwrap_or_default());
        Some(Refused { version: arm.version.as_str(), goal })
    }

    fn beats(&self, one: &Participants<'_>, other: &Participants<'_>) -> bool {
        one.version == other.version || lift::better(one, other, 0, self.alpha)
    }

    fn alike(&self, one: &Participants<'_>, other: &Participants<'_>) -> bool {
        let negligible = self.test.negligible.as_percent();
        let within = |lift: Lift| lift.low >= -negligible && lift.high <= negligible;
        let in_points = !matches!(one.external(0), Some(Figures::Mean { .. }));
        one.version == other.version || (in_points && negligible > 0.0 && within(Lift::of(one, other, 0, self.alpha)))
    }

    /// `purchase: v2 70 of 1203 (5.8 %), +1.8 points (+0.2 to +3.4); stable 48 of 1190 (4.0 %)`.
    fn sentence(&self) -> String {
        let name = self.test.goals.first().map_or("", TestGoal::name);
        let first = || self.effects.iter().filter(|effect| effect.goal == name);
        let arms: Vec<String> = first().map(|effect| format!("{} {}, {}", effect.version, effect.value, points(effect))).collect();
        let baseline = first().next().map_or("", |effect| effect.baseline.as_str());
        format!("{name}: {}; stable {baseline}", arms.join("; "))
    }
}

/// Whether shares of users differ from the weights, in a sentence.
fn mismatch(participants: &[Participants<'_>]) -> Option<String> {
    let met: Vec<Draws> = participants.iter().map(|participants| participants.met).collect();
    let blind = ln_blind(&met);
    let mean =
        CONCENTRATIONS.iter().map(|spread| (ln_spread(&met, *spread) - blind).min(700.0).exp()).sum::<f64>() / CONCENTRATIONS.len() as f64;
    if mean < MISMATCH {
        return None;
    }
    let all: f64 = participants.iter().map(Participants::users).sum();
    let cells: f64 = met.iter().map(|met| met.of as f64).sum();
    let of = |participants: &Participants<'_>| {
        let met = number::percent(100.0 * participants.users() / all);
        format!("{} {met} instead of {}", participants.version, number::percent(100.0 * participants.met.of as f64 / cells))
    };
    let shares: Vec<String> = participants.iter().map(of).collect();
    let e = number::evidence(mean.ln());
    Some(format!(
        "sample ratio mismatch: of about {all:.0} users {} (E = {e} ≥ {MISMATCH}); something loses users, so no comparison can be trusted",
        shares.join(", ")
    ))
}
