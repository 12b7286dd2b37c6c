//! Who routes to the versions: Shunt, the user's own Envoy, or no proxy (they are values of a flag).

use crate::plan::{Backend, Version};

/// Who routes to the versions, as far as they say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Clusters and routes are Shunt's.
    Shunt,
    /// Versions are clusters of the user's own Envoy.
    User,
    /// No proxy: versions are values of a flag.
    Flag,
}

impl Owner {
    /// The one that any version names, beside Shunt; that all agree is checked elsewhere.
    pub(crate) fn of(versions: &[Version]) -> Self {
        let of = |version: &Version| match version.backend {
            Backend::Cluster(_) => Owner::User,
            Backend::Value(_) => Owner::Flag,
            Backend::Endpoints(_) | Backend::Command(_) | Backend::Registered(_) => Owner::Shunt,
        };
        versions.iter().map(of).find(|owner| *owner != Owner::Shunt).unwrap_or(Owner::Shunt)
    }

    /// Why a field that is about clusters or routes makes no sense, and what to do; none: it does.
    pub(crate) fn refuses(self, what: &str, yours: &str) -> Option<String> {
        match self {
            Owner::Shunt => None,
            Owner::User => Some(format!("needs {what} that Shunt owns: set {yours}, and remove it here")),
            Owner::Flag => Some("has no meaning for a feature flag, which routes nothing: remove it".to_owned()),
        }
    }
}
