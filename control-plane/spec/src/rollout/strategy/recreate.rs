//! `recreate`: old down, new up; requests are held meanwhile.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::Weight;

use super::List;
use crate::plan::{Role, Scale, Step};
use crate::rollout::Owner;
use crate::time::Span;

/// How long users may be without an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecreateSpec {
    /// How long requests may be held until the candidate is ready; then the old version comes back. At most `progressDeadline`.
    /// Default: 30s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
}

pub(super) fn add(path: &str, list: &mut List<'_>) {
    match list.terms.owner {
        Owner::Flag => return list.refuse(path, "has no meaning for a feature flag, which has no instances: write canary"),
        Owner::User => {
            return list.refuse(path, "holds requests by a route of Shunt's, and the routes are your own: write blueGreen or canary");
        }
        Owner::Shunt => {}
    }
    if !list.terms.scalable() {
        let message = "stops the old instances before it starts the new ones, and Shunt starts and stops only those of command: write command in all versions, or blueGreen or canary";
        return list.refuse(path, message);
    }
    let scale = |role, share| Step::Scale(Scale { role, share });
    list.extend(path, [Step::Hold, scale(Role::Stable, Weight::ZERO), scale(Role::Candidate, Weight::ALL)]);
}
