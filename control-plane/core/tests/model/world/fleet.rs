//! Instances that start and stop as asked.

use std::collections::BTreeMap;

use shunt_core::capacity::{Capacity, CrashLoop, Exit};
use shunt_core::desired::Desired;
use shunt_core::instance::CRASH_LOOP;
use shunt_filter_core::VersionName;
use shunt_spec::time::{Span, Time};

use super::World;

/// Instances of one version: when each was started, and when each began to stop.
#[derive(Clone, Default)]
pub(super) struct Fleet {
    alive: Vec<Time>,
    stopping: Vec<Time>,
}

impl World {
    /// One of its instances starts anew.
    pub(crate) fn crash(&mut self, version: &VersionName) {
        let now = self.now;
        if let Some(first) = self.fleets.get_mut(version).and_then(|fleet| fleet.alive.first_mut()) {
            *first = now;
        }
    }

    /// Starts and stops instances as asked; each takes its time.
    pub(super) fn run_instances(&mut self, wanted: &Desired) {
        let (now, takes) = (self.now, self.takes);
        self.fleets.retain(|version, fleet| wanted.scale.contains_key(version) || !fleet.alive.is_empty() || !fleet.stopping.is_empty());
        for version in wanted.scale.keys() {
            self.fleets.entry(version.clone()).or_default();
        }
        for (version, fleet) in &mut self.fleets {
            let size = wanted.scale.get(version).copied().unwrap_or(0) as usize;
            while fleet.alive.len() < size {
                fleet.alive.push(now);
            }
            while fleet.alive.len() > size {
                fleet.alive.pop();
                fleet.stopping.push(now);
            }
            fleet.stopping.retain(|since| now.since(*since) < takes);
        }
    }

    pub(super) fn capacity(&self, wanted: &Desired) -> BTreeMap<VersionName, Capacity> {
        let unmanaged = self.state.installed.keys().map(|version| (version.clone(), Capacity::Unmanaged));
        let mut capacity: BTreeMap<_, _> = unmanaged.collect();
        for (version, wanted) in &wanted.scale {
            let fleet = self.fleets.get(version).cloned().unwrap_or_default();
            let crashing = self.crashing.contains(version) && !fleet.alive.is_empty();
            let broken = crashing || self.broken.contains(version);
            let ready = fleet.alive.iter().filter(|since| !broken && self.now.since(**since) >= self.takes).count();
            let running = fleet.alive.len() + fleet.stopping.len();
            let trouble = if broken { "exit code 1: no such table".to_owned() } else { String::new() };
            let count = |many: usize| u32::try_from(many).expect("few");
            let exit = Exit { how: "exit code 1".to_owned(), words: "no such table".to_owned() };
            // The third end comes with its back-off about a second after the start.
            let looped = crashing && fleet.alive.iter().any(|since| self.now.since(*since) >= Span::seconds(1));
            let crash_loop = looped.then(|| CrashLoop { exits: vec![exit; CRASH_LOOP] });
            let readied = fleet.alive.iter().map(|since| since.after(self.takes)).filter(|at| !broken && *at <= self.now);
            let newest = readied.max().unwrap_or(Time(0));
            let (ready, running) = (count(ready), count(running));
            capacity.insert(version.clone(), Capacity::Instances { wanted: *wanted, ready, running, newest, trouble, crash_loop });
        }
        capacity
    }
}
