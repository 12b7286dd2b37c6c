//! Instances as the state machine counts them, and as people see them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_spec::time::Time;

use super::steer::Wanted;
use super::{CRASH_LOOP, Instance, Kind, LastExit, Stage};
use crate::capacity::{Capacity, CrashLoop};

/// One instance, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceView {
    /// Its number; names its log.
    pub id: u64,
    /// `ip:port`; none: it has none yet.
    pub address: Option<String>,
    /// Its process; none: it has none now, or it is not ours.
    pub pid: Option<u32>,
    /// Where it is in its life.
    pub state: InstanceState,
    /// Since when.
    pub since: Time,
    /// How often its process was started anew.
    pub restarts: u32,
    /// What went wrong last, while it is not well.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trouble: String,
    /// How its process ended last, also when it is well again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_exit: Option<LastExit>,
}

/// Where an instance is in its life, for people and pipelines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum InstanceState {
    /// It is launched as soon as it may be.
    Starting,
    /// It runs, and does not answer its probe yet, or not any more.
    Probing,
    /// It answers, and proxies may send requests to it.
    Ready,
    /// Proxies are told that it goes.
    Leaving,
    /// Every proxy knows; its requests in flight end.
    Draining,
    /// It got SIGTERM.
    Terminating,
    /// It got SIGKILL.
    Killing,
}

/// Longest text about what is wrong, characters.
const TROUBLE_MAX: usize = 300;

/// What the state machine may count on.
pub fn capacity(instances: &[Instance], wanted: &Wanted, now: Time) -> Capacity {
    let counts = |one: &&Instance| !one.is_old(&wanted.source) && one.is_available(wanted.min_ready, now);
    let exists = |one: &&Instance| match &one.kind {
        Kind::Command { process, .. } => process.is_some(),
        Kind::Registered { .. } => true,
    };
    Capacity::Instances {
        wanted: wanted.instances,
        ready: number(instances.iter().filter(counts).count()),
        running: number(instances.iter().filter(exists).count()),
        newest: instances.iter().filter(counts).map(|one| one.since).max().unwrap_or_default(),
        trouble: trouble(instances),
        crash_loop: instances.iter().filter(|one| !one.is_old(&wanted.source)).find_map(crash_loop),
    }
}

/// One that is on its way out will not be started again, and one that is ready has got over it.
fn crash_loop(one: &Instance) -> Option<CrashLoop> {
    let loops = one.exits.len() >= CRASH_LOOP && one.stage != Stage::Ready && !one.is_leaving();
    loops.then(|| CrashLoop { exits: one.exits.clone() })
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// The worst of what is wrong, with how many share it.
fn trouble(instances: &[Instance]) -> String {
    let ill = || instances.iter().filter(|one| !one.trouble.is_empty() && !one.is_leaving());
    let Some(worst) = ill().max_by_key(|one| (one.restarts, one.id)) else {
        return String::new();
    };
    let crashed = match worst.restarts {
        0 => String::new(),
        1 => " after 1 restart".to_owned(),
        many => format!(" after {many} restarts"),
    };
    let others = match ill().count().saturating_sub(1) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    let text: String = worst.trouble.chars().take(TROUBLE_MAX).collect();
    format!("{text}{crashed}{others}")
}

/// As people see them, in order of id.
pub fn views(instances: &[Instance]) -> Vec<InstanceView> {
    instances.iter().map(view).collect()
}

fn view(one: &Instance) -> InstanceView {
    InstanceView {
        id: one.id,
        address: one.address.clone(),
        pid: one.process().map(|process| process.pid),
        state: one.stage.into(),
        since: one.since,
        restarts: one.restarts,
        trouble: one.trouble.clone(),
        last_exit: one.last_exit.clone(),
    }
}

impl From<Stage> for InstanceState {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Starting { .. } => Self::Starting,
            Stage::Probing => Self::Probing,
            Stage::Ready => Self::Ready,
            Stage::Leaving => Self::Leaving,
            Stage::Draining => Self::Draining,
            Stage::Terminating => Self::Terminating,
            Stage::Killing => Self::Killing,
        }
    }
}

impl fmt::Display for InstanceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InstanceState::Starting => "starting",
            InstanceState::Probing => "probing",
            InstanceState::Ready => "ready",
            InstanceState::Leaving => "leaving",
            InstanceState::Draining => "draining",
            InstanceState::Terminating => "terminating",
            InstanceState::Killing => "killing",
        })
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        InstanceState::from(*self).fmt(f)
    }
}
