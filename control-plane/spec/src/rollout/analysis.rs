//! `analysis`: what guards a release.

mod allowance;
mod around;
mod compared;
mod external_metric;
mod goal;
mod ignored;
mod library;
mod source;
mod template;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::policy::ResponsePolicy;

use crate::plan::AnalysisPlan;
use crate::plan::metric::{Guard, Kind, LatencyTolerance, Metric};
use crate::problems::{FieldError, Problems};
use crate::schema::{ExactlyOne, Requires};
use crate::time::Span;
pub use allowance::Allowance;
pub(crate) use around::Around;
pub use compared::{AsStable, HangingSpec, LatencySpec, NoSlowerThanStable, NoWorseThanStable, ResponsesSpec, SuccessRateSpec};
pub(crate) use goal::{Ask, goal_source};
pub use ignored::Ignored;
pub use source::{PrometheusSpec, WebSpec};
pub use template::{AnalysisTemplate, AnalysisTemplateSpec, ArgSpec, TemplateUse, Templates};

/// Metrics that are looked at during a release and while the old version is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnalysisSpec {
    /// Default: errors, responses, latency and hanging requests no worse than stable's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Vec<MetricSpec>>,
    /// Metrics that are written once for many Rollouts, beside `metrics`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub templates: Option<Vec<TemplateUse>>,
    /// How long latency is not compared after the first requests of new instances. Default: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<Span>,
}

/// One metric. Exactly one of `successRate`, `responses`, `latency`, `hanging`, `prometheus`, `web`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ExactlyOne(&["successRate", "responses", "latency", "hanging", "prometheus", "web"]))]
pub struct MetricSpec {
    /// Its name in verdicts. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub name: Option<String>,
    /// Requests that did not fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_rate: Option<SuccessRateSpec>,
    /// Answers that are no failures, and yet bad where stable does not give them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub responses: Option<ResponsesSpec>,
    /// Time to response headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencySpec>,
    /// Requests without an answer: their clients left before response headers, or they are in flight for far longer than is usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hanging: Option<HangingSpec>,
    /// Requests of the candidate in a step before a pass is possible. Default: the mesh policy's, or 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_samples: Option<u64>,
    /// How long it is not judged after the first requests of new instances; only where it compares with stable. Default: that of the
    /// analysis for latency, else 0s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warm_up: Option<Span>,
    /// A query of Prometheus.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = Requires(&["query"]))]
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

/// How long latency is not compared after the first requests of new instances.
const WARM_UP: Span = Span::seconds(10);
/// A longer one would leave nothing of a step to judge.
const WARM_UP_MAX: Span = Span::seconds(3_600);

/// Without `analysis:`, all that the proxies see is compared with stable.
pub(crate) fn default_metrics(samples: &Samples, warm_up: Option<Span>) -> Vec<Metric> {
    let guards = [
        ("errors", Guard::ErrorsNoWorseThanStable),
        ("responses", Guard::ResponsesNoWorseThanStable(ResponsePolicy::all())),
        ("latency", Guard::LatencyNoWorseThanStable(LatencyTolerance::USUAL)),
        ("hanging", Guard::HangingNoWorseThanStable),
    ];
    let metric = |(name, guard): (&str, Guard)| Metric {
        name: name.to_owned(),
        warm_up: default_warm_up(&guard, warm_up),
        guard,
        min_samples: samples.default,
    };
    guards.into_iter().map(metric).collect()
}

/// What a metric has that does not say it; `written`: what the analysis says.
fn default_warm_up(guard: &Guard, written: Option<Span>) -> Span {
    match guard.compares() {
        Some(Kind::Latency) => written.unwrap_or(WARM_UP),
        Some(Kind::Errors | Kind::Responses | Kind::Hanging) | None => Span::default(),
    }
}

/// Notes one that no step is long enough for.
fn check_warm_up(warm_up: Option<Span>, path: &str, problems: &mut Problems) {
    if let Some(long) = warm_up.filter(|warm_up| *warm_up > WARM_UP_MAX) {
        problems.add(format!("{path}.warmUp"), format!("{long} is too long: write at most {WARM_UP_MAX}"));
    }
}

impl AnalysisSpec {
    /// All metrics, every problem noted. `path` is where this stands in the manifest.
    pub(crate) fn plan(&self, path: &str, samples: &Samples, around: &Around<'_>, problems: &mut Problems) -> AnalysisPlan {
        let mut plan = AnalysisPlan { metrics: Vec::new(), external_metrics: Vec::new() };
        check_warm_up(self.warm_up, path, problems);
        if self.metrics.is_none() {
            plan.metrics = default_metrics(samples, self.warm_up);
        }
        if self.metrics.as_ref().is_some_and(Vec::is_empty) && self.templates.is_none() {
            let message =
                "is empty, so nothing would guard the release: leave analysis out to compare all that the proxies see with stable";
            problems.add(format!("{path}.metrics"), message);
        }
        each_metric(self.metrics.as_deref(), self.templates.as_deref(), path, around, problems, |spec, path, problems| {
            plan.check_name(spec, path, problems);
            if spec.has_source() {
                plan.external_metrics.extend(spec.external_metric(path, around, None, problems));
            } else if let Some(metric) = spec.metric(path, samples, self.warm_up, problems) {
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
                plan.external_metrics.extend(spec.external_metric(path, around, Some(vec![self.step]), problems));
            } else {
                problems.add(path, "has no source: a step's own metrics have prometheus or web; successRate, responses, latency and hanging stand in spec.analysis and guard every step");
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
            for FieldError { path: field, message } in within.into_found() {
                problems.add(&path, format!("{field} of AnalysisTemplate {}: {message}", template.name.as_deref().unwrap_or_default()));
            }
        }
    }
}

impl AnalysisPlan {
    /// Notes a name that another metric has.
    fn check_name(&self, spec: &MetricSpec, path: &str, problems: &mut Problems) {
        let Some(name) = &spec.name else { return };
        if self.metrics.iter().any(|other| other.name == *name) || self.external_metrics.iter().any(|other| other.name == *name) {
            problems.add(format!("{path}.name"), format!("{name:?} names two metrics: names must differ"));
        }
    }

    fn check_number(&self, path: &str, problems: &mut Problems) {
        let number = self.metrics.len().saturating_add(self.external_metrics.len());
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
        let Some(kind) = metric.guard.compares() else { return };
        if others.iter().any(|other| other.guard.compares() == Some(kind)) {
            let (field, what) = match kind {
                Kind::Errors => ("successRate", "errors"),
                Kind::Responses => ("responses", "responses"),
                Kind::Latency => ("latency", "latency"),
                Kind::Hanging => ("hanging", "hanging requests"),
            };
            problems.add(format!("{path}.{field}"), format!("compares {what} with stable a second time: remove one of the two metrics"));
        }
    }

    fn metric(&self, path: &str, samples: &Samples, warm_up: Option<Span>, problems: &mut Problems) -> Option<Metric> {
        self.without_source(path, problems);
        let name = self.name(path, problems);
        let guard = self.guard(path, problems);
        let min_samples = self.min_samples(path, samples, problems);
        check_warm_up(self.warm_up, path, problems);
        if self.warm_up.is_some() && guard.as_ref().is_some_and(|guard| guard.compares().is_none()) {
            problems
                .add(format!("{path}.warmUp"), "is for metrics that compare with stable: a fixed limit judges every request; remove it");
        }
        let warm_up = self.warm_up.or_else(|| guard.as_ref().map(|guard| default_warm_up(guard, warm_up))).unwrap_or_default();
        Some(Metric { name: name?, guard: guard?, min_samples, warm_up })
    }

    fn guard(&self, path: &str, problems: &mut Problems) -> Option<Guard> {
        let guards = [
            self.success_rate.as_ref().map(|rate| rate.guard(&format!("{path}.successRate"), problems)),
            self.responses.as_ref().map(|responses| responses.guard(&format!("{path}.responses"), problems)),
            self.latency.as_ref().map(|latency| latency.guard(&format!("{path}.latency"), problems)),
            self.hanging.as_ref().map(|hanging| hanging.guard(&format!("{path}.hanging"), problems)),
        ];
        let mut written = guards.into_iter().flatten();
        match (written.next(), written.next()) {
            (Some(guard), None) => guard,
            (Some(_), Some(_)) => {
                problems.add(path, "measures more than one thing: write one metric each for successRate, responses, latency and hanging");
                None
            }
            (None, _) => {
                problems.add(path, "measures nothing: write one of successRate, responses, latency and hanging, for example successRate: {noWorseThanStable: {}}; or prometheus or web");
                None
            }
        }
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
