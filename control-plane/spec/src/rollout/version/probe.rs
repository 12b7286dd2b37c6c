//! `probe`: how the control plane asks an instance whether it is ready.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::Probe;
use crate::problems::Problems;
use crate::time::Span;

/// Readiness by HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProbeSpec {
    /// HTTP path; 200 to 399 is ready. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub path: Option<String>,
    /// Headers to send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Time between two probes. Default: 1s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// Time-out of one. Default: 1s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Successes in a row until ready. Default: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthy_threshold: Option<u32>,
    /// Failures in a row until not ready. Default: 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unhealthy_threshold: Option<u32>,
}

/// Shortest interval: shorter ones load small services more than their users do.
const INTERVAL_MIN: Span = Span::millis(50);

impl ProbeSpec {
    /// With defaults; every problem noted. `path` is where this stands in the manifest.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) -> Option<Probe> {
        let probe = Probe {
            path: self.path.clone().unwrap_or_default(),
            headers: self.headers.clone().unwrap_or_default(),
            interval: self.interval.unwrap_or(Span::seconds(1)),
            timeout: self.timeout.unwrap_or(Span::seconds(1)),
            healthy_threshold: self.healthy_threshold.unwrap_or(1),
            unhealthy_threshold: self.unhealthy_threshold.unwrap_or(3),
        };
        match &self.path {
            None => problems.add(format!("{path}.path"), "is missing: write the path that answers 200 when ready, for example /readyz"),
            Some(text) if !text.starts_with('/') || !text.bytes().all(|b| b.is_ascii_graphic()) => {
                problems.add(format!("{path}.path"), format!("{text:?} is not a path: start with /, without spaces, for example /readyz"));
            }
            Some(_) => {}
        }
        headers(&probe, path, problems);
        if probe.interval < INTERVAL_MIN {
            problems.add(format!("{path}.interval"), format!("{} is too short: write {INTERVAL_MIN} or more", probe.interval));
        }
        if probe.timeout == Span::millis(0) {
            problems.add(format!("{path}.timeout"), "0s fails every probe: write for example 1s");
        }
        for (name, value) in [("unhealthyThreshold", probe.unhealthy_threshold), ("healthyThreshold", probe.healthy_threshold)] {
            if !(1..=100).contains(&value) {
                problems.add(format!("{path}.{name}"), format!("{value} is not possible: write 1 to 100"));
            }
        }
        (!problems.within(path)).then_some(probe)
    }
}

fn headers(probe: &Probe, path: &str, problems: &mut Problems) {
    for (name, value) in &probe.headers {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            problems.add(format!("{path}.headers"), format!("{name:?} is not the name of a header: write letters, digits and '-'"));
        }
        if !value.chars().all(|c| c == ' ' || c.is_ascii_graphic()) {
            problems.add(format!("{path}.headers"), format!("{name}: {value:?} cannot be sent: write printable ASCII"));
        }
    }
}
