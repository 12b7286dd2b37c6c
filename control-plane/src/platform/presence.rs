//! What a platform knows of proxies beside their reports: who is there, what they took, what they refuse.

use std::collections::BTreeSet;

use shunt_spec::Time;

/// Number of a publication, as the platform counts them; anew in each process.
pub(crate) type Sequence = u64;

/// One proxy, as its platform sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Presence {
    /// Its node id.
    pub(crate) node: String,
    /// Whether it is there: connected, or its Pod is.
    pub(crate) connected: bool,
    /// Since when it is, or is not.
    pub(crate) since: Time,
    /// What is known of the routes that it has.
    pub(crate) routes: RouteEvidence,
    /// What it refuses at the moment.
    pub(crate) refusal: Option<Refused>,
    /// The store that published what it had when it came, when that was not this one; empty: one that marks nothing.
    pub(crate) foreign: Option<String>,
}

/// What is known of the routes that a proxy has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RouteEvidence {
    /// It acknowledged everything up to this publication; 0: nothing yet.
    Acknowledged(Sequence),
}

impl RouteEvidence {
    /// The newest publication whose routes it has.
    pub(crate) fn sequence(self) -> Sequence {
        match self {
            Self::Acknowledged(sequence) => sequence,
        }
    }
}

/// What a proxy refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    /// What it is, for people: `clusters`.
    pub(crate) kind: String,
    /// Whose it is.
    pub(crate) concerns: Concerns,
    /// Names of what was refused alone; empty: it is not known which.
    pub(crate) resources: Vec<String>,
    /// The proxy's own words.
    pub(crate) error: String,
    /// The publication that it refused.
    pub(crate) sequence: Sequence,
}

/// Whom a refusal concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concerns {
    /// What Rollouts have of their own: clusters, endpoints, routes.
    Routes,
    /// The policy, which all share.
    Policy,
    /// The proxy's own listener, which all share.
    Listener,
    /// What this program does not know. It may be anything.
    Unknown,
}

/// Who gets what is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Nobody.
    Nobody,
    /// Proxies that have nothing, or what this store or one of these published.
    Stores(BTreeSet<String>),
    /// Every proxy.
    Everybody,
}
