//! What every filter instance tells the control plane: the generation it runs, and cumulative counters.
//!
//! Counters are cumulative per VM, so a lost post loses nothing. Those under [`EpochReport`] are cumulative within the epoch.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::bits::{Bits, BitsError};
use crate::bounded;
pub use crate::exemplar::Exemplars;
use crate::names::{RolloutId, VersionName};
use crate::outcome::ResponseClass;

/// Upper bounds of the latency buckets, milliseconds; one more bucket counts what is slower.
pub const LATENCY_BOUNDS_MS: [u32; 16] = [1, 2, 5, 10, 20, 35, 50, 75, 100, 200, 300, 500, 1_000, 2_000, 5_000, 10_000];

/// Number of latency buckets.
pub const LATENCY_BUCKETS: usize = LATENCY_BOUNDS_MS.len() + 1;

/// Number of slots of the hash space that bitmaps cover; slot = point / [`POINTS_PER_SLOT`].
pub const SLOTS: u16 = 10_000;

/// Number of cells of the hash space that goals are counted by, finer than slots, because goals are about users; cell = point / 10.
pub const CELLS: u32 = 100_000;

/// Points in one slot.
pub const POINTS_PER_SLOT: u32 = 100;

/// Points in one cell.
pub const POINTS_PER_CELL: u32 = 10;

/// A set of slots.
pub type Slots = Bits<u16, 10_000, 4>;

/// A set of cells.
pub type Cells = Bits<u32, CELLS, 5>;

/// One post of one filter VM.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Envoy's node id.
    pub node: String,
    /// Random, made when the VM starts; a new one starts from zero.
    pub vm: String,
    /// Grows with each post of this VM; an older one is ignored.
    pub sequence: u64,
    /// The generation this VM decides with.
    pub generation: u64,
    /// True for the last post of a VM.
    #[serde(default, rename = "final")]
    pub last: bool,
    /// Version of the filter's module; empty: one that does not say it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub module: String,
    /// By Rollout, services and flags; those of the policy, and those that left it with requests still open.
    #[serde(default, deserialize_with = "bounded::services")]
    pub services: BTreeMap<RolloutId, ServiceReport>,
}

/// Counters of one Rollout in one VM, since the VM started. Those of a feature flag are the same, with its values as versions: a
/// request counts for each flag that was decided for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceReport {
    /// Requests that had no key though a chain is configured.
    #[serde(default)]
    pub keyless: u64,
    /// Another version answered than was decided.
    #[serde(default)]
    pub misrouted: u64,
    /// No cluster was chosen: a direct response or a missing cluster.
    #[serde(default)]
    pub unrouted: u64,
    /// Decisions that said stable because the decided version was not serving.
    #[serde(default)]
    pub not_serving: u64,
    /// Copies asked for, by version.
    #[serde(default, deserialize_with = "bounded::map::<_, _, _, { bounded::VERSIONS }>")]
    pub mirrored: BTreeMap<VersionName, u64>,
    /// By decided version: all requests, whatever assigned them.
    #[serde(default, deserialize_with = "bounded::map::<_, _, _, { bounded::VERSIONS }>")]
    pub versions: BTreeMap<VersionName, Counters>,
    /// By rule: requests it assigned.
    #[serde(default, deserialize_with = "bounded::map::<_, _, _, { bounded::RULES }>")]
    pub rules: BTreeMap<String, u64>,
    /// While an analysis runs: the newest epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<EpochReport>,
}

/// Requests of one version. `started - ended()` is what still runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counters {
    /// Requests decided.
    pub started: u64,
    /// Ended well.
    pub succeeded: u64,
    /// Ended badly (design §3.7).
    pub failed: u64,
    /// The client left within the response.
    pub cancelled: u64,
    /// The client left before the response's headers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub abandoned: u64,
    /// Ended as no version's: replies of ours, internal redirects, CONNECT, requests without a route.
    #[serde(default)]
    pub uncounted: u64,
    /// Of those that ended well or badly, how many another version answered, or none. Not counted within an epoch, where they belong to no arm.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub astray: u64,
    /// Time to response headers, by [`LATENCY_BOUNDS_MS`]; empty means all zero.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "bounded::list::<_, _, { bounded::BUCKETS }>")]
    pub latency: Vec<u64>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Counters {
    /// Requests that ended, whatever the class.
    pub fn ended(&self) -> u64 {
        let ended = [self.succeeded, self.failed, self.cancelled, self.abandoned, self.uncounted];
        ended.into_iter().fold(0, u64::saturating_add)
    }

    /// Adds another VM's, field by field.
    pub fn add(&mut self, other: &Self) {
        let Self { started, succeeded, failed, cancelled, abandoned, uncounted, astray, latency } = other;
        for (mine, theirs) in [
            (&mut self.started, started),
            (&mut self.succeeded, succeeded),
            (&mut self.failed, failed),
            (&mut self.cancelled, cancelled),
            (&mut self.abandoned, abandoned),
            (&mut self.uncounted, uncounted),
            (&mut self.astray, astray),
        ] {
            *mine = mine.saturating_add(*theirs);
        }
        if self.latency.len() < latency.len() {
            self.latency.resize(latency.len(), 0);
        }
        for (mine, theirs) in self.latency.iter_mut().zip(latency) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// Counts one time to response headers.
    pub fn observe(&mut self, elapsed: Duration) {
        if self.latency.len() < LATENCY_BUCKETS {
            self.latency.resize(LATENCY_BUCKETS, 0);
        }
        if let Some(bucket) = self.latency.get_mut(latency_bucket(elapsed)) {
            *bucket = bucket.saturating_add(1);
        }
    }
}

/// Requests assigned by the split (or by the policy's `countedRule`), decided and answered under one epoch. A misrouted one is in
/// neither arm; a flag's value reaches any version that answers, so for flags it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochReport {
    /// The service's epoch (policy).
    pub epoch: u64,
    /// By version.
    #[serde(deserialize_with = "bounded::map::<_, _, _, { bounded::VERSIONS }>")]
    pub versions: BTreeMap<VersionName, Counters>,
    /// Slots with at least one request that ended or hangs.
    pub seen: Slots,
    /// Slots with at least one failed request.
    pub failed: Slots,
    /// Slots with at least one abandoned request.
    #[serde(default, skip_serializing_if = "Slots::is_empty")]
    pub abandoned: Slots,
    /// Requests that hang; none: the policy does not say after how long one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hanging: Option<Hanging>,
    /// Answers that are no failures, by class; a class without any is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub responses: BTreeMap<ResponseClass, Responses>,
    /// What failed, was abandoned or hung, and answers of those classes: the most frequent ones by version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "bounded::map::<_, _, _, { bounded::VERSIONS }>")]
    pub exemplars: BTreeMap<VersionName, Exemplars>,
    /// Slots by latency; none without thresholds in the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencySlots>,
    /// Cells of the hash space by goal, while goals are counted: those whose key reached it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "bounded::map::<_, _, _, { bounded::GOALS }>")]
    pub goals: BTreeMap<String, Cells>,
    /// Cells with at least one request, while goals are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cells: Option<Cells>,
}

/// Answers of one class in an epoch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Responses {
    /// How many, by version.
    #[serde(deserialize_with = "bounded::map::<_, _, _, { bounded::VERSIONS }>")]
    pub versions: BTreeMap<VersionName, u64>,
    /// Slots with at least one.
    pub slots: Slots,
}

/// Requests without response headers for longer than the policy's `hangAfterMs`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hanging {
    /// How many hang now, by version.
    #[serde(deserialize_with = "bounded::map::<_, _, _, { bounded::VERSIONS }>")]
    pub versions: BTreeMap<VersionName, u64>,
    /// Slots where one ever hung in this epoch, however it ended.
    pub slots: Slots,
}

impl EpochReport {
    /// Adds another VM's report of the same epoch. Of a slot that both have timed, mine is its first request: it was told first.
    pub fn add(&mut self, other: &Self) {
        for (version, counters) in &other.versions {
            self.versions.entry(version.clone()).or_default().add(counters);
        }
        self.seen.union_with(&other.seen);
        self.failed.union_with(&other.failed);
        self.abandoned.union_with(&other.abandoned);
        if let Some(theirs) = &other.hanging {
            let mine = self.hanging.get_or_insert_default();
            add_numbers(&mut mine.versions, &theirs.versions);
            mine.slots.union_with(&theirs.slots);
        }
        for (class, theirs) in &other.responses {
            let mine = self.responses.entry(*class).or_default();
            add_numbers(&mut mine.versions, &theirs.versions);
            mine.slots.union_with(&theirs.slots);
        }
        for (version, theirs) in &other.exemplars {
            self.exemplars.entry(version.clone()).or_default().add(theirs);
        }
        if let Some(theirs) = &other.latency {
            self.latency.get_or_insert_default().add(theirs);
        }
        for (goal, cells) in &other.goals {
            self.goals.entry(goal.clone()).or_default().union_with(cells);
        }
        if let Some(theirs) = &other.cells {
            self.cells.get_or_insert_default().union_with(theirs);
        }
    }
}

fn add_numbers(into: &mut BTreeMap<VersionName, u64>, from: &BTreeMap<VersionName, u64>) {
    for (version, number) in from {
        let mine = into.entry(version.clone()).or_default();
        *mine = mine.saturating_add(*number);
    }
}

/// Slots of an epoch by time to response headers; only requests that have one count, and upgrades (code 101) have none.
///
/// `first_slow` is one observation per slot: its first request, by the time it ended. Each VM keeps its own first; added up, the
/// first report of a slot wins, and nothing that comes later changes it. Which of several VMs that is does not look at arms, so when
/// versions are equal, which arm a slow slot is in stays like drawing from an urn, which is all the test needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LatencySlots {
    /// Slots with at least one timed request.
    pub seen: Slots,
    /// Slots whose first timed request took longer than p50.
    pub first_slow: Slots,
    /// Slots with a request longer than p90.
    pub above_p90: Slots,
    /// Slots with a request longer than p99.
    pub above_p99: Slots,
}

impl LatencySlots {
    /// Adds another VM's. Of a slot that both have seen, mine is its first request: it was told first.
    pub fn add(&mut self, other: &Self) {
        let new = other.seen.minus(&self.seen);
        self.first_slow.union_with(&other.first_slow.common(&new));
        self.seen.union_with(&new);
        self.above_p90.union_with(&other.above_p90);
        self.above_p99.union_with(&other.above_p99);
    }
}

/// The bucket of a latency: the first whose bound it does not exceed.
pub fn latency_bucket(elapsed: Duration) -> usize {
    LATENCY_BOUNDS_MS.partition_point(|bound| Duration::from_millis(u64::from(*bound)) < elapsed)
}

#[cfg(test)]
mod tests;
