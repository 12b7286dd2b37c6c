//! All that a decision may look at. Nothing here is optional: what is not known is a variant, with its age.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::VersionName;
use shunt_filter_core::exemplar::Exemplars;
use shunt_filter_core::policy::LatencyThresholds;
use shunt_spec::time::{Span, Time};

use crate::analysis::{Evidence, Verdict};
use crate::call::CallSeen;
use crate::capacity::Capacity;
use crate::contest::Contest;

/// What the world looked like at one moment, as far as one Rollout is concerned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
    /// By version; one that no manifest ever named is absent and has no requests.
    pub versions: BTreeMap<VersionName, VersionSeen>,
    /// One per metric of the plan, in its order; empty while nothing is analysed.
    pub verdicts: Vec<Verdict>,
    /// What a pass of the analysis can rest on so far.
    #[serde(default)]
    pub evidence: Evidence,
    /// Instances by version; a version that is absent is not known yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub capacity: BTreeMap<VersionName, Capacity>,
    /// What came of calls, by their id; one that is absent was not made yet.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<String, CallSeen>,
    /// How an A/B test stands.
    #[serde(default, skip_serializing_if = "Contest::is_none")]
    pub contest: Contest,
    /// Whether an operator has frozen all releases.
    #[serde(default)]
    pub freeze: Freeze,
    /// How long requests of stable take, from which the next epoch's latency thresholds are made.
    #[serde(default)]
    pub latency_baseline: LatencyBaseline,
}

impl Observation {
    /// Nothing is known yet.
    pub fn unknown(now: Time) -> Self {
        let unknown = Delivery::Unknown { since: now };
        Self {
            now,
            policy: unknown.clone(),
            everywhere: unknown.clone(),
            routes: unknown,
            misrouting: Misrouting::Quiet { since: now },
            misrouted: 0,
            versions: BTreeMap::new(),
            verdicts: Vec::new(),
            evidence: Evidence::default(),
            capacity: BTreeMap::new(),
            calls: BTreeMap::new(),
            contest: Contest::default(),
            freeze: Freeze::Off,
            latency_baseline: LatencyBaseline::Unknown,
        }
    }
}

/// Whether an operator has frozen all releases: nothing goes forward, aborts and rollbacks work.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Freeze {
    /// No.
    #[default]
    Off,
    /// Yes.
    On {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// Since when.
        since: Time,
    },
}

/// How long requests take as a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LatencyBaseline {
    /// Too few requests to say.
    #[default]
    Unknown,
    /// Percentiles of the times so far.
    Known(LatencyThresholds),
}

/// Whether requests are answered by another version than was decided, or by none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
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
#[serde(rename_all = "camelCase")]
pub struct VersionSeen {
    /// Started and not yet ended, over living VMs.
    pub open: u64,
    /// Ended requests that the split assigned in the current epoch.
    pub in_epoch: u64,
    /// Failed ones of these.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_in_epoch: u64,
    /// Ended requests in all.
    pub total: u64,
    /// Failed requests in all.
    pub failed: u64,
    /// Requests decided for it that another version answered in all, or none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub astray: u64,
    /// Requests decided for it whose clients left before any answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub abandoned: u64,
    /// Examples of what failed, or was no usual answer, in the current epoch.
    #[serde(default, skip_serializing_if = "Exemplars::is_empty")]
    pub exemplars: Exemplars,
    /// Who answered, since every VM decides with what was published last.
    #[serde(default, skip_serializing_if = "Answers::is_nothing")]
    pub answers: Answers,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Who answered what was decided for a version under what was published last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Answers {
    /// Nothing of it has ended yet.
    #[default]
    Nothing,
    /// The version itself, at every proxy where anything ended.
    Right,
    /// At these proxies only other versions, or none at all.
    Astray {
        /// Node ids.
        nodes: Vec<String>,
    },
}

impl Answers {
    fn is_nothing(&self) -> bool {
        *self == Self::Nothing
    }
}

/// How far something published has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
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
