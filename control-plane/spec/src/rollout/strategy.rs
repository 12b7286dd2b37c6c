//! `strategy`: how a new release is rolled out. Every strategy is a list of steps in the end.

mod ab_test;
mod blue_green;
mod canary;
mod list;
mod mirror_checks;
mod order;
mod recreate;
mod rolling_update;
mod shadow;
mod step;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::{VersionName, Weight};

use crate::plan::{Plan, Step, Strategy, Version};
use crate::problems::Problems;
use crate::rollout::Owner;
use crate::rollout::rule::RuleNames;
use crate::schema::ExactlyOne;
pub use ab_test::{AbTestSpec, ArmSpec, GoalSpec, HeaderSpec, StatusRange};
pub(crate) use blue_green::preview_host;
pub use blue_green::{BlueGreenSpec, PreviewSpec};
pub use canary::{CanarySpec, default_steps};
pub(crate) use list::{List, Placed};
pub(crate) use mirror_checks::judged as mirrors_judged;
pub use recreate::RecreateSpec;
pub use rolling_update::{OrderSpec, RollingUpdateSpec};
pub use shadow::{ShadowSpec, ThenSpec, ThenWord};
pub use step::{AnalysisStepSpec, ExperimentSpec, MirrorSpec, NoReturnSpec, PauseSpec, RampSpec, RuleStepSpec, ScaleSpec, StepSpec};

/// Exactly one strategy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ExactlyOne(&["recreate", "rollingUpdate", "blueGreen", "canary", "abTest", "shadow"]))]
pub struct StrategySpec {
    /// Old down, new up; requests are held meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recreate: Option<RecreateSpec>,
    /// Batches of instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolling_update: Option<RollingUpdateSpec>,
    /// All at once, the old one kept warm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blue_green: Option<BlueGreenSpec>,
    /// The steps as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanarySpec>,
    /// Arms compared by goals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ab_test: Option<AbTestSpec>,
    /// Copies, whose answers no user sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowSpec>,
}

/// The one strategy that is written.
#[derive(Debug, Clone, Copy)]
enum Written<'s> {
    Recreate,
    RollingUpdate(&'s RollingUpdateSpec),
    BlueGreen(&'s BlueGreenSpec),
    Canary(&'s CanarySpec),
    AbTest(&'s AbTestSpec),
    Shadow(&'s ShadowSpec),
}

/// Who owns the routes, what runs where, and what the mesh policy allows steps to do.
#[derive(Debug, Clone)]
pub(crate) struct Terms<'t> {
    /// Largest share of keys before the analysis has passed once.
    pub(crate) max_exposed: Weight,
    /// Who routes to the versions.
    pub(crate) owner: Owner,
    /// All versions.
    pub(crate) versions: &'t [Version],
    /// The version that should be stable.
    pub(crate) release: Option<&'t VersionName>,
    /// Why copies are forbidden, if they are.
    pub(crate) no_mirror: Option<String>,
    /// Why copies of requests with other methods than GET, HEAD, OPTIONS are forbidden, if they are.
    pub(crate) no_unsafe_methods: Option<String>,
    /// Why a step must not jump from below half to everybody, if it must not.
    pub(crate) no_jump: Option<String>,
}

impl<'t> Terms<'t> {
    /// Those under which a plan was made, without prohibitions: it keeps them.
    pub(crate) fn of(plan: &'t Plan) -> Self {
        Self {
            max_exposed: plan.max_exposed,
            owner: Owner::of(&plan.versions),
            versions: &plan.versions,
            release: Some(&plan.release),
            no_mirror: None,
            no_unsafe_methods: None,
            no_jump: None,
        }
    }

    /// Whether Shunt starts and stops the instances of all versions.
    pub(crate) fn scalable(&self) -> bool {
        !self.versions.is_empty() && self.versions.iter().all(|version| version.backend.scales())
    }

    /// The weight that the release has after a step, if the step changes it.
    fn weight_after(&self, step: &Step) -> Option<Weight> {
        step.weight_of(self.release?)
    }

    /// Instances of the release at full size, where Shunt starts those of all versions.
    fn full(&self) -> Option<u32> {
        let release = self.versions.iter().find(|version| Some(&version.name) == self.release)?;
        release.backend.full_size().filter(|_| self.scalable())
    }
}

impl StrategySpec {
    fn written(&self) -> Vec<(&'static str, Written<'_>)> {
        let all = [
            ("recreate", self.recreate.as_ref().map(|_| Written::Recreate)),
            ("rollingUpdate", self.rolling_update.as_ref().map(Written::RollingUpdate)),
            ("blueGreen", self.blue_green.as_ref().map(Written::BlueGreen)),
            ("canary", self.canary.as_ref().map(Written::Canary)),
            ("abTest", self.ab_test.as_ref().map(Written::AbTest)),
            ("shadow", self.shadow.as_ref().map(Written::Shadow)),
        ];
        all.into_iter().filter_map(|(name, written)| Some((name, written?))).collect()
    }

    /// Which one it is: the first one written, or canary.
    pub(crate) fn strategy(&self) -> Strategy {
        match self.written().first() {
            Some((_, Written::Recreate)) => Strategy::Recreate,
            Some((_, Written::RollingUpdate(_))) => Strategy::RollingUpdate,
            Some((_, Written::BlueGreen(_))) => Strategy::BlueGreen,
            Some((_, Written::AbTest(_))) => Strategy::AbTest,
            Some((_, Written::Shadow(_))) => Strategy::Shadow,
            Some((_, Written::Canary(_))) | None => Strategy::Canary,
        }
    }

    /// The host at which the candidate is previewed, as written.
    pub(crate) fn preview_host(&self) -> Option<&str> {
        self.blue_green.as_ref()?.preview.as_ref()?.host.as_deref()
    }

    fn add(&self, path: &str, list: &mut List<'_>) {
        let written = self.written();
        let (name, one) = match written.as_slice() {
            [one] => *one,
            [] => {
                let message = "names no strategy: write one of recreate, rollingUpdate, blueGreen, canary, abTest, shadow, or leave strategy out for the default steps";
                return list.refuse(path, message);
            }
            several => {
                let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
                return list.refuse(
                    path,
                    format!(
                        "has {}: a release goes one way, keep one of them; steps of several kinds stand together in canary",
                        names.join(" and ")
                    ),
                );
            }
        };
        let path = format!("{path}.{name}");
        match one {
            Written::Recreate => recreate::add(&path, list),
            Written::RollingUpdate(spec) => spec.add(&path, list),
            Written::BlueGreen(spec) => spec.add(&path, list),
            Written::Canary(spec) => spec.add(&path, list),
            Written::AbTest(spec) => spec.add(&path, list),
            Written::Shadow(spec) => spec.add(&path, list),
        }
    }
}

/// The steps of a release, each with the field that it comes from; every problem noted.
pub(crate) fn steps(written: Option<&StrategySpec>, terms: &Terms<'_>, names: &mut RuleNames, problems: &mut Problems) -> Vec<Placed> {
    let path = "spec.strategy";
    let mut list = List::new(terms, names, problems);
    match written {
        Some(spec) => spec.add(path, &mut list),
        None => list.extend(path, default_steps(terms.max_exposed)),
    }
    list.finish(path)
}

/// The fields that the steps of a plan come from, one for each.
pub(crate) fn paths(written: Option<&StrategySpec>, plan: &Plan) -> Vec<String> {
    let placed = steps(written, &Terms::of(plan), &mut RuleNames::new(), &mut Problems::new());
    along(&plan.steps, &placed).into_iter().map(path).collect()
}

/// For each step the one of the strategy that it is; none for gates and hooks around the release, which stand between those.
pub(crate) fn along<'p>(steps: &[Step], placed: &'p [Placed]) -> Vec<Option<&'p Placed>> {
    let mut left = placed.iter().peekable();
    steps.iter().map(|step| left.next_if(|placed| placed.step == *step)).collect()
}

/// The field that a step comes from.
pub(crate) fn path(placed: Option<&Placed>) -> String {
    placed.map_or_else(|| "spec.gates".to_owned(), |placed| placed.path.clone())
}

/// Whether old instances are stopped on the way, so that nothing is left to keep warm.
pub(crate) fn stops_old(strategy: Strategy, terms: &Terms<'_>) -> bool {
    match strategy {
        Strategy::Recreate => true,
        Strategy::RollingUpdate => terms.scalable(),
        Strategy::BlueGreen | Strategy::Canary | Strategy::AbTest | Strategy::Shadow => false,
    }
}
