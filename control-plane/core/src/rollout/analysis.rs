//! `analysis`: what guards a release.

mod allowance;
mod around;
mod goal;
mod library;
mod measured;
mod source;
mod template;

use serde::{Deserialize, Serialize};

use crate::analysis::{Guard, Metric};
use crate::manifest::Problems;
use crate::plan::AnalysisPlan;
use crate::rollout::quantity::Percent;
use crate::time::Span;
pub use allowance::Allowance;
pub(crate) use around::Around;
pub(crate) use goal::{Ask, goal_source};
pub use source::{PrometheusSpec, WebSpec};
pub use template::{AnalysisTemplate, AnalysisTemplateSpec, ArgSpec, TemplateUse, Templates};

/// Metrics that are looked at during a release and while the old version is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AnalysisSpec {
    /// Default: one, errors no worse than stable's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Vec<MetricSpec>>,
    /// Metrics that are written once for many Rollouts, beside `metrics`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub templates: Option<Vec<TemplateUse>>,
}

/// One metric. Exactly one of `successRate`, `latency`, `prometheus`, `web`.
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
    /// A query of Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<PrometheusSpec>,
    /// A request to anything that answers JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web: Option<WebSpec>,
    /// CEL over `value` and `baseline`; true: good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success: Option<String>,
    /// CEL over `value` and `baseline`; true: bad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The value must be at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// The value must be at least this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Time between two measurements. Default: 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// Time before the first one. Default: 0s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_delay: Option<Span>,
    /// So many measurements in all. Default: as long as the release goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Failures that are allowed. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_limit: Option<u32>,
    /// Measurements that may be neither good nor bad. Default: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inconclusive_limit: Option<u32>,
    /// Errors in a row that are allowed. Default: 4.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_error_limit: Option<u32>,
    /// True: measured and shown, never decides. Default: false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
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

/// `{}`: not at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct NoWorseThanStable {
    /// So much worse is allowed: percentage points more failures, `0.5pp`, or times the failures, `1.5x`. Only errors. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Allowance>,
}

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
    /// All metrics, every problem noted. `path` is where this stands in the manifest.
    pub(crate) fn plan(&self, path: &str, samples: &Samples, around: &Around<'_>, problems: &mut Problems) -> AnalysisPlan {
        let mut plan = AnalysisPlan { metrics: Vec::new(), measured: Vec::new() };
        if self.metrics.is_none() {
            plan.metrics = default_metrics(samples);
        }
        if self.metrics.as_ref().is_some_and(Vec::is_empty) && self.templates.is_none() {
            let message = "is empty, so nothing would guard the release: leave analysis out to compare errors with stable";
            problems.add(format!("{path}.metrics"), message);
        }
        each_metric(self.metrics.as_deref(), self.templates.as_deref(), path, around, problems, |spec, path, problems| {
            plan.check_name(spec, path, problems);
            if spec.has_source() {
                plan.measured.extend(spec.measured(path, around, None, problems));
            } else if let Some(metric) = spec.metric(path, samples, problems) {
                spec.compared_once(&metric, &plan.metrics, path, problems);
                plan.metrics.push(metric);
            }
        });
        plan.check_number(path, problems);
        plan
    }

    /// Whether each metric that counts requests says how many it needs.
    pub(crate) fn says_all_samples(&self) -> bool {
        self.metrics.iter().flatten().all(|metric| metric.min_samples.is_some() || metric.has_source())
    }
}

/// The metrics of one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfStep<'s> {
    /// Where the step's `analysis` stands in the manifest.
    pub(crate) path: &'s str,
    /// Its place in the plan, counted from 0.
    pub(crate) step: usize,
    /// As written.
    pub(crate) metrics: Option<&'s [MetricSpec]>,
    /// As written.
    pub(crate) templates: Option<&'s [TemplateUse]>,
}

impl OfStep<'_> {
    /// Adds them to a plan, every problem noted.
    pub(crate) fn add(&self, plan: &mut AnalysisPlan, around: &Around<'_>, problems: &mut Problems) {
        each_metric(self.metrics, self.templates, self.path, around, problems, |spec, path, problems| {
            plan.check_name(spec, path, problems);
            if spec.has_source() {
                plan.measured.extend(spec.measured(path, around, Some(vec![self.step]), problems));
            } else {
                problems.add(path, "has no source: a step's own metrics have prometheus or web; successRate and latency stand in spec.analysis and guard every step");
            }
        });
        plan.check_number(self.path, problems);
    }
}

/// Metrics as written, then those of templates, each with its path. What is wrong within a template is told at its use.
fn each_metric(
    metrics: Option<&[MetricSpec]>,
    templates: Option<&[TemplateUse]>,
    path: &str,
    around: &Around<'_>,
    problems: &mut Problems,
    mut take: impl FnMut(&MetricSpec, &str, &mut Problems),
) {
    for (index, spec) in metrics.unwrap_or_default().iter().enumerate() {
        take(spec, &format!("{path}.metrics[{index}]"), problems);
    }
    for (index, template) in templates.unwrap_or_default().iter().enumerate() {
        let path = format!("{path}.templates[{index}]");
        for (index, spec) in template.metrics(&path, around, problems).iter().enumerate() {
            let mut within = Problems::new();
            take(spec, &format!("metrics[{index}]"), &mut within);
            for (field, message) in within.into_found() {
                problems.add(&path, format!("{} of AnalysisTemplate {}: {message}", field, template.name.as_deref().unwrap_or_default()));
            }
        }
    }
}

impl AnalysisPlan {
    /// Notes a name that another metric has.
    fn check_name(&self, spec: &MetricSpec, path: &str, problems: &mut Problems) {
        let Some(name) = &spec.name else { return };
        if self.metrics.iter().any(|other| other.name == *name) || self.measured.iter().any(|other| other.name == *name) {
            problems.add(format!("{path}.name"), format!("{name:?} names two metrics: names must differ"));
        }
    }

    fn check_number(&self, path: &str, problems: &mut Problems) {
        let number = self.metrics.len().saturating_add(self.measured.len());
        if number > METRICS_MAX {
            problems.add(format!("{path}.metrics"), format!("has {number} metrics: at most {METRICS_MAX} are allowed"));
        }
    }
}

impl MetricSpec {
    fn name(&self, path: &str, problems: &mut Problems) -> Option<String> {
        match self.name.as_deref() {
            Some(name) if !name.trim().is_empty() && name.len() <= 63 => Some(name.to_owned()),
            Some(_) => {
                problems.add(format!("{path}.name"), "must have 1 to 63 characters");
                None
            }
            None => {
                problems.add(format!("{path}.name"), "is missing: write a name for its verdicts, for example errors");
                None
            }
        }
    }

    /// Notes a second comparison of the same kind: each takes its part of the error.
    fn compared_once(&self, metric: &Metric, others: &[Metric], path: &str, problems: &mut Problems) {
        if metric.guard.compares() && others.iter().any(|other| same(other.guard, metric.guard)) {
            let (field, what) = self.compared();
            problems.add(format!("{path}.{field}"), format!("compares {what} with stable a second time: remove one of the two metrics"));
        }
    }

    fn metric(&self, path: &str, samples: &Samples, problems: &mut Problems) -> Option<Metric> {
        self.without_source(path, problems);
        let name = self.name(path, problems);
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
                problems.add(path, "measures nothing: write successRate: {noWorseThanStable: {}}, latency: {percentile: 99, max: 300ms}, prometheus or web");
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

/// Whether both compare the same with stable.
fn same(one: Guard, other: Guard) -> bool {
    one == other || (one.compares_errors() && other.compares_errors())
}

impl SuccessRateSpec {
    fn guard(&self, path: &str, problems: &mut Problems) -> Option<Guard> {
        match (self.no_worse_than_stable, self.min) {
            (Some(NoWorseThanStable { by: None }), None) => Some(Guard::ErrorsNoWorseThanStable),
            (Some(NoWorseThanStable { by: Some(by) }), None) => {
                by.check(&format!("{path}.noWorseThanStable.by"), problems).map(Guard::ErrorsWithin)
            }
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
            if self.no_worse_than_stable.is_some_and(|compared| compared.by.is_some()) {
                let message = "is for successRate: latency is compared without a tolerance; remove it, or write a limit such as {percentile: 99, max: 300ms}";
                problems.add(format!("{path}.noWorseThanStable.by"), message);
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
