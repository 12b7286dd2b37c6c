//! What is recorded of what was published, on every platform.

use std::collections::BTreeSet;

/// The policy published last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PolicyRecord {
    /// Its generation; 0: nothing was ever published.
    pub(crate) generation: u64,
    /// Of its content without the generation.
    pub(crate) hash: String,
    /// Generations up to this one may have been published without a record, by a process that ended while the disk was full.
    pub(crate) ceiling: u64,
}

/// How many generations may be published while they cannot be recorded.
pub(crate) const UNRECORDED_MAX: u64 = 64;

/// What one Rollout contributed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContributionRecord {
    /// Hash of its service.
    pub(crate) service: String,
    /// The first generation that carried this service.
    pub(crate) generation: u64,
    /// Hash of its routes.
    pub(crate) routes: String,
    /// The first generation pushed after every proxy had acknowledged these routes.
    pub(crate) proof: Option<u64>,
}

/// Which store this is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Random; every version that proxies get ends with it.
    pub(crate) name: String,
    /// Whether some proxy has what this store published.
    pub(crate) settled: bool,
    /// Other stores whose proxies this one took over.
    pub(crate) adopted: BTreeSet<String>,
}
