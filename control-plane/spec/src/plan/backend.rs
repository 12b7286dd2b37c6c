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

/// What a backend can do and has. Other files ask these and name no variant, so that a new kind of backend is written here and where it
/// is read, started and rendered.
impl Backend {
    /// At these addresses.
    pub fn at(endpoints: Vec<String>) -> Self {
        Backend::Endpoints(endpoints)
    }

    /// Whether Shunt sets how many instances there are.
    pub fn scales(&self) -> bool {
        self.command().is_some()
    }

    /// Whether its instances are known one by one: started by Shunt, or registered.
    pub fn has_instances(&self) -> bool {
        self.full_size().is_some()
    }

    /// Whether requests go to endpoints, in a cluster of Shunt's.
    pub fn has_endpoints(&self) -> bool {
        match self {
            Backend::Endpoints(_) | Backend::Command(_) | Backend::Registered(_) => true,
            Backend::Cluster(_) | Backend::Value(_) => false,
        }
    }

    /// Whether the user's own Envoy has its routes.
    pub fn owns_routes(&self) -> bool {
        self.cluster().is_some()
    }

    /// Its endpoints, where they are written or found; those of instances are known to the platform.
    pub fn endpoints(&self) -> Option<&[String]> {
        match self {
            Backend::Endpoints(endpoints) => Some(endpoints),
            Backend::Cluster(_) | Backend::Command(_) | Backend::Registered(_) | Backend::Value(_) => None,
        }
    }

    /// The cluster of the user's own Envoy.
    pub fn cluster(&self) -> Option<&String> {
        match self {
            Backend::Cluster(cluster) => Some(cluster),
            Backend::Endpoints(_) | Backend::Command(_) | Backend::Registered(_) | Backend::Value(_) => None,
        }
    }

    /// The value of a feature flag.
    pub fn value(&self) -> Option<&FlagValue> {
        match self {
            Backend::Value(value) => Some(value),
            Backend::Endpoints(_) | Backend::Cluster(_) | Backend::Command(_) | Backend::Registered(_) => None,
        }
    }

    /// How its instances are started.
    pub fn command(&self) -> Option<&CommandBackend> {
        match self {
            Backend::Command(command) => Some(command),
            Backend::Endpoints(_) | Backend::Cluster(_) | Backend::Registered(_) | Backend::Value(_) => None,
        }
    }

    /// How its instances register.
    pub fn registered(&self) -> Option<&RegisteredBackend> {
        match self {
            Backend::Registered(registered) => Some(registered),
            Backend::Endpoints(_) | Backend::Cluster(_) | Backend::Command(_) | Backend::Value(_) => None,
        }
    }

    /// How many instances there are at full size; none where they are not known one by one.
    pub fn full_size(&self) -> Option<u32> {
        match self {
            Backend::Command(command) => Some(command.instances),
            Backend::Registered(registered) => Some(registered.instances),
            Backend::Endpoints(_) | Backend::Cluster(_) | Backend::Value(_) => None,
        }
    }

    /// How long an instance must be ready before it counts; none where instances are not known one by one.
    pub fn min_ready(&self) -> Option<Span> {
        match self {
            Backend::Command(command) => Some(command.min_ready),
            Backend::Registered(registered) => Some(registered.min_ready),
            Backend::Endpoints(_) | Backend::Cluster(_) | Backend::Value(_) => None,
        }
    }

    /// How an instance is asked whether it is ready.
    pub fn probe(&self) -> Option<&Probe> {
        match self {
            Backend::Command(command) => command.probe.as_ref(),
            Backend::Registered(registered) => registered.probe.as_ref(),
            Backend::Endpoints(_) | Backend::Cluster(_) | Backend::Value(_) => None,
        }
    }

    /// The same with another number of instances, where Shunt sets it.
    pub fn resized(&self, instances: u32) -> Self {
        match self {
            Backend::Command(command) => Backend::Command(Box::new(CommandBackend { instances, ..CommandBackend::clone(command) })),
            Backend::Endpoints(_) | Backend::Cluster(_) | Backend::Registered(_) | Backend::Value(_) => self.clone(),
        }
    }
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
