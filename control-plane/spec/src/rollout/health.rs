//! `health`: active health checks of endpoints, by the proxies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::HealthCheck;
use crate::problems::Problems;
use crate::time::Span;

/// How an endpoint is asked whether it is well.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthSpec {
    /// HTTP path that answers 200. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub path: Option<String>,
    /// Time between checks. Default: 2s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// Time-out of one check. Default: 1s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Failures until unhealthy. Default: 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy_threshold: Option<u32>,
    /// Successes until healthy. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy_threshold: Option<u32>,
}

/// Shortest interval: shorter ones load small services more than their users do.
const INTERVAL_MIN: Span = Span::millis(100);
/// Longest interval and time-out: a version that is down for longer than that is found otherwise.
const LONGEST: Span = Span::seconds(3_600);

impl HealthSpec {
    /// With defaults; every problem noted. `path` is where this stands in the manifest.
    pub(crate) fn check(&self, path: &str, problems: &mut Problems) -> Option<HealthCheck> {
        let check = HealthCheck {
            path: self.path.clone().unwrap_or_default(),
            interval: self.interval.unwrap_or(Span::seconds(2)),
            timeout: self.timeout.unwrap_or(Span::seconds(1)),
            unhealthy_threshold: self.unhealthy_threshold.unwrap_or(2),
            healthy_threshold: self.healthy_threshold.unwrap_or(1),
        };
        match &self.path {
            None => problems.add(format!("{path}.path"), "is missing: write the path that answers 200, for example /healthz"),
            Some(text) if !text.starts_with('/') || !text.bytes().all(|b| b.is_ascii_graphic()) => {
                problems.add(format!("{path}.path"), format!("{text:?} is not a path: start with /, without spaces, for example /healthz"));
            }
            Some(_) => {}
        }
        for (name, span, least) in [("interval", check.interval, INTERVAL_MIN), ("timeout", check.timeout, Span::millis(1))] {
            if !(least..=LONGEST).contains(&span) {
                problems.add(format!("{path}.{name}"), format!("{span} is not possible: write {least} to {LONGEST}"));
            }
        }
        for (name, value) in [("unhealthyThreshold", check.unhealthy_threshold), ("healthyThreshold", check.healthy_threshold)] {
            if !(1..=100).contains(&value) {
                problems.add(format!("{path}.{name}"), format!("{value} is not possible: write 1 to 100"));
            }
        }
        (!problems.within(path)).then_some(check)
    }
}
