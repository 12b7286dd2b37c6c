//! Who answered what was decided for a version: growth of its counters, by VM, and what that says about a generation.

use std::collections::BTreeMap;

use shunt_filter_core::report::{Counters, Report};
use shunt_filter_core::{RolloutId, VersionName};

use shunt_spec::time::Time;

/// When a VM's counters of one version grew last; none: not since its first report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Growth {
    /// It answered.
    right: Option<Time>,
    /// Another version answered, or none, or the client left before any did.
    astray: Option<Time>,
}

/// By Rollout and version.
pub(super) type Growths = BTreeMap<RolloutId, BTreeMap<VersionName, Growth>>;

/// With one more report. What it names no longer is forgotten.
pub(super) fn grown(mut before: Growths, old: Option<&Report>, new: &Report, now: Time) -> Growths {
    let mut after = Growths::new();
    let nothing = Counters::default();
    for (id, service) in &new.services {
        let mut known = before.remove(id).unwrap_or_default();
        let old = old.and_then(|old| old.services.get(id));
        let growth = |(version, counters): (&VersionName, &Counters)| {
            let last = known.remove(version).unwrap_or_default();
            let then = old.and_then(|old| old.versions.get(version)).unwrap_or(&nothing);
            let right = if answered(counters) > answered(then) { Some(now) } else { last.right };
            let astray = if unanswered(counters) > unanswered(then) { Some(now) } else { last.astray };
            (version.clone(), Growth { right, astray })
        };
        after.insert(id.clone(), service.versions.iter().map(growth).collect());
    }
    after
}

/// Requests that the version itself answered.
fn answered(counters: &Counters) -> u64 {
    counters.succeeded.saturating_add(counters.failed).saturating_sub(counters.astray)
}

/// Requests that it did not answer.
fn unanswered(counters: &Counters) -> u64 {
    counters.astray.saturating_add(counters.abandoned)
}

/// What one VM, or all of a proxy, saw of one version under a generation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) right: bool,
    pub(super) astray: bool,
}

impl Growth {
    /// Since the VM reported the generation. What that first report counted was, in part, decided under the one before: that an answer
    /// went astray says something about routes that are the same now, that one was right may be past.
    pub(super) fn since(self, reached: Time) -> Seen {
        Seen { right: self.right.is_some_and(|at| at > reached), astray: self.astray.is_some_and(|at| at >= reached) }
    }
}

impl Seen {
    pub(super) fn or(self, other: Self) -> Self {
        Self { right: self.right || other.right, astray: self.astray || other.astray }
    }
}
