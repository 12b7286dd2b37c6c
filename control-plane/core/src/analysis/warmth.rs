//! How warm instances are: new ones have cold caches and connections, which says nothing about a version.

use serde::{Deserialize, Serialize};
use shunt_spec::time::{Span, Time};

use crate::state::State;

/// Since when no instance that users meet is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warmth {
    /// The candidate has not answered yet, or it is not known that it has.
    Cold,
    /// The newest instances of both versions have answered for so long.
    For(Span),
}

impl Warmth {
    /// Of the run.
    pub fn of(state: &State, now: Time) -> Self {
        match state.run.as_ref().map(|run| run.warmed) {
            Some(Warmed::Warming { since } | Warmed::Warm { since }) => Self::For(now.since(since)),
            Some(Warmed::Cold) | None => Self::Cold,
        }
    }

    /// Whether a metric with this warm-up is not judged yet.
    pub fn is_below(self, warm_up: Span) -> bool {
        match self {
            Self::Cold => warm_up > Span::millis(0),
            Self::For(time) => time < warm_up,
        }
    }
}

/// How warm the instances of both versions are, as far as metrics with a warm-up want to know.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Warmed {
    /// The candidate has not answered yet.
    #[default]
    Cold,
    /// The newest instances began to answer then, and latency is not compared yet.
    Warming {
        /// See above.
        since: Time,
    },
    /// The same, and latency is compared.
    Warm {
        /// See above.
        since: Time,
    },
}

impl Warmed {
    pub(crate) fn is_cold(&self) -> bool {
        *self == Self::Cold
    }
}
