//! Where a version's instances are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shunt_filter_core::policy::FlagValue;

use crate::time::Span;

/// Where a version's instances are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Backend {
    /// `host:port` each; an IP address, or a DNS name.
    Endpoints(Vec<String>),
    /// A cluster of the user's own Envoy (external routing).
    Cluster(String),
    /// Instances that Shunt starts and stops.
    Command(Box<CommandBackend>),
    /// Instances that register themselves.
    Registered(RegisteredBackend),
    /// A value of a feature flag.
    Value(FlagValue),
}

/// Instances that Shunt starts and stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandBackend {
    /// Program and arguments, no shell; never empty.
    pub command: Vec<String>,
    /// How many at full size; at least 1.
    pub instances: u32,
    /// Environment variable that carries the port the instance must listen on.
    pub port_env: String,
    /// Further environment variables.
    pub env: BTreeMap<String, String>,
    /// Working directory; none: the control plane's.
    pub work_dir: Option<String>,
    /// How the platform asks an instance whether it is ready; none: it accepts connections.
    pub probe: Option<Probe>,
    /// How long an instance must be ready before it counts.
    pub min_ready: Span,
    /// Between SIGTERM and SIGKILL.
    pub termination_grace: Span,
}

/// Instances that register themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredBackend {
    /// How many there must be before the version counts as ready; at least 1.
    pub instances: u32,
    /// A registration that is not renewed for this long ends.
    pub ttl: Span,
    /// How the platform asks an instance whether it is ready; none: registering says so.
    pub probe: Option<Probe>,
    /// How long an instance must be ready before it counts.
    pub min_ready: Span,
}

/// Readiness by HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// HTTP path; 200 to 399 is ready.
    pub path: String,
    /// Headers to send.
    pub headers: BTreeMap<String, String>,
    /// Time between two probes.
    pub interval: Span,
    /// Time-out of one.
    pub timeout: Span,
    /// Successes in a row until ready.
    pub healthy_threshold: u32,
    /// Failures in a row until not ready.
    pub unhealthy_threshold: u32,
}
