//! External metrics: secrets in clear text, and measurements that never come in time.

use super::Lint;
use crate::plan::external_metrics::{Header, HeaderValue, Source};
use crate::plan::{Step, TestGoal};
use crate::time::Span;

impl Lint<'_> {
    pub(super) fn external_metrics(&mut self) {
        let analysis = &self.plan.analysis;
        let path = "spec.analysis";
        let decides = !analysis.metrics.is_empty() || analysis.external_metrics.iter().any(|metric| !metric.dry_run);
        if !decides {
            self.warn(path, "nothing decides: every metric is a dry run; add {name: errors, successRate: {noWorseThanStable: {}}}");
        }
        let lasts = self.lasts();
        for metric in &analysis.external_metrics {
            let name = &metric.name;
            let path = metric.steps.as_ref().and_then(|steps| steps.first()).map_or(path.to_owned(), |step| self.step_path(*step));
            if in_clear_text(&metric.source) {
                self.warn(&path, clear_text(name));
            }
            let needed = metric.shortest();
            if needed > lasts && metric.steps.is_none() {
                self.warn(
                    &path,
                    format!(
                        "{name} needs {needed} until it can pass, and the steps and progressDeadline take {lasts}: write a shorter interval or initialDelay, or a smaller count"
                    ),
                );
            }
        }
    }

    /// The sources of goals.
    pub(super) fn external_goals(&mut self) {
        for (index, step) in self.plan.steps.iter().enumerate() {
            let Step::AbTest(test) = step else { continue };
            for (number, goal) in test.goals.iter().enumerate() {
                if matches!(goal, TestGoal::External(goal) if in_clear_text(&goal.source)) {
                    self.warn(format!("{}.goals[{number}]", self.step_path(index)), clear_text(goal.name()));
                }
            }
        }
    }

    /// The longest that the steps with a duration, and one wait, take.
    fn lasts(&self) -> Span {
        let of_step = |step: &Step| match step {
            Step::Pause(Some(span)) | Step::Analysis(span) => span.0,
            // It is not known how long an operator takes.
            step if step.waits_for_an_operator() => u64::MAX,
            Step::Experiment(experiment) => experiment.duration.0,
            Step::AbTest(test) => test.duration.map_or(u64::MAX, |duration| duration.0),
            _ => 0,
        };
        let steps = self.plan.steps.iter().map(of_step).fold(0, u64::saturating_add);
        Span::millis(steps.saturating_add(self.plan.progress_deadline.0))
    }
}

fn clear_text(name: &str) -> String {
    format!("{name} sends a secret in clear text over the network: write https")
}

fn in_clear_text(source: &Source) -> bool {
    let (url, headers) = match source {
        Source::Prometheus(source) => (&source.address, &source.headers),
        Source::Web(source) => (&source.url, &source.headers),
    };
    let secret = |header: &Header| matches!(header.value, HeaderValue::File(_) | HeaderValue::Bearer(_));
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let near = ["localhost", "127.", "[::1]"].iter().any(|host| rest.starts_with(host));
    !near && headers.iter().any(secret)
}
