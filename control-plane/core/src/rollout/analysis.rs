//! `analysis`: what guards a release.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::analysis::{Guard, Metric};
use crate::manifest::Problems;
use crate::rollout::quantity::Percent;
use crate::time::Span;

/// Metrics that are looked at during a release and while the old version is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AnalysisSpec {
    /// Default: one, errors no worse than stable's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Vec<MetricSpec>>,
}

/// One metric. Exactly one of `successRate`, `latency`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetricSpec {
    /// Its name in verdicts. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Requests that did not fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<SuccessRateSpec>,
    /// Time to response headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencySpec>,
    /// Requests of the candidate in a step before a pass is possible. Default: the mesh policy's, or 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_samples: Option<u64>,
}

/// Exactly one of the two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SuccessRateSpec {
    /// Compared with stable at the same time, sequentially.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_worse_than_stable: Option<NoWorseThanStable>,
    /// At least this share must succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Percent>,
}

/// `{}`: nothing to set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoWorseThanStable {}

/// Either compared with stable, or a percentile and its limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencySpec {
    /// Compared with stable at the same time, sequentially.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_worse_than_stable: Option<NoWorseThanStable>,
    /// Percent, above 0 and below 100. Default: 99.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percentile: Option<f64>,
    /// The limit. Required unless compared with stable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Span>,
}

/// Where metrics get their `minSamples` from when they do not say it, and the least they may say.
#[derive(Debug, Clone)]
pub(crate) struct Samples {
    /// Used where a metric says nothing.
    pub(crate) default: u64,
    /// From the mesh policy.
    pub(crate) floor: Option<u64>,
}

/// Most metrics of one Rollout.
const METRICS_MAX: usize = 16;
/// More requests than any step of a release sees.
const SAMPLES_MAX: u64 = 1_000_000_000;

/// Without `analysis:`, errors are compared with stable.
pub(crate) fn default_metrics(samples: &Samples) -> Vec<Metric> {
    vec![Metric { name: "errors".to_owned(), guard: Guard::ErrorsNoWorseThanStable, min_samples: samples.default }]
}

impl AnalysisSpec {
    /// The metrics, every problem noted. `path` is where this stands in the manifest.
    pub(crate) fn metrics(&self, path: &str, samples: &Samples, problems: &mut Problems) -> Vec<Metric> {
        let Some(written) = &self.metrics else {
            return default_metrics(samples);
        };
        let path = format!("{path}.metrics");
        match written.len() {
            0 => problems.add(&path, "is empty, so nothing would guard the release: leave analysis out to compare errors with stable"),
            n if n > METRICS_MAX => problems.add(&path, format!("has {n} metrics: at most {METRICS_MAX} are allowed")),
            _ => {}
        }
        let mut names = BTreeSet::new();
        let mut compared: Vec<Guard> = Vec::new();
        let mut metrics = Vec::new();
        for (index, spec) in written.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Some(metric) = spec.metric(&path, samples, problems) else { continue };
            if !names.insert(metric.name.clone()) {
                problems.add(format!("{path}.name"), format!("{:?} names two metrics: names must differ", metric.name));
            }
            if metric.guard.compares() {
                if compared.contains(&metric.guard) {
                    let (field, what) = spec.compared();
                    problems.add(
                        format!("{path}.{field}"),
                        format!("compares {what} with stable a second time: remove one of the two metrics"),
                    );
                }
                compared.push(metric.guard);
            }
            metrics.push(metric);
        }
        metrics
    }
}

impl MetricSpec {
    fn metric(&self, path: &str, samples: &Samples, problems: &mut Problems) -> Option<Metric> {
        let name = match self.name.as_deref() {
            Some(name) if !name.trim().is_empty() && name.len() <= 63 => Some(name.to_owned()),
            Some(_) => {
                problems.add(format!("{path}.name"), "must have 1 to 63 characters");
                None
            }
            None => {
                problems.add(format!("{path}.name"), "is missing: write a name for its verdicts, for example errors");
                None
            }
        };
        let guard = self.guard(path, problems);
        let min_samples = self.min_samples(path, samples, problems);
        Some(Metric { name: name?, guard: guard?, min_samples })
    }

    fn guard(&self, path: &str, problems: &mut Problems) -> Option<Guard> {
        match (&self.success_rate, &self.latency) {
            (Some(rate), None) => rate.guard(&format!("{path}.successRate"), problems),
            (None, Some(latency)) => latency.guard(&format!("{path}.latency"), problems),
            (Some(_), Some(_)) => {
                problems.add(path, "has both successRate and latency: make two metrics of it");
                None
            }
            (None, None) => {
                problems.add(path, "measures nothing: write successRate: {noWorseThanStable: {}} or latency: {percentile: 99, max: 300ms}");
                None
            }
        }
    }

    /// The field that is compared, and what it is in words.
    fn compared(&self) -> (&'static str, &'static str) {
        if self.latency.is_some() { ("latency", "latency") } else { ("successRate", "errors") }
    }

    fn min_samples(&self, path: &str, samples: &Samples, problems: &mut Problems) -> u64 {
        let path = format!("{path}.minSamples");
        let value = self.min_samples.unwrap_or(samples.default);
        if !(1..=SAMPLES_MAX).contains(&value) {
            problems.add(&path, format!("{value} is not possible: write 1 to {SAMPLES_MAX}"));
        }
        if let Some(floor) = samples.floor.filter(|floor| value < *floor) {
            problems.add(&path, format!("{value} is looser than MeshPolicy spec.limits.minSamples: write {floor} or more"));
        }
        value
    }
}

impl SuccessRateSpec {
    fn guard(&self, path: &str, problems: &mut Problems) -> Option<Guard> {
        match (self.no_worse_than_stable, self.min) {
            (Some(_), None) => Some(Guard::ErrorsNoWorseThanStable),
            (None, Some(min)) if min.value() > 0.0 => Some(Guard::SuccessRateMin(min.value())),
            (None, Some(_)) => {
                problems.add(format!("{path}.min"), "0% never fails: write for example 99%");
                None
            }
            (Some(_), Some(_)) => {
                problems.add(path, "has both noWorseThanStable and min: make two metrics of it");
                None
            }
            (None, None) => {
                problems.add(path, "has no limit: write {noWorseThanStable: {}} or {min: 99%}");
                None
            }
        }
    }
}

impl LatencySpec {
    fn guard(&self, path: &str, problems: &mut Problems) -> Option<Guard> {
        if self.no_worse_than_stable.is_some() {
            if self.percentile.is_some() || self.max.is_some() {
                problems.add(path, "has both noWorseThanStable and a limit: make two metrics of it");
                return None;
            }
            return Some(Guard::LatencyNoWorseThanStable);
        }
        let percentile = self.percentile.unwrap_or(99.0);
        if !(percentile > 0.0 && percentile < 100.0) {
            problems.add(
                format!("{path}.percentile"),
                format!("{percentile} is not possible: write a number above 0 and below 100, for example 99"),
            );
        }
        match self.max {
            None => {
                problems.add(format!("{path}.max"), "is missing: write the longest time allowed, for example 300ms");
                None
            }
            Some(max) if max == Span::millis(0) => {
                problems.add(format!("{path}.max"), "0s always fails: write the longest time allowed, for example 300ms");
                None
            }
            Some(max) => Some(Guard::LatencyMax { percentile, max }),
        }
    }
}
