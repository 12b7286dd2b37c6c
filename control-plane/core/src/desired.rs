//! (plan, state) -> what the world should be.

use serde::{Deserialize, Serialize};
use shunt_filter_core::{RolloutId, ServicePolicy, VersionName};

use crate::plan::{HealthCheck, Plan, Version};
use crate::state::State;
use crate::time::Span;

/// What one Rollout wants of the world.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Desired {
    /// Its part of the routing policy; none when there is nothing to decide.
    pub service: Option<ServicePolicy>,
    /// Its routes, clusters and endpoints; none when they are not ours, or no longer wanted.
    pub routes: Option<Routes>,
}

/// The routes of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routes {
    /// Whose.
    pub id: RolloutId,
    /// Hosts, wildcards as `*.suffix`.
    pub hosts: Vec<String>,
    /// Port in the authority; none: any.
    pub port: Option<u16>,
    /// What the default route names.
    pub default: VersionName,
    /// Versions with a cluster and a header route, each with [`crate::plan::Backend::Endpoints`].
    pub versions: Vec<Version>,
    /// Which version may get copies of which version's requests: (answering, copy).
    pub mirrors: Vec<(VersionName, VersionName)>,
    /// Active health checks.
    pub health: Option<HealthCheck>,
    /// Longest time a request may take.
    pub timeout: Option<Span>,
}

/// What the world should be.
pub fn desired(_plan: &Plan, _state: &State) -> Desired {
    todo!()
}
