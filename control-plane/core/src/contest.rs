//! How an A/B test stands: several versions compared by goals.
//!
//! Everything is judged at every evaluation, as often as the reader likes: each statement is wrong with a probability of at most 5 % (a
//! winner, over all pairs of versions and all goals together) or 0.1 % (a sample ratio mismatch) over the whole test.

mod decision;
mod effect;
mod external;
mod lift;
mod participants;
mod power;
mod sequential_multinomial;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::VersionName;
use shunt_filter_core::policy::Range;
use shunt_filter_core::report::EpochReport;
use shunt_spec::plan::AbTestStep;
use shunt_spec::schema::filter;

pub use self::external::{ExternalFigures, Figures};
pub use self::power::Tells;
pub(crate) use self::power::{Sample, alike, tells};

/// How the test stands. `ranges` is the split of this epoch: of all keys, or of those that take part. What they leave over is stable's,
/// the control. Goals are counted from cells of the hash space (reports), so one user counts once; `external` has those of external
/// sources, by name.
pub fn contest(
    test: &AbTestStep,
    ranges: &[Range],
    stable: &VersionName,
    evidence: &EpochReport,
    external: &BTreeMap<String, ExternalFigures>,
) -> Contest {
    let versions: Vec<&VersionName> = std::iter::once(stable).chain(test.against(stable).map(|arm| &arm.version)).collect();
    let participants = participants::participants(&versions, ranges, stable, &test.goals, evidence, external);
    let effects = effect::effects(test, &participants);
    let (outcome, message) = decision::decide(test, &participants, &effects, external);
    Contest { outcome, message, effects }
}

/// How an A/B test stands at one evaluation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contest {
    /// The judgement.
    pub outcome: ContestOutcome,
    /// One sentence with numbers.
    pub message: String,
    /// By arm and goal, for people: rates, effect with its interval.
    pub effects: Vec<Effect>,
}

impl Contest {
    /// Why the test does not speak for promoting this version, in a sentence with its numbers; none: it is the winner.
    pub fn doubt(&self, candidate: &VersionName) -> Option<String> {
        let verdict = match &self.outcome {
            ContestOutcome::Winner(winner) if winner == candidate => return None,
            ContestOutcome::Winner(_) => format!("{candidate} does not win the A/B test"),
            ContestOutcome::NoDifference => "the A/B test has no winner".to_owned(),
            ContestOutcome::NotEnoughData | ContestOutcome::None => "the A/B test is undecided".to_owned(),
            ContestOutcome::SampleRatioMismatch | ContestOutcome::SourceError => "the A/B test cannot be trusted".to_owned(),
        };
        Some(format!("{verdict}: {}", self.sentence()))
    }

    /// What there is to say, also of a test that no user has met.
    pub fn sentence(&self) -> &str {
        if self.message.is_empty() { "no user has been seen yet" } else { &self.message }
    }

    /// True when no test is on.
    pub fn is_none(&self) -> bool {
        self.outcome == ContestOutcome::None
    }
}

/// What can be said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ContestOutcome {
    /// No test is on.
    #[default]
    None,
    /// Not enough data to say anything.
    NotEnoughData,
    /// Enough data: the interval of every effect lies within what counts as no difference, or the duration is over without a winner.
    NoDifference,
    /// This one is better than all others in the first goal, and not worse in the rest.
    Winner(#[schemars(with = "filter::VersionName")] VersionName),
    /// The shares of users differ from the weights: something loses users, and no comparison can be trusted.
    SampleRatioMismatch,
    /// A source of a goal could not be asked more often in a row than is allowed.
    SourceError,
}

/// What the numbers of an effect are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Unit {
    /// Percentage points of users.
    #[default]
    Points,
    /// What the source measures, per user.
    Value,
}

/// One arm against stable, in one goal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Effect {
    /// The arm.
    #[schemars(with = "filter::VersionName")]
    pub version: VersionName,
    /// The goal.
    pub goal: String,
    /// Users who reached it, as people read it: `57 of 1203 (4.7 %)`.
    pub value: String,
    /// The same of the control (stable).
    pub baseline: String,
    /// What the three numbers below are.
    #[serde(default)]
    pub unit: Unit,
    /// Difference.
    pub difference: f64,
    /// Lower end of its interval, which holds at every evaluation (anytime-valid).
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Effect {
    /// `+0.7 points (-0.9 to +2.3)`, or `+0.31 (-0.02 to +0.64)`.
    pub fn interval(&self) -> String {
        effect::points(self)
    }
}
