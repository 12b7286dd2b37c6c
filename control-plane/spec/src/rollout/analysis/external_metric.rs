//! A metric with an external source, as written.

use super::{Around, MetricSpec};
use crate::plan::external_metrics::{Check, Condition, ExternalMetric, Source};
use crate::problems::Problems;
use crate::time::Span;

/// Default of `interval`.
const INTERVAL: Span = Span::seconds(30);
/// Asking more often loads a source without telling more.
const INTERVAL_MIN: Span = Span::seconds(1);
/// More measurements than any release makes.
const COUNT_MAX: u32 = 1_000_000;
/// Default of `consecutiveErrorLimit`, as in Argo Rollouts.
const ERRORS: u32 = 4;

impl MetricSpec {
    /// Whether its values come from outside.
    pub(super) fn has_source(&self) -> bool {
        self.prometheus.is_some() || self.web.is_some()
    }

    /// Fields that only a metric with a source has, as far as they are written.
    fn of_source(&self) -> Vec<&'static str> {
        let all = [
            ("interval", self.interval.is_some()),
            ("initialDelay", self.initial_delay.is_some()),
            ("count", self.count.is_some()),
            ("success", self.success.is_some()),
            ("failure", self.failure.is_some()),
            ("max", self.max.is_some()),
            ("min", self.min.is_some()),
            ("failureLimit", self.failure_limit.is_some()),
            ("inconclusiveLimit", self.inconclusive_limit.is_some()),
            ("consecutiveErrorLimit", self.consecutive_error_limit.is_some()),
            ("dryRun", self.dry_run.is_some()),
        ];
        all.into_iter().filter(|(_, written)| *written).map(|(name, _)| name).collect()
    }

    /// Notes what only a metric with a source may say.
    pub(super) fn without_source(&self, path: &str, problems: &mut Problems) {
        for field in self.of_source() {
            let message = "is for metrics with prometheus or web: what the proxies count is looked at all the time; remove it";
            problems.add(format!("{path}.{field}"), message);
        }
    }

    /// The metric, every problem noted. `steps`: those of the plan that it belongs to; none: the whole release.
    pub(super) fn external_metric(
        &self,
        path: &str,
        around: &Around<'_>,
        steps: Option<Vec<usize>>,
        problems: &mut Problems,
    ) -> Option<ExternalMetric> {
        for (field, written) in [
            ("successRate", self.success_rate.is_some()),
            ("responses", self.responses.is_some()),
            ("latency", self.latency.is_some()),
            ("hanging", self.hanging.is_some()),
            ("warmUp", self.warm_up.is_some()),
            ("minSamples", self.min_samples.is_some()),
            ("web", self.web.is_some() && self.prometheus.is_some()),
        ] {
            if written {
                problems.add(format!("{path}.{field}"), "does not go together with a metric source: make two metrics of it");
            }
        }
        let name = self.name(path, problems);
        let check = self.check(path, problems)?;
        let source = self.source(path, &check, around, problems);
        let count = self.count;
        if count.is_some_and(|count| !(1..=COUNT_MAX).contains(&count)) {
            problems
                .add(format!("{path}.count"), format!("is not possible: write 1 to {COUNT_MAX}, or leave it out to measure all the time"));
        }
        let interval = self.interval.unwrap_or(INTERVAL);
        if interval < INTERVAL_MIN {
            problems.add(format!("{path}.interval"), format!("{interval} is too often: write {INTERVAL_MIN} or more"));
        }
        for (field, limit) in [("failureLimit", self.failure_limit), ("inconclusiveLimit", self.inconclusive_limit)] {
            if limit.zip(count).is_some_and(|(limit, count)| limit >= count) {
                problems.add(format!("{path}.{field}"), "is not below count, so it could never be exceeded: write less, or a larger count");
            }
        }
        Some(ExternalMetric {
            name: name?,
            source: source?,
            check,
            interval,
            initial_delay: self.initial_delay.unwrap_or_default(),
            count,
            failure_limit: self.failure_limit.unwrap_or_default(),
            inconclusive_limit: self.inconclusive_limit.unwrap_or_default(),
            consecutive_error_limit: self.consecutive_error_limit.unwrap_or(ERRORS),
            dry_run: self.dry_run.unwrap_or_default(),
            steps,
        })
    }

    fn source(&self, path: &str, check: &Check, around: &Around<'_>, problems: &mut Problems) -> Option<Source> {
        match (&self.prometheus, &self.web) {
            (Some(prometheus), _) => prometheus.source(&format!("{path}.prometheus"), check, around, problems),
            (None, Some(web)) => web.source(&format!("{path}.web"), check, around, problems),
            (None, None) => None,
        }
    }

    fn check(&self, path: &str, problems: &mut Problems) -> Option<Check> {
        let limits = self.max.is_some() || self.min.is_some();
        let conditions = self.success.is_some() || self.failure.is_some();
        match (limits, conditions) {
            (true, true) => {
                problems.add(
                    path,
                    "has both fixed limits and conditions: write all of it in success, for example value >= 0.1 && value <= 0.5",
                );
                None
            }
            (true, false) => Some(self.limits(path, problems)),
            (false, true) => {
                let success = self.success.as_deref().map(|text| self.condition(text, &format!("{path}.success"), problems));
                let failure = self.failure.as_deref().map(|text| self.condition(text, &format!("{path}.failure"), problems));
                // A broken one is noted; without it the rest must not be judged by its absence.
                let whole = success.as_ref().is_none_or(Option::is_some) && failure.as_ref().is_none_or(Option::is_some);
                whole.then(|| Check::Conditions { success: success.flatten(), failure: failure.flatten() })
            }
            (false, false) if self.dry_run == Some(true) => Some(Check::Conditions { success: None, failure: None }),
            (false, false) => {
                problems
                    .add(path, "judges nothing: write max, min, success or failure, for example max: 0.05, or dryRun: true to look only");
                None
            }
        }
    }

    fn limits(&self, path: &str, problems: &mut Problems) -> Check {
        for (field, limit) in [("max", self.max), ("min", self.min)] {
            if limit.is_some_and(|limit| !limit.is_finite()) {
                problems.add(format!("{path}.{field}"), "is no limit: write a number");
            }
        }
        if self.min.zip(self.max).is_some_and(|(min, max)| min > max) {
            problems.add(format!("{path}.min"), "is above max, so every value would fail");
        }
        Check::Limits { min: self.min, max: self.max }
    }

    fn condition(&self, text: &str, path: &str, problems: &mut Problems) -> Option<Condition> {
        let condition = problems.take(path, Condition::new(text))?;
        // Prometheus answers numbers only, so a condition that never fits one is known to be wrong before anything is measured.
        if self.prometheus.is_some() {
            problems.take(path, condition.fits_numbers())?;
        }
        Some(condition)
    }
}
