//! The steps that every strategy compiles into.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::matching::Match;
use shunt_filter_core::{VersionName, Weight};

use super::{PlannedRule, Role, TestGoal};
use crate::plan::call::{Action, CallKind, CallSpec};
use crate::time::Span;

/// One step of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// The candidate's share of keys.
    SetWeight(Weight),
    /// Wait; none: until an operator promotes.
    Pause(Option<Span>),
    /// A cohort gets the candidate until the run ends.
    Rule(PlannedRule),
    /// Copies go to the candidate until another mirror step or the end of the run; zero ends it.
    Mirror(MirrorStep),
    /// Wait this long and for a pass of the analysis.
    Analysis(Span),
    /// Another number of instances; done when they are ready, or gone.
    Scale(Scale),
    /// Requests are held by a direct response until the promotion; done when nothing is in flight.
    Hold,
    /// Several versions compared by goals.
    AbTest(Box<AbTestStep>),
    /// A fresh baseline and the candidate, of equal size and weight, compared with each other.
    Experiment(ExperimentStep),
    /// Ask or do something outside; done when it says so.
    Call(Box<CallSpec>),
    /// From here on there is no way back, only forward.
    PointOfNoReturn,
    /// The run ends here, without promotion and without fault.
    Conclude,
}

/// What a step does, for readers of views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StepKind {
    /// It changes the candidate's share of keys.
    SetWeight,
    /// It waits.
    Pause,
    /// It gives the candidate to a cohort.
    Rule,
    /// It sends copies to the candidate.
    Mirror,
    /// It waits for a pass of the analysis.
    Analysis,
    /// It changes a number of instances.
    Scale,
    /// It holds requests.
    Hold,
    /// It compares versions by goals.
    AbTest,
    /// It compares a fresh baseline with the candidate.
    Experiment,
    /// It waits for an approval.
    Gate,
    /// It waits until something outside is done.
    Hook,
    /// It ends the way back.
    PointOfNoReturn,
    /// It ends the run.
    Conclude,
}

impl Step {
    /// What it does.
    pub fn kind(&self) -> StepKind {
        match self {
            Step::SetWeight(_) => StepKind::SetWeight,
            Step::Pause(_) => StepKind::Pause,
            Step::Rule(_) => StepKind::Rule,
            Step::Mirror(_) => StepKind::Mirror,
            Step::Analysis(_) => StepKind::Analysis,
            Step::Scale(_) => StepKind::Scale,
            Step::Hold => StepKind::Hold,
            Step::AbTest(_) => StepKind::AbTest,
            Step::Experiment(_) => StepKind::Experiment,
            Step::Call(call) => match call.kind {
                CallKind::Gate | CallKind::Rollback => StepKind::Gate,
                CallKind::Hook => StepKind::Hook,
            },
            Step::PointOfNoReturn => StepKind::PointOfNoReturn,
            Step::Conclude => StepKind::Conclude,
        }
    }

    /// Whether only an operator ends it.
    pub fn waits_for_an_operator(&self) -> bool {
        match self {
            Step::Pause(None) => true,
            Step::Call(call) => call.kind == CallKind::Gate && call.action == Action::Manual,
            Step::Pause(Some(_))
            | Step::SetWeight(_)
            | Step::Rule(_)
            | Step::Mirror(_)
            | Step::Analysis(_)
            | Step::Scale(_)
            | Step::Hold
            | Step::AbTest(_)
            | Step::Experiment(_)
            | Step::PointOfNoReturn
            | Step::Conclude => false,
        }
    }

    /// How long it is held, if it says so.
    pub fn lasts(&self) -> Option<Span> {
        match self {
            Step::Pause(span) => *span,
            Step::Analysis(span) => Some(*span),
            Step::Experiment(experiment) => Some(experiment.duration),
            Step::AbTest(test) => test.duration,
            Step::SetWeight(_)
            | Step::Rule(_)
            | Step::Mirror(_)
            | Step::Scale(_)
            | Step::Hold
            | Step::Call(_)
            | Step::PointOfNoReturn
            | Step::Conclude => None,
        }
    }

    /// The share of keys that the release has after it; none: it changes none.
    pub fn weight_of(&self, release: &VersionName) -> Option<Weight> {
        self.weight(|arms| arms.iter().find(|arm| arm.version == *release).map(|arm| arm.weight))
    }

    /// The largest share of keys that it gives to one version; none: it changes none.
    pub fn largest_weight(&self) -> Option<Weight> {
        self.weight(|arms| arms.iter().map(|arm| arm.weight).max())
    }

    fn weight(&self, of_arms: impl Fn(&[Arm]) -> Option<Weight>) -> Option<Weight> {
        match self {
            Step::SetWeight(weight) => Some(*weight),
            Step::AbTest(test) => of_arms(&test.arms),
            Step::Experiment(experiment) => Some(experiment.weight),
            Step::Pause(_)
            | Step::Rule(_)
            | Step::Mirror(_)
            | Step::Analysis(_)
            | Step::Scale(_)
            | Step::Hold
            | Step::Call(_)
            | Step::PointOfNoReturn
            | Step::Conclude => None,
        }
    }

    /// Whether it may send users to the candidate, or copies.
    pub fn exposes(&self) -> bool {
        match self {
            Step::SetWeight(weight) => *weight > Weight::ZERO,
            Step::Rule(_) | Step::Mirror(_) | Step::AbTest(_) | Step::Experiment(_) => true,
            Step::Pause(_) | Step::Analysis(_) | Step::Scale(_) | Step::Hold | Step::Call(_) | Step::PointOfNoReturn | Step::Conclude => {
                false
            }
        }
    }
}

/// How many instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scale {
    /// Whose.
    pub role: Role,
    /// Share of the version's full size; more than zero means at least one instance.
    pub share: Weight,
}

/// Several versions compared by goals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AbTestStep {
    /// The candidate and any others; what they leave over is stable's, the control.
    pub arms: Vec<Arm>,
    /// Who takes part; empty: everybody.
    pub matches: Vec<Match>,
    /// What counts as success; the first decides, the others must not get worse. Never empty.
    pub goals: Vec<TestGoal>,
    /// At most this long; none: until there is a winner.
    pub duration: Option<Span>,
    /// True: a winner ends it before the duration is over.
    pub until_significant: bool,
    /// What happens with a winner.
    pub on_winner: OnWinner,
    /// Differences of fewer percentage points than this do not count, in parts per million of users.
    pub negligible: Weight,
}

impl AbTestStep {
    /// The arms that are compared with stable. A version that has become stable since the manifest made it an arm is the control.
    pub fn against(&self, stable: &VersionName) -> impl Iterator<Item = &Arm> {
        self.arms.iter().filter(move |arm| arm.version != *stable)
    }
}

/// One arm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Arm {
    /// Who.
    pub version: VersionName,
    /// Share of the keys that take part.
    pub weight: Weight,
}

/// What happens with a winner.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnWinner {
    /// An operator promotes, or aborts.
    #[default]
    Ask,
    /// It goes on to the next step, when the winner is the release.
    Promote,
}

/// A fresh baseline and the candidate beside stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExperimentStep {
    /// Share of keys of each of the two.
    pub weight: Weight,
    /// How long.
    pub duration: Span,
    /// Instances of each.
    pub instances: u32,
}

/// What a mirror step asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MirrorStep {
    /// Share of requests copied.
    pub weight: Weight,
    /// Any of these; empty: every request.
    pub matches: Vec<Match>,
    /// Also methods other than GET, HEAD, OPTIONS.
    pub unsafe_methods: bool,
    /// Longest body copied, bytes.
    pub max_body_bytes: u64,
}

/// As written in the manifest, on one line.
impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Step::SetWeight(weight) => write!(f, "setWeight {}", weight.rounded_percent()),
            Step::Pause(Some(span)) => write!(f, "pause {span}"),
            Step::Pause(None) => f.write_str("pause"),
            Step::Rule(rule) if rule.weight == Weight::ALL => write!(f, "rule {}", rule.name),
            Step::Rule(rule) => write!(f, "rule {} {}", rule.name, rule.weight.rounded_percent()),
            Step::Mirror(mirror) => write!(f, "mirror {}", mirror.weight.rounded_percent()),
            Step::Analysis(span) => write!(f, "analysis {span}"),
            Step::Scale(Scale { role, share }) => write!(f, "scale {role} to {share}"),
            Step::Hold => f.write_str("hold"),
            Step::AbTest(test) => write!(f, "abTest of {} arms", test.arms.len().saturating_add(1)),
            Step::Experiment(experiment) => write!(f, "experiment {} each", experiment.weight),
            Step::Call(call) => write!(f, "{} {}", call.kind, call.name),
            Step::PointOfNoReturn => f.write_str("pointOfNoReturn"),
            Step::Conclude => f.write_str("conclude"),
        }
    }
}
