//! What instances a version has, as far as the platform knows.

use serde::{Deserialize, Serialize};

use crate::plan::Backend;

/// Instances of one version. A version that is absent from the observation is not known yet, and nothing advances on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Capacity {
    /// Its instances are not ours to start or stop (endpoints written in the manifest, clusters of the user's own Envoy, values).
    Unmanaged,
    /// Instances that we start, or that register themselves.
    Instances {
        /// How many are asked for.
        wanted: u32,
        /// Ready for at least `minReady`, of the present manifest, and in discovery.
        ready: u32,
        /// Processes alive or registered, whatever their state: starting, ready, draining.
        running: u32,
        /// Why some are not ready, with exit codes and the last words of the log; empty when all is well.
        trouble: String,
    },
}

/// How many instances a version has at full size; none where they are not ours to count.
pub fn full_size(backend: &Backend) -> Option<u32> {
    match backend {
        Backend::Command(command) => Some(command.instances),
        Backend::Registered(registered) => Some(registered.instances),
        Backend::Endpoints(_) | Backend::Cluster(_) | Backend::Value(_) => None,
    }
}
