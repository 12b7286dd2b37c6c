//! What the operator should change, or know.

use shunt_spec::plan::metric::{Guard, Metric};

use super::Journey;
use crate::contest::Tells;
use crate::forecast::measuring;
use crate::forecast::{End, Sight};

impl Journey {
    pub(super) fn warnings(&self, end: &End) -> Vec<String> {
        let mut warnings = Vec::new();
        for reason in &self.held {
            warnings.push(format!(
                "the analysis cannot decide in time, the run will be held: {reason}; give the step more time or a larger weight, or ask for fewer minSamples"
            ));
        }
        if let End::Refused(reason) = end {
            warnings
                .push(format!("a candidate as good as stable would be refused: {reason}; the limit is tighter than the errors assumed"));
        }
        for test in self.tests.iter().filter(|test| test.tells == Tells::Nothing) {
            warnings.push(format!(
                "step {}: with {} users of its smallest arm the A/B test tells no difference at all: give it more time, or larger weights",
                test.step, test.of_smallest_arm
            ));
        }
        warnings.extend(measuring::warnings(&self.plan, &self.external_metrics));
        // Where nothing looks at errors here, external sources do.
        let errors = |metric: &Metric| metric.guard.compares_errors() || matches!(metric.guard, Guard::SuccessRateMin(_));
        let blind = !self.plan.analysis.metrics.iter().any(errors);
        for evaluation in self.evaluations.iter().filter(|_| !blind) {
            let at = format!("at {} for {}", evaluation.weight, evaluation.lasts.text());
            match evaluation.sees {
                Sight::Nothing => warnings
                    .push(format!("{at} the analysis sees nothing, not even a candidate that always fails: too few requests or users")),
                Sight::Points { more, .. } if more >= 20.0 => {
                    warnings.push(format!("{at} the analysis sees only what is worse by {more}pp or more: give it more time or users"));
                }
                Sight::Points { .. } => {}
            }
        }
        warnings
    }
}
