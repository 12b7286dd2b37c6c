//! What people and systems outside are asked while a release goes on: gates that say yes or no, and hooks that do something.
//!
//! The machine only names the calls it wants answered ([`crate::desired::Desired::calls`]); the platform makes them, at least once each, and
//! records what came of them, so that a restart does not repeat a call that was answered.

mod body;
mod progress;
mod view;

use serde::{Deserialize, Serialize};
use shunt_spec::plan::call::CallSpec;

pub use body::{Body, StepBody};
pub use progress::{Progress, Reply, back_off};
use shunt_spec::time::Time;
pub use view::{CallState, CallView};

/// A call that the machine wants made or answered now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// The same for the same question: `<attempt>/<place>/<name>`.
    pub id: String,
    /// What to ask or do.
    pub spec: CallSpec,
    /// What it is about, for its body and for people: `gate change-board before step 3 of 5: setWeight 25`.
    pub about: String,
}

/// What came of a call so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum CallSeen {
    /// No answer yet.
    Waiting {
        /// Since when.
        since: Time,
        /// How often it was tried.
        tries: u32,
        /// What the last try said; may be empty.
        note: String,
    },
    /// Yes, or done.
    Yes {
        /// Who: a token's name, or the webhook's host.
        by: String,
        /// In the answerer's words.
        note: String,
    },
    /// No.
    No {
        /// Who.
        by: String,
        /// In the answerer's words.
        note: String,
    },
    /// No answer after all retries, or the hook failed.
    Failed {
        /// What the last try said.
        note: String,
    },
}
