//! What may happen to a Rollout, as notifications choose from it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EventKind {
    /// A run began.
    Started,
    /// A release replaces a refused one, or one that could no longer go back.
    RollForward,
    /// A step was entered.
    Stepped,
    /// The run waits for an operator: a pause without end, a manual gate, or a hold with its reason.
    Paused,
    /// It goes on.
    Resumed,
    /// The candidate is stable.
    Promoted,
    /// The release is refused: a failed analysis, a gate's or hook's no, or an operator's abort. Keys go back.
    Aborted,
    /// `release:` names stable again and keys go back, or an older version is stable again.
    RolledBack,
    /// Another release takes this one's place.
    Superseded,
    /// The manifest is gone.
    Deleted,
    /// A run ended as it should without promotion: a shadow, an A/B test without a winner.
    Concluded,
    /// The run is over without promotion, and no user is on the candidate any more.
    Recovered,
}

impl EventKind {
    /// All of them.
    pub const ALL: [EventKind; 12] = [
        EventKind::Started,
        EventKind::RollForward,
        EventKind::Stepped,
        EventKind::Paused,
        EventKind::Resumed,
        EventKind::Promoted,
        EventKind::Aborted,
        EventKind::RolledBack,
        EventKind::Superseded,
        EventKind::Deleted,
        EventKind::Concluded,
        EventKind::Recovered,
    ];

    /// As in manifests, and at the end of an event's type.
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Started => "started",
            EventKind::RollForward => "rollForward",
            EventKind::Stepped => "stepped",
            EventKind::Paused => "paused",
            EventKind::Resumed => "resumed",
            EventKind::Promoted => "promoted",
            EventKind::Aborted => "aborted",
            EventKind::RolledBack => "rolledBack",
            EventKind::Superseded => "superseded",
            EventKind::Deleted => "deleted",
            EventKind::Concluded => "concluded",
            EventKind::Recovered => "recovered",
        }
    }
}
