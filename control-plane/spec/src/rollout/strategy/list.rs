//! The list of steps under way, and what must hold for the whole of it.

use shunt_filter_core::Weight;
use shunt_filter_core::weight::POINTS;

use super::{AnalysisStepSpec, Terms, order};
use crate::plan::{Role, Scale, Step};
use crate::problems::Problems;
use crate::rollout::rule::RuleNames;

/// A step, and the field that it comes from.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Placed {
    /// Path in the manifest.
    pub(crate) path: String,
    /// What it does.
    pub(crate) step: Step,
    /// Metrics of its own, as written.
    pub(crate) own: Option<AnalysisStepSpec>,
}

/// Steps so far, and what is needed to make more.
pub(crate) struct List<'l> {
    pub(super) steps: Vec<Placed>,
    pub(super) terms: &'l Terms<'l>,
    pub(crate) names: &'l mut RuleNames,
    pub(crate) problems: &'l mut Problems,
}

impl<'l> List<'l> {
    pub(super) fn new(terms: &'l Terms<'l>, names: &'l mut RuleNames, problems: &'l mut Problems) -> Self {
        Self { steps: Vec::new(), terms, names, problems }
    }

    /// One more step, from this field.
    pub(crate) fn push(&mut self, path: impl Into<String>, step: Step) {
        self.steps.push(Placed { path: path.into(), step, own: None });
    }

    /// A step of the analysis, with metrics of its own.
    pub(super) fn analysis(&mut self, path: String, spec: &AnalysisStepSpec) {
        let own = (spec.metrics.is_some() || spec.templates.is_some()).then(|| spec.clone());
        self.steps.push(Placed { path, step: Step::Analysis(spec.duration.unwrap_or_default()), own });
    }

    /// Several steps, all from one field.
    pub(super) fn extend(&mut self, path: &str, steps: impl IntoIterator<Item = Step>) {
        self.steps.extend(steps.into_iter().map(|step| Placed { path: path.to_owned(), step, own: None }));
    }

    /// Something is wrong with a field.
    pub(crate) fn refuse(&mut self, path: impl Into<String>, message: impl std::fmt::Display) {
        self.problems.add(path, message);
    }

    /// The weight of the candidate after the steps so far.
    pub(super) fn weight(&self) -> Weight {
        let weights = self.steps.iter().rev().find_map(|placed| self.terms.weight_after(&placed.step));
        weights.unwrap_or(Weight::ZERO)
    }

    /// Instances of the candidate after the steps so far, of so many at full size.
    pub(super) fn instances(&self, full: u32) -> u32 {
        let share = self.steps.iter().rev().find_map(|placed| match placed.step {
            Step::Scale(Scale { role: Role::Candidate, share }) => Some(share),
            _ => None,
        });
        let points = u64::from(share.unwrap_or(Weight::ALL).points()).saturating_mul(u64::from(full));
        let rounded = points.saturating_add(u64::from(POINTS).div_euclid(2)).checked_div(u64::from(POINTS)).unwrap_or(0);
        u32::try_from(rounded).unwrap_or(full).max(1)
    }

    /// All steps, looked at together. `path` is where the strategy stands in the manifest.
    pub(super) fn finish(mut self, path: &str) -> Vec<Placed> {
        self.whole(path);
        order::growing(&self.steps, self.terms, self.problems);
        order::jumping(&self.steps, self.terms, self.problems);
        order::exposed(&self.steps, self.terms, self.problems);
        self.steps
    }

    /// No candidate is promoted with less than all instances.
    fn whole(&mut self, path: &str) {
        let last = self.steps.iter().rev().find_map(|placed| match placed.step {
            Step::Scale(Scale { role: Role::Candidate, share }) => Some(share),
            _ => None,
        });
        let concludes = self.steps.last().is_some_and(|placed| placed.step == Step::Conclude);
        if last.is_some_and(|share| share < Weight::ALL) && !concludes {
            self.push(path, Step::Scale(Scale { role: Role::Candidate, share: Weight::ALL }));
        }
    }
}
