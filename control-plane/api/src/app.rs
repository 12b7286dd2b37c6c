//! What the API needs from the process that it runs in: shared values to show, channels to ask. No state is changed here.

use std::net::SocketAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_core::instance::InstanceView;
use shunt_core::observation::Freeze;
use shunt_core::replay::Incident;
use shunt_core::status::RolloutStatus;
use shunt_core::{State, Verb};
use shunt_filter_core::report::Report;
use shunt_filter_core::{RolloutId, RoutingPolicy, VersionName};
use shunt_spec::manifest::ManifestError;
use shunt_spec::{Plan, Time};
use tokio::sync::{mpsc, oneshot, watch};

use crate::access::Access;
use crate::health::Notice;
use crate::logs::{Logs, LogsWanted};
use crate::memory::{Memory, Room};
use crate::metrics::Metrics;
use crate::recovery::{Recovery, RecoveryBody};
use crate::refusal::Refusal;
use crate::rollouts::History;

/// Everything the API reads and whom it asks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    /// All Rollouts, in order of id, replaced as a whole whenever one of them changes.
    pub rollouts: watch::Receiver<Arc<Vec<Arc<RolloutNow>>>>,
    /// The policy last published; format, generation 0 and no services before the first one.
    pub policy: watch::Receiver<Arc<RoutingPolicy>>,
    /// Proxies that are connected, expected or reporting, in order of node id.
    pub proxies: watch::Receiver<Arc<Vec<ProxyStatus>>>,
    /// What is wrong with the manifests as they are now; their last good versions keep running.
    pub problems: watch::Receiver<Arc<Vec<ManifestError>>>,
    /// Commands and questions; answered by the process.
    pub requests: mpsc::Sender<ControlRequest>,
    /// Questions about what is recorded, answered when no command waits.
    pub reads: mpsc::Sender<ControlRequest>,
    /// Posts of the filters. Bounded: when it is full the post is answered 503; counters are cumulative, so nothing is lost.
    pub reports: mpsc::Sender<Post>,
    /// How much memory they may take.
    pub memory: Memory,
    /// Whether an operator has frozen all releases.
    pub freeze: watch::Receiver<Freeze>,
    /// True once the state is read, all Rollouts have contributed and xDS is served: `/readyz`.
    pub ready: watch::Receiver<bool>,
    /// What an operator should know about the control plane as a whole.
    pub notices: watch::Receiver<Arc<Vec<Notice>>>,
    /// True once the process wants to end: open event streams end.
    pub stopping: watch::Receiver<bool>,
    /// Whom to let in, and where to record what they did.
    pub access: Access,
    /// What the process counts itself; `/metrics` adds what it computes from the values above.
    pub metrics: Metrics,
}

/// One report as it came in.
#[derive(Debug)]
pub struct Post {
    /// What it says.
    pub report: Report,
    /// What speaks for its node.
    pub sender: Sender,
    /// The memory that it takes until it is dropped.
    pub room: Room,
}

/// What speaks for the node that a report names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// The certificate of the connection.
    Certified,
    /// Nothing: any process on this machine may have sent it.
    Uncertified,
}

/// One Rollout at one moment: how it is shown, and what that was made of (`explain` runs on it).
#[derive(Debug, Clone, PartialEq)]
pub struct RolloutNow {
    /// What people see.
    pub view: RolloutStatus,
    /// What it should do.
    pub plan: Plan,
    /// Where it is.
    pub state: State,
}

/// One proxy as its connection and its reports show it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyStatus {
    /// Envoy's node id.
    pub node: String,
    /// Whether it has an xDS stream open now.
    pub connected: bool,
    /// Whether it is recorded as possibly holding a policy of ours: a version is destroyed only when it agrees or is gone.
    pub expected: bool,
    /// Generation of its slowest VM; none: never reported to this process.
    pub generation: Option<u64>,
    /// The highest generation that it claims to run and that was never published here: its reports are not believed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<u64>,
    /// Why its reports were refused in the last minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Filter VMs that live, as reported.
    pub vms: u32,
    /// Filter VMs that went silent without a last word while others report, and were not replaced: dead, or of a blocked worker.
    #[serde(default)]
    pub lost_vms: u32,
    /// Filter VMs that did so in the last minutes, replaced or not.
    #[serde(default)]
    pub dead_vms: u32,
    /// Versions of the filter's module in its VMs, as reported.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Requests that another version answered than was decided, since the Envoy started.
    #[serde(default)]
    pub misrouted: u64,
    /// Requests for which no cluster was chosen, since the Envoy started.
    #[serde(default)]
    pub unrouted: u64,
    /// When one of the two grew last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_misrouted: Option<Time>,
    /// Its last report.
    pub last_report: Option<Time>,
    /// True: no report for 30 s, or none at all.
    pub silent: bool,
    /// What it refused and has not accepted since.
    pub rejected: Vec<Rejection>,
}

/// Something that a proxy refused (a NACK).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// Kind of resource: `clusters`, `endpoints`, `listeners`, `routes`, `extensions`.
    pub kind: String,
    /// The proxy's own words.
    pub error: String,
}

/// Something only the process can do or know. A dropped `reply` is answered 503.
#[derive(Debug)]
pub enum ControlRequest {
    /// Leave a command for a Rollout.
    Command {
        /// Which.
        rollout: RolloutId,
        /// What to do.
        verb: Verb,
        /// The revision the author saw; none: whatever it is now.
        revision: Option<u64>,
        /// Who asks.
        by: String,
        /// Why; may be empty.
        reason: String,
        /// As [`shunt_core::Command::confirm`].
        confirm: bool,
        /// Answered with what `advance` made of it: done, or refused ([`Refusal::Stale`], [`Refusal::Command`]).
        reply: Reply<Accepted>,
    },
    /// Edit `spec.release` of the manifest.
    Release {
        /// Which.
        rollout: RolloutId,
        /// The version that should be stable.
        version: VersionName,
        /// Who asks.
        by: String,
        /// Why, in the author's words; may be empty.
        reason: String,
        /// Answered once the file is written.
        reply: Reply<Accepted>,
    },
    /// Write a Rollout's manifest into the config folder.
    Put {
        /// Which.
        rollout: RolloutId,
        /// The manifest: one document, YAML or JSON.
        text: String,
        /// Who asks.
        by: String,
        /// Answered once it is in force.
        reply: Reply<Accepted>,
    },
    /// Take a Rollout's manifest out of the config folder.
    Remove {
        /// Which.
        rollout: RolloutId,
        /// Who asks.
        by: String,
        /// Answered once that is seen.
        reply: Reply<Accepted>,
    },
    /// The journal of a Rollout (also of one whose manifest is gone).
    History {
        /// Which.
        rollout: RolloutId,
        /// At most so many of the newest entries.
        limit: usize,
        /// Oldest first, with gates and hooks beside them.
        reply: Reply<History>,
    },
    /// The same with plans and first state: all that is needed to run it again elsewhere.
    Incident {
        /// Which.
        rollout: RolloutId,
        /// At most so many of the newest entries.
        limit: usize,
        /// Answered with the newest part of the journal.
        reply: Reply<Incident>,
    },
    /// An instance registers itself, or renews its registration.
    Register {
        /// Which Rollout.
        rollout: RolloutId,
        /// Of which version it is.
        version: VersionName,
        /// Where it listens.
        address: SocketAddr,
        /// Answered once that is recorded.
        reply: Reply<Registered>,
    },
    /// A registered instance wants to go.
    Deregister {
        /// Which Rollout.
        rollout: RolloutId,
        /// Of which version it is.
        version: VersionName,
        /// Where it listens.
        address: SocketAddr,
        /// Answered once that is recorded; none: no instance is registered there.
        reply: Reply<Option<InstanceView>>,
    },
    /// Where a registered instance is in its life.
    Registration {
        /// Which Rollout.
        rollout: RolloutId,
        /// Of which version it is.
        version: VersionName,
        /// Where it listens.
        address: SocketAddr,
        /// None: no instance is registered there, or not any more.
        reply: Reply<Option<InstanceView>>,
    },
    /// What instances of a Rollout write.
    Logs {
        /// Which.
        rollout: RolloutId,
        /// Of which instances, and how much.
        wanted: LogsWanted,
        /// Answered with what fits.
        reply: Reply<Logs>,
    },
    /// Freeze all releases, or end that.
    Freeze {
        /// What it should be; the time is the process's.
        freeze: Freeze,
        /// Answered once that is recorded, with what it is.
        reply: Reply<Freeze>,
    },
    /// Make the states anew from what proxies run, after the store was lost.
    Recover {
        /// What was seen at proxies, and for which Rollouts an operator confirmed what follows from it.
        body: RecoveryBody,
        /// Who asks.
        by: String,
        /// Answered with what follows from it, and whether it was done.
        reply: Reply<Recovery>,
    },
    /// A proxy is gone for good: it is expected no longer.
    Forget {
        /// Envoy's node id.
        node: String,
        /// Answered once that is recorded.
        reply: Reply<()>,
    },
}

/// An instance that registered itself, or renewed that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// Where it is in its life.
    pub instance: InstanceView,
    /// Whether that is news: it was not there before, or was on its way out.
    pub news: bool,
}

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// A command or release that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// The Rollout's revision after it.
    pub revision: u64,
    /// What happened, one sentence for people.
    pub message: String,
}
