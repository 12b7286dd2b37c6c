//! One instance of a version: a process that we start, or an address that registered itself. Its life is pure: what happened
//! ([`Instance::after`]) and what is wanted ([`steer()`]) make the next recorded state; the caller does the I/O that it asks for.
//!
//! Starting -> Probing -> Ready -> Leaving (out of discovery) -> Draining (proved at every proxy) -> Terminating (SIGTERM) ->
//! Killing (SIGKILL) -> gone. A process that ends by itself starts again, later each time.

mod backoff;
mod event;
mod probing;
mod steer;
mod summary;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shunt_spec::plan::{CommandBackend, Probe};
use shunt_spec::time::{Span, Time};

use crate::capacity::Exit;
pub use event::Event;
pub use probing::{Change, Streak, next_probe};
pub use steer::{Known, Source, Wanted, due, steer};
pub use summary::{InstanceState, InstanceView, capacity, views};

/// One instance as recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// Never used twice.
    pub id: u64,
    /// What it is.
    pub kind: Kind,
    /// Where it is in its life.
    pub stage: Stage,
    /// Since when.
    pub since: Time,
    /// `ip:port` where it listens; none: not launched yet.
    pub address: Option<String>,
    /// How often its process was started anew.
    pub restarts: u32,
    /// Ends in a row, each before it had been ready for a while.
    pub failures: u32,
    /// What went wrong last, while it is not well; empty: nothing.
    pub trouble: String,
    /// How its process ended last, also when it is well again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<LastExit>,
    /// The last of those ends that `failures` counts, at most [`CRASH_LOOP`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exits: Vec<Exit>,
}

/// So many ends in a row, none after a process that was ready for a while, are a crash loop.
pub const CRASH_LOOP: usize = 3;

/// The end of a process that was started again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastExit {
    /// When.
    pub at: Time,
    /// How, with the last words of its log: `exit code 3: no database`.
    pub how: String,
}

/// What an instance is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Kind {
    /// A process of ours.
    Command {
        /// Of what was started: an instance of another template is replaced.
        template: String,
        /// While it may run; none: to be launched.
        process: Option<Process>,
    },
    /// It registered itself.
    Registered {
        /// When its registration ends, unless renewed.
        expires: Time,
    },
}

/// A process, told from every other one that may have its number later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Its process id; also its process group's and its session's.
    pub pid: u32,
    /// When it started, in clock ticks since the machine's start (field 22 of `/proc/<pid>/stat`).
    pub start: u64,
    /// Which start of the machine (`/proc/sys/kernel/random/boot_id`).
    pub boot: String,
}

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Stage {
    /// To be launched.
    Starting {
        /// Not before: the back-off after a crash.
        not_before: Time,
    },
    /// It runs, and does not answer its probe yet, or not any more.
    Probing,
    /// It answers, and is in discovery.
    Ready,
    /// Out of discovery; some proxy may not know yet.
    Leaving,
    /// Every proxy knows; requests in flight end.
    Draining,
    /// It got SIGTERM.
    Terminating,
    /// It got SIGKILL.
    Killing,
}

impl Instance {
    /// A process to be launched at once.
    pub fn command(id: u64, template: &str, now: Time) -> Self {
        let kind = Kind::Command { template: template.to_owned(), process: None };
        Self::new(id, kind, Stage::Starting { not_before: now }, now)
    }

    /// One that registered itself, in discovery as soon as it answers its probe.
    pub fn registered(id: u64, address: String, expires: Time, probe: Option<&Probe>, now: Time) -> Self {
        let stage = if probe.is_some() { Stage::Probing } else { Stage::Ready };
        Self { address: Some(address), ..Self::new(id, Kind::Registered { expires }, stage, now) }
    }

    fn new(id: u64, kind: Kind, stage: Stage, now: Time) -> Self {
        Self {
            id,
            kind,
            stage,
            since: now,
            address: None,
            restarts: 0,
            failures: 0,
            trouble: String::new(),
            last_exit: None,
            exits: Vec::new(),
        }
    }

    /// Its process; none: it has none, or none yet.
    pub fn process(&self) -> Option<&Process> {
        match &self.kind {
            Kind::Command { process, .. } => process.as_ref(),
            Kind::Registered { .. } => None,
        }
    }

    /// Where requests may go; none: it is not in discovery.
    pub fn discovered(&self) -> Option<&str> {
        self.address.as_deref().filter(|_| self.stage == Stage::Ready)
    }

    /// Whether it is on its way out.
    pub fn is_leaving(&self) -> bool {
        match self.stage {
            Stage::Starting { .. } | Stage::Probing | Stage::Ready => false,
            Stage::Leaving | Stage::Draining | Stage::Terminating | Stage::Killing => true,
        }
    }

    /// Whether it is not what is wanted now: of another command, or of another kind.
    pub fn is_old(&self, source: &Source) -> bool {
        match (&self.kind, source) {
            (Kind::Command { template, .. }, Source::Command { template: wanted }) => template != wanted,
            (Kind::Registered { .. }, Source::Registered) => false,
            (Kind::Command { .. }, Source::Registered) | (Kind::Registered { .. }, Source::Command { .. }) => true,
        }
    }

    /// Whether it has been ready for as long as it must be to count.
    pub fn is_available(&self, min_ready: Span, now: Time) -> bool {
        self.stage == Stage::Ready && now.since(self.since) >= min_ready
    }

    fn at(&self, stage: Stage, now: Time) -> Self {
        Self { stage, since: now, ..self.clone() }
    }
}

/// Names what is started: a changed one means that instances are replaced. Probes, numbers and times may change without.
pub fn template(command: &CommandBackend) -> String {
    // Our own types with string keys, in a fixed order: equal commands give equal text in every process.
    let text = serde_json::to_vec(&(&command.command, &command.port_env, &command.env, &command.work_dir)).unwrap_or_default();
    Sha256::digest(&text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
