//! How far generations have come at one moment: made by one walk over all proxies, for the questions of all Rollouts.

use std::collections::{BTreeSet, VecDeque};

use super::Reports;
use crate::observation::Delivery;
use shunt_spec::time::Time;

/// The proxies of one moment. It answers as [`Reports::delivery`] and [`Reports::everywhere`] do for the same proxies and time.
#[derive(Debug)]
pub struct Survey {
    version: u64,
    at: Time,
    /// Those that reported lately, or had no time to.
    talking: Progress,
    /// Those that are not gone.
    there: Progress,
    /// Last report of any proxy.
    silent_since: Time,
}

impl Survey {
    pub(super) fn new(reports: &Reports, expected: &BTreeSet<String>, now: Time) -> Self {
        let talking = expected.iter().filter(|name| reports.talks(name, now));
        let there = expected.iter().filter(|name| reports.is_there(name, now));
        Self {
            version: reports.version,
            at: now,
            talking: Progress::new(reports, talking, now),
            there: Progress::new(reports, there, now),
            silent_since: reports.silent_since(now),
        }
    }

    /// Whether nothing has been reported or happened since, and it is about this time.
    pub fn is_of(&self, reports: &Reports, now: Time) -> bool {
        (self.version, self.at) == (reports.version, now)
    }

    /// See [`Reports::delivery`].
    pub fn delivery(&self, generation: u64) -> Delivery {
        self.talking.delivery(generation, self.silent_since)
    }

    /// See [`Reports::everywhere`].
    pub fn everywhere(&self, generation: u64) -> Delivery {
        self.there.delivery(generation, self.silent_since)
    }
}

/// How far generations have come among some proxies.
#[derive(Debug, Default)]
struct Progress {
    /// What each proxy runs, the furthest behind first; none: not known.
    proxies: Vec<(Option<u64>, String)>,
    /// Of all their VMs; nothing while it is not known what some proxy runs.
    firsts: Firsts,
}

impl Progress {
    fn new<'n>(reports: &Reports, names: impl Iterator<Item = &'n String>, now: Time) -> Self {
        let mut proxies: Vec<(Option<u64>, String)> =
            names.map(|name| (reports.nodes.get(name).and_then(|node| node.generation(now)), name.clone())).collect();
        let mut firsts = Firsts::default();
        if proxies.iter().all(|(generation, _)| generation.is_some()) {
            let nodes = proxies.iter().filter_map(|(_, name)| reports.nodes.get(name));
            nodes.flat_map(|node| node.all_reached(now)).for_each(|reached| firsts.add(reached));
        }
        proxies.sort_by_key(|(generation, _)| *generation);
        Self { proxies, firsts }
    }

    fn delivery(&self, generation: u64, silent_since: Time) -> Delivery {
        let number = self.proxies.partition_point(|(runs, _)| runs.is_none_or(|runs| runs < generation));
        if number > 0 {
            let mut behind: Vec<String> = self.proxies.iter().take(number).map(|(_, name)| name.clone()).collect();
            behind.sort_unstable();
            Delivery::Waiting { behind }
        } else if self.proxies.is_empty() {
            Delivery::Unknown { since: silent_since }
        } else {
            let proxies = u32::try_from(self.proxies.len()).unwrap_or(u32::MAX);
            Delivery::Live { since: self.firsts.since(generation), proxies }
        }
    }
}

/// Generations, ascending, each with the latest time at which some VM first reported it, or its next one if it never reported this one.
#[derive(Debug, Default)]
struct Firsts(Vec<(u64, Time)>);

impl Firsts {
    /// One VM's generations, ascending, each with the time of the first report of it.
    fn add(&mut self, reached: &VecDeque<(u64, Time)>) {
        for (generation, _) in reached {
            if let Err(at) = self.0.binary_search_by_key(generation, |(known, _)| *known) {
                // What the others reported next counts for this one, too.
                let next = self.0.get(at).map_or(Time::default(), |(_, time)| *time);
                self.0.insert(at, (*generation, next));
            }
        }
        let mut all = self.0.iter_mut().peekable();
        for (generation, time) in reached {
            while let Some((_, latest)) = all.next_if(|(known, _)| known <= generation) {
                *latest = (*latest).max(*time);
            }
        }
    }

    /// When the last VM had this generation or a later one.
    fn since(&self, generation: u64) -> Time {
        let at = self.0.partition_point(|(known, _)| *known < generation);
        self.0.get(at).map_or(Time::default(), |(_, time)| *time)
    }
}
