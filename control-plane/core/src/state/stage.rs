//! Where a run is, and why it ends.

use serde::{Deserialize, Serialize};

/// Where a run is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Stage {
    /// The candidate is being installed.
    Preparing,
    /// A step waits for instances, or for the answer of a gate or hook, before it changes any traffic.
    AwaitingPrerequisites {
        /// Index into the plan's steps.
        step: usize,
    },
    /// A step is published and not yet proved.
    Applying {
        /// Index into the plan's steps.
        step: usize,
    },
    /// A step is proved; its wait, if any, is on.
    Holding {
        /// Index into the plan's steps.
        step: usize,
    },
    /// All keys go to the candidate by policy; not yet proved.
    Shifting,
    /// The default route goes to the candidate; not yet proved.
    Switching,
    /// Requests are held and the candidate's instances go, before stable's may come back.
    Clearing(Ending),
    /// Stable gets the instances back that it gave up; the candidate keeps the keys that stable cannot carry yet.
    Restoring(Ending),
    /// All keys go back to stable; not yet proved.
    Reverting(Ending),
    /// No user is sent to the candidate any more; its requests in flight end.
    Draining(Ending),
}

impl Stage {
    /// Why the run ends, when it does.
    pub fn ending(&self) -> Option<&Ending> {
        match self {
            Stage::Clearing(ending) | Stage::Restoring(ending) | Stage::Reverting(ending) | Stage::Draining(ending) => Some(ending),
            Stage::Preparing
            | Stage::AwaitingPrerequisites { .. }
            | Stage::Applying { .. }
            | Stage::Holding { .. }
            | Stage::Shifting
            | Stage::Switching => None,
        }
    }

    /// The step it is at, counted from 0.
    pub fn step(&self) -> Option<usize> {
        match self {
            Stage::AwaitingPrerequisites { step } | Stage::Applying { step } | Stage::Holding { step } => Some(*step),
            Stage::Preparing
            | Stage::Shifting
            | Stage::Switching
            | Stage::Clearing(_)
            | Stage::Restoring(_)
            | Stage::Reverting(_)
            | Stage::Draining(_) => None,
        }
    }
}

/// Why a run ends without promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Ending {
    /// Aborted: the release is refused for this reason.
    Refused {
        /// With numbers in it.
        reason: String,
    },
    /// `release:` names stable again.
    RolledBack,
    /// `release:` names a third version.
    Superseded,
    /// The manifest is gone.
    Deleted,
    /// It did what it was for.
    Concluded {
        /// With numbers in it.
        result: String,
    },
}
