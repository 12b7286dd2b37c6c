//! What the analysis and A/B tests see in an epoch.

use shunt_filter_core::Weight;
use shunt_spec::plan::Plan;
use shunt_spec::time::Span;

use super::Journey;
use crate::contest::tells;
use crate::forecast::power::Releases;
use crate::forecast::{Evaluation, Sight, TestEvaluation};
use crate::state::Run;

/// Splits of which is computed what their analysis sees.
const SIGHTS: usize = 8;

impl Journey {
    /// An epoch is over in which both versions had weight.
    pub(super) fn evaluate(&mut self, run: &Run) {
        let lasts = self.now.since(self.epoch);
        if run.weight == Weight::ZERO || run.weight >= Weight::ALL || lasts == Span::default() {
            return;
        }
        let requests = self.world.requests(run.weight, self.now);
        self.evaluations.push(Evaluation {
            weight: run.weight,
            lasts,
            requests,
            users: self.users(run.weight),
            sees: Sight::Nothing,
            without: None,
        });
    }

    /// An epoch is over in which versions were compared by goals.
    pub(super) fn test(&mut self, run: &Run) {
        let Some((step, test)) = run.stage.step().and_then(|step| Some((step, self.plan.test(step)?))) else { return };
        let (lasts, sample) = (self.now.since(self.epoch), self.world.sample(self.now));
        let smallest = test.arms.iter().map(|arm| arm.weight).min().unwrap_or_default();
        self.tests.push(TestEvaluation {
            step: step.saturating_add(1),
            lasts,
            goal: test.goals.first().map(|goal| goal.name().to_owned()).unwrap_or_default(),
            users: sample.users.round() as u64,
            of_smallest_arm: (sample.users * smallest.as_percent() / 100.0).round() as u64,
            tells: tells(test, &self.state.stable, sample),
        });
    }

    /// What the longest of them see; a ramp has dozens of short ones, and no reader wants them all.
    pub(super) fn sights(&mut self) {
        let mut longest: Vec<Span> = self.evaluations.iter().map(|evaluation| evaluation.lasts).collect();
        longest.sort_by(|a, b| b.cmp(a));
        let least = longest.get(SIGHTS.saturating_sub(1)).copied().unwrap_or_default();
        let mut left = SIGHTS;
        self.evaluations.retain(|evaluation| {
            let kept = evaluation.lasts >= least && left > 0;
            left = left.saturating_sub(usize::from(kept));
            kept
        });
        let Some(longest) = longest.first() else { return };
        let releases = Releases::new(&self.plan, self.traffic, *longest);
        for evaluation in &mut self.evaluations {
            evaluation.sees = releases.sight(evaluation.weight, evaluation.lasts);
        }
        if self.plan.analysis.tolerance().is_some() {
            let strict = Plan { analysis: self.plan.analysis.strict(), ..self.plan.clone() };
            let releases = Releases::new(&strict, self.traffic, *longest);
            for evaluation in &mut self.evaluations {
                evaluation.without = Some(releases.sight(evaluation.weight, evaluation.lasts));
            }
        }
    }
}
