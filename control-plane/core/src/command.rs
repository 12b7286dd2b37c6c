//! What an operator or a pipeline asks of a running Rollout: a verb, and the revision its author saw.

mod refused;

pub use refused::CommandRefused;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One request of a person or a pipeline. [`crate::advance()`] ignores one whose revision is past, so a double click acts once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// Unique, given by the store.
    pub id: u64,
    /// What to do.
    pub verb: Verb,
    /// The state's revision that the author saw; none: whatever it is now (resolved when the command is stored).
    pub revision: u64,
    /// Who asked.
    pub by: String,
    /// Why, in the author's words; may be empty.
    #[serde(default)]
    pub reason: String,
    /// Whether the author knows that an A/B test does not speak for the promotion, and wants it all the same.
    #[serde(default)]
    pub confirm: bool,
}

impl Command {
    /// Who asked, and why, for the journal: `alice: looks good`.
    pub fn author(&self) -> String {
        if self.reason.is_empty() { self.by.clone() } else { format!("{}: {}", self.by, self.reason) }
    }
}

/// What can be asked. `release` is not among them: it edits the manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Verb {
    /// Ends the wait of the current step: a pause, a gate, or a pass that does not come.
    Promote,
    /// Skips the steps that are left.
    PromoteFull,
    /// Skips the steps before this one.
    PromoteTo {
        /// Counted from 1.
        step: usize,
    },
    /// Holds the run where it is.
    Pause,
    /// Ends a hold.
    Resume,
    /// Ends the run: all keys to stable, the release is refused.
    Abort,
    /// Starts a refused release again, from the first step.
    Retry,
    /// Starts a refused release again, or goes back in a running one, to this step.
    RestartFrom {
        /// Counted from 1.
        step: usize,
    },
}
