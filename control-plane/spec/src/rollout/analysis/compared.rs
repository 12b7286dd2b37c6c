//! What the proxies count, and how it is judged, as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::policy::ResponsePolicy;

use super::{Allowance, Ignored};
use crate::plan::metric::{Guard, LatencyTolerance};
use crate::problems::Problems;
use crate::rollout::quantity::Percent;
use crate::schema::ExactlyOne;
use crate::time::Span;

/// Exactly one of the two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ExactlyOne(&["noWorseThanStable", "min"]))]
pub struct SuccessRateSpec {
    /// Compared with stable at the same time, sequentially.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_worse_than_stable: Option<NoWorseThanStable>,
    /// At least this share must succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<Percent>,
}

/// `{}`: not at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoWorseThanStable {
    /// So much worse is allowed: percentage points more failures, `0.5pp`, or times the failures, `1.5x`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Allowance>,
}

/// Answers that are no failures.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResponsesSpec {
    /// Compared with stable at the same time, sequentially. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub no_worse_than_stable: Option<AsStable>,
    /// What is meant, and so not compared: classes, statuses of HTTP, statuses of gRPC. Default: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore: Option<Vec<Ignored>>,
}

/// Requests without an answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HangingSpec {
    /// Compared with stable at the same time, sequentially. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub no_worse_than_stable: Option<AsStable>,
}

/// `{}`: nothing more to say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AsStable {}

/// Either compared with stable, or a percentile and its limit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = ExactlyOne(&["noWorseThanStable", "max"]))]
pub struct LatencySpec {
    /// Compared with stable at the same time, sequentially.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_worse_than_stable: Option<NoSlowerThanStable>,
    /// Percent, above 0 and below 100. Default: 99.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percentile: Option<f64>,
    /// The limit. Required unless compared with stable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<Span>,
}

/// Slower by the larger of the two is allowed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoSlowerThanStable {
    /// A share of what stable takes. Default: 20%.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Percent>,
    /// A time. Default: 5ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Span>,
}

/// A candidate that may be so much slower is not compared at all.
const AT_LEAST_MAX: Span = Span::seconds(60);

const COMPARE: &str = "is missing: write noWorseThanStable: {}";

impl SuccessRateSpec {
    pub(super) fn guard(&self, path: &str, problems: &mut Problems) -> Option<Guard> {
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

impl ResponsesSpec {
    pub(super) fn guard(&self, path: &str, problems: &mut Problems) -> Option<Guard> {
        if self.no_worse_than_stable.is_none() {
            problems.add(format!("{path}.noWorseThanStable"), COMPARE);
            return None;
        }
        let ignored = self.ignore.as_deref().unwrap_or_default();
        let mut policy = ResponsePolicy::all();
        for (index, ignored) in ignored.iter().enumerate() {
            match ignored {
                Ignored::Class(class) => policy.classes.retain(|counted| counted != class),
                Ignored::Status(status @ 300..=499) => policy.ignore.extend(u16::try_from(*status).ok()),
                Ignored::Status(status @ 1..=16) => policy.ignore_grpc.extend(u32::try_from(*status).ok()),
                Ignored::Status(status) => {
                    let message = format!("{status} is neither a status from 300 to 499 nor a gRPC status from 1 to 16");
                    problems.add(format!("{path}.ignore[{index}]"), message);
                }
            }
        }
        if policy.classes.is_empty() {
            let message = "names every class, so nothing would be compared: remove the metric, or one of the classes";
            problems.add(format!("{path}.ignore"), message);
            return None;
        }
        Some(Guard::ResponsesNoWorseThanStable(policy))
    }
}

impl HangingSpec {
    pub(super) fn guard(&self, path: &str, problems: &mut Problems) -> Option<Guard> {
        if self.no_worse_than_stable.is_none() {
            problems.add(format!("{path}.noWorseThanStable"), COMPARE);
            return None;
        }
        Some(Guard::HangingNoWorseThanStable)
    }
}

impl LatencySpec {
    pub(super) fn guard(&self, path: &str, problems: &mut Problems) -> Option<Guard> {
        if let Some(compared) = self.no_worse_than_stable {
            if self.percentile.is_some() || self.max.is_some() {
                problems.add(path, "has both noWorseThanStable and a limit: make two metrics of it");
                return None;
            }
            return compared.guard(&format!("{path}.noWorseThanStable"), problems);
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

impl NoSlowerThanStable {
    fn guard(self, path: &str, problems: &mut Problems) -> Option<Guard> {
        let LatencyTolerance { by, at_least } = LatencyTolerance::USUAL;
        let tolerance = LatencyTolerance { by: self.by.map_or(by, Percent::value), at_least: self.at_least.unwrap_or(at_least) };
        if tolerance.at_least > AT_LEAST_MAX {
            problems
                .add(format!("{path}.atLeast"), format!("{} allows nearly everything: write at most {AT_LEAST_MAX}", tolerance.at_least));
            return None;
        }
        Some(Guard::LatencyNoWorseThanStable(tolerance))
    }
}
