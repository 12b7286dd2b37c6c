//! External metrics as planned: Prometheus, or any web API that answers JSON, and the conditions that make a value good or bad.

mod condition;
mod text;
mod value;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use condition::{Condition, ConditionError};
pub use text::{OF_ARM, OF_TEST, PROVIDED, fill, is_time, placeholders, time};
pub(crate) use value::check_path;
pub use value::{JsonPathError, Value, select};

use crate::time::Span;

/// A metric with an external source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExternalMetric {
    /// Its name in verdicts.
    pub name: String,
    /// Who is asked, and what.
    pub source: Source,
    /// What makes a value good or bad.
    pub check: Check,
    /// Time between two measurements.
    pub interval: Span,
    /// Time before the first one.
    pub initial_delay: Span,
    /// So many measurements in all; none: as long as the release goes on.
    pub count: Option<u32>,
    /// Failures that are allowed; one more fails the metric.
    pub failure_limit: u32,
    /// Inconclusive measurements that are allowed; one more holds the release.
    pub inconclusive_limit: u32,
    /// Errors in a row that are allowed; one more fails the metric.
    pub consecutive_error_limit: u32,
    /// Measured and shown, never decides.
    pub dry_run: bool,
    /// The steps of the plan, counted from 0, that it belongs to; none: the whole release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<usize>>,
}

impl ExternalMetric {
    /// Whether it has no conditions, so that its values are only shown.
    pub fn only_shows(&self) -> bool {
        matches!(&self.check, Check::Conditions { success: None, failure: None } | Check::Limits { min: None, max: None })
    }

    /// The shortest time until a pass.
    pub fn shortest(&self) -> Span {
        let further = u64::from(self.count.unwrap_or(1).saturating_sub(1));
        Span::millis(self.initial_delay.0.saturating_add(self.interval.0.saturating_mul(further)))
    }

    /// Who is asked, in a word.
    pub fn source_name(&self) -> &'static str {
        self.source.name()
    }
}

/// Who is asked, and what. Texts may have placeholders: [`PROVIDED`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// An instant query.
    Prometheus(PrometheusSource),
    /// One request, and a place in its JSON answer.
    Web(WebSource),
}

impl Source {
    /// Who is asked, in a word.
    pub fn name(&self) -> &'static str {
        match self {
            Source::Prometheus(_) => "Prometheus",
            Source::Web(_) => "the web source",
        }
    }
}

/// An instant query of Prometheus, or of anything that speaks its HTTP API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrometheusSource {
    /// Its base URL.
    pub address: String,
    /// PromQL.
    pub query: String,
    /// PromQL of the baseline; none: `query` again, for stable, where it is wanted.
    pub baseline: Option<String>,
    /// Further headers.
    pub headers: Vec<Header>,
    /// How it is spoken to.
    pub connection: Connection,
}

/// One request, and a place in its JSON answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebSource {
    /// Where.
    pub url: String,
    /// How.
    pub method: Method,
    /// Headers.
    pub headers: Vec<Header>,
    /// Body, sent as it is.
    pub body: Option<String>,
    /// RFC 9535; `$` is the whole answer.
    pub json_path: String,
    /// How it is spoken to.
    pub connection: Connection,
}

/// A method of a web source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// `GET`.
    #[default]
    Get,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
}

/// A header of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Its name.
    pub name: String,
    /// What it says.
    pub value: HeaderValue,
}

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HeaderValue {
    /// This.
    Text(String),
    /// What stands in this file, without white space at its ends. Read for each measurement, so that it may be renewed.
    File(String),
    /// `Bearer` and what stands in this file.
    Bearer(String),
}

/// How a source is spoken to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// Longest time of one measurement.
    pub timeout: Span,
    /// PEM file with the authorities that it may be signed by, beside the system's.
    pub ca_file: Option<String>,
}

/// What makes a value good or bad.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Check {
    /// Fixed limits; each number of a list must keep them.
    Limits {
        /// At least.
        min: Option<f64>,
        /// At most.
        max: Option<f64>,
    },
    /// CEL. With only one of the two, the other is its opposite; with both, neither true is inconclusive. With none of them every
    /// value is inconclusive: it is only shown.
    Conditions {
        /// True: good.
        success: Option<Condition>,
        /// True: bad, whatever `success` says.
        failure: Option<Condition>,
    },
}

/// What one measurement says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reading {
    /// Good.
    Success,
    /// Bad.
    Failure,
    /// Neither.
    Inconclusive,
    /// The source answered that it has nothing, or nothing that is a number.
    NoData,
    /// The source did not answer, or not what was asked.
    Error(String),
}

impl Check {
    /// What it makes of a value. `baseline` is [`Value::Nothing`] when there is none.
    pub fn read(&self, value: &Value, baseline: &Value) -> Reading {
        if *value == Value::Nothing || (self.compares() && *baseline == Value::Nothing) {
            return Reading::NoData;
        }
        match self {
            Check::Limits { min, max } => limits(value, *min, *max),
            Check::Conditions { success, failure } => {
                let holds =
                    |condition: &Option<Condition>| condition.as_ref().map(|condition| condition.holds(value, baseline)).transpose();
                match (holds(success), holds(failure)) {
                    (Err(error), _) | (_, Err(error)) => Reading::Error(error.to_string()),
                    (_, Ok(Some(true))) | (Ok(Some(false)), Ok(None)) => Reading::Failure,
                    (Ok(Some(true)), _) | (Ok(None), Ok(Some(false))) => Reading::Success,
                    (Ok(Some(false)), Ok(Some(false))) | (Ok(None), Ok(None)) => Reading::Inconclusive,
                }
            }
        }
    }

    /// Whether it looks at the baseline.
    pub fn compares(&self) -> bool {
        match self {
            Check::Limits { .. } => false,
            Check::Conditions { success, failure } => [success, failure].into_iter().flatten().any(Condition::compares),
        }
    }
}

fn limits(value: &Value, min: Option<f64>, max: Option<f64>) -> Reading {
    let Some(numbers) = value.numbers() else {
        return Reading::Error(format!("{value} is not a number: write success with a condition instead of max and min"));
    };
    let kept = |number: &f64| min.is_none_or(|min| *number >= min) && max.is_none_or(|max| *number <= max);
    match numbers.iter().all(kept) {
        true => Reading::Success,
        false => Reading::Failure,
    }
}

impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Check::Limits { min: Some(min), max: Some(max) } => write!(f, "{min} ≤ value ≤ {max}"),
            Check::Limits { min: Some(min), max: None } => write!(f, "value ≥ {min}"),
            Check::Limits { min: None, max: Some(max) } => write!(f, "value ≤ {max}"),
            Check::Limits { min: None, max: None } => f.write_str("any value"),
            Check::Conditions { success: Some(success), failure: Some(failure) } => write!(f, "success: {success}; failure: {failure}"),
            Check::Conditions { success: Some(success), failure: None } => write!(f, "{success}"),
            Check::Conditions { success: None, failure: Some(failure) } => write!(f, "failure: {failure}"),
            Check::Conditions { success: None, failure: None } => f.write_str("any value"),
        }
    }
}
