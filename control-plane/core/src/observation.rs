//! All that a decision may look at. Nothing here is optional: what is not known is a variant, with its age.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shunt_filter_core::VersionName;

use crate::analysis::Verdict;
use crate::time::{Span, Time};

/// What the world looked like at one moment, as far as one Rollout is concerned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// When.
    pub now: Time,
    /// Whether every filter instance that reported lately decides with this Rollout's traffic as last published.
    pub policy: Delivery,
    /// The same, among all expected proxies that are not gone, however long they have been silent: what destroying asks for.
    pub everywhere: Delivery,
    /// Whether every proxy has this Rollout's clusters, endpoints and routes as last published, proved by a generation pushed
    /// after their acknowledgement. Always live with external routing.
    pub routes: Delivery,
    /// Whether other versions answer than were decided.
    pub misrouting: Misrouting,
    /// Misrouted or unrouted requests so far, for people.
    pub misrouted: u64,
    /// By version; one that nobody ever named is absent and has no requests.
    pub versions: BTreeMap<VersionName, VersionSeen>,
    /// One per metric of the plan, in its order; empty while nothing is analysed.
    pub verdicts: Vec<Verdict>,
}

/// Whether requests are answered by another version than was decided, or by none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Misrouting {
    /// Not within the last [`MISROUTED_QUIET`]; `since` is the last time it happened, or when observation began.
    Quiet {
        /// See above.
        since: Time,
    },
    /// It happens, with pauses shorter than [`MISROUTED_QUIET`].
    Growing {
        /// When it began.
        since: Time,
    },
}

/// How long nothing may be misrouted before a step counts as proved (design §4, *Proof of a step*).
pub const MISROUTED_QUIET: Span = Span::seconds(3);

/// Requests of one version, summed over all proxies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionSeen {
    /// Started and not yet ended, over living VMs.
    pub open: u64,
    /// Ended requests that the split assigned in the current epoch.
    pub in_epoch: u64,
    /// Ended requests in all.
    pub total: u64,
    /// Failed requests in all.
    pub failed: u64,
}

/// How far something published has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// These expected proxies have not reported it yet.
    Waiting {
        /// Node ids.
        behind: Vec<String>,
    },
    /// Every VM of every expected proxy reported it.
    Live {
        /// When the last one did.
        since: Time,
        /// How many proxies that is.
        proxies: u32,
    },
    /// A proxy refused it.
    Rejected {
        /// Node id.
        node: String,
        /// The proxy's own words.
        error: String,
    },
    /// No proxy has reported lately, so nothing can be proved.
    Unknown {
        /// Since when.
        since: Time,
    },
}
