//! One compiled service.

use crate::assignment::Assignment;
use crate::goal::CompiledGoal;
use crate::mirror::CompiledMirror;
use crate::names::{RolloutId, VersionName};
use crate::request::Needs;
use crate::watch::Watch;

/// One service: finds the version of each of its requests with [`Service::decide`].
#[derive(Debug, Clone)]
pub struct Service {
    pub(crate) name: RolloutId,
    pub(crate) watch: Watch,
    pub(crate) default_route: Option<VersionName>,
    pub(crate) versions: Vec<Version>,
    /// Gets all that nothing else claims; one of `versions`.
    pub(crate) stable: Version,
    pub(crate) assignment: Assignment,
    pub(crate) mirror: Option<CompiledMirror>,
}

impl Service {
    /// The Rollout.
    pub fn name(&self) -> &RolloutId {
        &self.name
    }

    /// What must be read of a request before [`Service::decide`].
    pub fn needs(&self) -> &Needs {
        &self.assignment.needs
    }

    /// What is looked at while an analysis runs.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// What users may reach.
    pub fn goals(&self) -> &[CompiledGoal] {
        &self.assignment.goals
    }

    /// Who answers what nothing else claims.
    pub fn stable(&self) -> &Version {
        &self.stable
    }

    /// The version that the default route names.
    pub fn default_route(&self) -> Option<&VersionName> {
        self.default_route.as_ref()
    }

    /// All versions, in order of the policy.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter()
    }

    /// The version of that name.
    pub fn version(&self, name: &VersionName) -> Option<&Version> {
        self.versions().find(|version| version.name == *name)
    }

    /// Names of the rules, in order.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        self.assignment.rules.iter().map(|rule| rule.name.as_str())
    }
}

/// One compiled version of a service.
#[derive(Debug, Clone)]
pub struct Version {
    pub(crate) name: VersionName,
    pub(crate) serving: bool,
    pub(crate) clusters: Vec<String>,
    pub(crate) aggregate: bool,
    /// The route header; none when the default route gives the same.
    pub(crate) route: Option<String>,
    /// The route header with a copy, by whom gets it.
    pub(crate) copies: Vec<(VersionName, String)>,
}

impl Version {
    /// Its name.
    pub fn name(&self) -> &VersionName {
        &self.name
    }

    /// False: decisions that name it say stable instead.
    pub fn serving(&self) -> bool {
        self.serving
    }

    /// Envoy clusters whose answer counts as this version's. Empty: not checked.
    pub fn clusters(&self) -> &[String] {
        &self.clusters
    }

    /// True: its cluster is an aggregate, so what answered is read from the endpoint's metadata `shunt.version`.
    pub fn aggregate(&self) -> bool {
        self.aggregate
    }
}
