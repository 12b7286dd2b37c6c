//! What metrics and goals with a source may use.

use super::Templates;
use crate::rollout::Owner;

/// What metrics with a source may use.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Around<'a> {
    /// All templates.
    pub(crate) templates: &'a Templates,
    /// The Rollout's namespace.
    pub(crate) namespace: &'a str,
    /// Why versions have no cluster, if they have none.
    pub(crate) no_cluster: Option<&'a str>,
    /// Why versions have no cluster for copies, if they have none.
    pub(crate) no_shadow: Option<&'a str>,
    /// Whether it is a goal of an A/B test.
    pub(crate) in_test: bool,
}

static NO_TEMPLATES: Templates = Templates::none();

impl Around<'static> {
    /// Without templates.
    pub(crate) fn of(owner: Owner) -> Self {
        let (no_cluster, no_shadow) = match owner {
            Owner::Shunt => (None, None),
            Owner::User => (None, Some("copies are made by your own Envoy, to a cluster of yours: write its name")),
            Owner::Flag => (Some("the versions are values of a feature flag"), Some("the versions are values of a feature flag")),
        };
        Self { templates: &NO_TEMPLATES, namespace: "", no_cluster, no_shadow, in_test: false }
    }

    /// For goals of an A/B test.
    pub(crate) fn of_test(owner: Owner) -> Self {
        Self { in_test: true, ..Self::of(owner) }
    }
}
