//! Logs for people: which, and how much of each.

use std::path::PathBuf;

use shunt_api::logs::{Log, Logs, LogsWanted};
use shunt_api::{InstanceRefused, Refusal};
use shunt_core::instance::Kind;
use shunt_filter_core::VersionName;
use shunt_spec::plan::Plan;

use super::Instances;
use super::log::part::{From, part};
use crate::platform::Stored;

/// Most bytes of all logs in one answer, and fewest of one.
const ROOM: u64 = 1024 * 1024;
const ROOM_MIN: u64 = 16 * 1024;
/// Most logs in one answer.
const LOGS_MAX: usize = 64;

/// Logs that a client of the API wants, and where they are. Reading takes a while: away from the reconciler.
#[derive(Debug)]
pub(crate) struct Reading {
    logs: Vec<(VersionName, u64, PathBuf)>,
    wanted: LogsWanted,
}

impl Instances {
    /// Which logs are wanted.
    pub(crate) fn logs(&self, stored: &Stored, wanted: LogsWanted) -> Result<Reading, Refusal> {
        let plan = &stored.plan;
        let leaving = stored.state.installed.iter().map(|(name, installed)| (name, &installed.backend));
        let leaving = leaving.filter(|(name, _)| plan.version(name).is_none());
        let known: Vec<_> = plan.versions.iter().map(|version| (&version.name, &version.backend)).chain(leaving).collect();
        if let Some(version) = wanted.version.as_ref().filter(|version| known.iter().all(|(name, _)| name != version)) {
            let known = known.iter().map(|(name, _)| (*name).clone()).collect();
            return Err(Refusal::UnknownVersion { rollout: plan.id.clone(), version: version.clone(), known });
        }
        let meant = known.iter().filter(|(name, _)| wanted.version.as_ref().is_none_or(|version| version == *name));
        let ours: Vec<&VersionName> = meant.filter(|(_, backend)| backend.scales()).map(|(name, _)| *name).collect();
        if ours.is_empty() {
            let what =
                wanted.version.as_ref().map_or_else(|| format!("versions of {}", plan.id), |version| format!("instances of {version}"));
            return Err(InstanceRefused::NotRun(what).into());
        }
        let logs: Vec<_> = ours.iter().flat_map(|version| self.logs_of(plan, version, wanted.instance)).collect();
        match wanted.instance {
            Some(instance) if logs.is_empty() => {
                let there = ours.iter().flat_map(|version| self.logs.there(&plan.id, version)).collect();
                Err(InstanceRefused::NoLog { instance, there }.into())
            }
            _ => Ok(Reading { logs, wanted }),
        }
    }

    /// Those of instances that are there; else the last one's.
    fn logs_of(&self, plan: &Plan, version: &VersionName, instance: Option<u64>) -> Vec<(VersionName, u64, PathBuf)> {
        let files = self.logs.there(&plan.id, version);
        let pool = self.pools.get(&(plan.id.clone(), version.clone()));
        let run = pool.into_iter().flat_map(|pool| &pool.instances).filter(|one| matches!(one.kind, Kind::Command { .. }));
        let run: Vec<u64> = run.map(|one| one.id).filter(|id| files.contains(id)).collect();
        let ids = match instance {
            Some(instance) => files.iter().copied().filter(|id| *id == instance).collect(),
            None if run.is_empty() => files.last().copied().into_iter().collect(),
            None => run,
        };
        ids.into_iter().map(|id| (version.clone(), id, self.logs.path(&plan.id, version, id))).collect()
    }
}

impl Reading {
    /// Reads; blocks. A log that is not there any more is left out.
    pub(crate) fn read(self) -> Logs {
        let Self { mut logs, wanted } = self;
        // The newest, where there are too many.
        logs.drain(..logs.len().saturating_sub(LOGS_MAX));
        let room = (ROOM / (logs.len() as u64).max(1)).max(ROOM_MIN);
        let read = |(version, instance, path): (VersionName, u64, PathBuf)| {
            let from = wanted.after.get(&instance).map_or(From::Tail(wanted.tail), |place| From::After(*place));
            let part = part(&path, from, room).ok()?;
            Some(Log { version, instance, text: part.text, unfinished: part.unfinished, next: part.next, more: part.more })
        };
        Logs { logs: logs.into_iter().filter_map(read).collect() }
    }
}
