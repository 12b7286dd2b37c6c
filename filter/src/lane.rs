//! One version under one policy: what a decided request needs until it ends.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use shunt_filter_core::outcome::Class;
use shunt_filter_core::router::Version;
use shunt_filter_core::{Decision, Reason, Service, VersionName};

use crate::ending::Ended;
use crate::tally::{EpochTally, ServiceTally, VersionTally, add_one};

/// Where requests decided for a version under one policy are counted, and who may answer them.
#[derive(Debug)]
pub(crate) struct Lane {
    version: VersionName,
    clusters: Vec<String>,
    aggregate: bool,
    service: Rc<ServiceTally>,
    total: Rc<VersionTally>,
    epoch: Option<Arm>,
    /// Its requests go by the default route, without a header.
    by_default: bool,
    /// When an answer was last compared, nanoseconds since 1970.
    compared: Cell<u64>,
}

/// Where requests go by the default route, answers are compared at most once in this time: 1,000 times per second and VM tell a
/// wrong default route as surely as all of them. Nanoseconds.
const SAMPLE: u64 = 1_000_000;

/// The version's part of the epoch.
#[derive(Debug)]
struct Arm {
    epoch: Rc<EpochTally>,
    counters: Rc<VersionTally>,
}

/// Who answered, compared with what was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// The decided version, as far as the policy can tell.
    Decided,
    /// Another one.
    Other,
    /// No cluster was chosen: a direct response or a missing cluster.
    Nobody,
}

impl Lane {
    /// The lanes of a service, one per version, counting for push number `push`.
    pub(crate) fn of(service: &Service, tally: &Rc<ServiceTally>, push: u64) -> Vec<Rc<Self>> {
        tally.name(push, service.analysis());
        let epoch = service.analysis().then(|| tally.epoch(service.epoch()));
        let lane = |version: &Version| {
            let by_default = service.default_route() == Some(version.name());
            Rc::new(Self { by_default, ..Self::new(version, tally, epoch.as_ref(), push) })
        };
        service.versions().map(lane).collect()
    }

    fn new(version: &Version, service: &Rc<ServiceTally>, epoch: Option<&Rc<EpochTally>>, push: u64) -> Self {
        Self {
            version: version.name().clone(),
            clusters: version.clusters().to_vec(),
            aggregate: version.aggregate(),
            service: Rc::clone(service),
            total: service.version(version.name(), push),
            epoch: epoch.map(|epoch| Arm { epoch: Rc::clone(epoch), counters: epoch.version(version.name()) }),
            by_default: false,
            compared: Cell::new(0),
        }
    }

    /// The version's name.
    pub(crate) fn version(&self) -> &VersionName {
        &self.version
    }

    /// True when the endpoint's metadata says who answered, not the cluster's name.
    pub(crate) fn is_aggregate(&self) -> bool {
        self.aggregate
    }

    /// True when this answer is to be compared with what was decided: always where a header was written, else a sample.
    pub(crate) fn compares(&self, now: u64) -> bool {
        let due = !self.by_default || now.saturating_sub(self.compared.get()) >= SAMPLE;
        if due {
            self.compared.set(now);
        }
        due
    }

    /// Compares the cluster that answered, empty for none.
    pub(crate) fn cluster(&self, name: &[u8]) -> Answered {
        if name.is_empty() {
            Answered::Nobody
        } else if self.clusters.is_empty() || self.clusters.iter().any(|cluster| cluster.as_bytes() == name) {
            Answered::Decided
        } else {
            Answered::Other
        }
    }

    /// Compares the version that the endpoint's metadata names.
    pub(crate) fn endpoint(&self, version: &[u8]) -> Answered {
        if version == self.version.as_str().as_bytes() { Answered::Decided } else { Answered::Other }
    }

    /// Counts a decision; returns the slot it belongs to in the epoch, none when it belongs to no arm.
    pub(crate) fn start(&self, decision: &Decision<'_>) -> Option<u16> {
        self.total.start();
        self.service.touch();
        self.service.plain(|plain| {
            if decision.keyless {
                add_one(&mut plain.keyless);
            }
            if let Reason::NotServing { .. } = decision.reason {
                add_one(&mut plain.not_serving);
            }
            if let Some(rule) = decision.reason.rule() {
                count(&mut plain.rules, rule, str::to_owned);
            }
            if let Some(mirror) = decision.mirror {
                count(&mut plain.mirrored, mirror, VersionName::clone);
            }
            for flag in &decision.flags {
                let values = plain.flags.entry(flag.name.to_owned()).or_default();
                count(values, flag.version, VersionName::clone);
            }
        });
        // A request of the candidate's slots that stable had to answer says nothing about either.
        let slot = decision.slot.filter(|_| !matches!(decision.reason, Reason::NotServing { .. }))?;
        let arm = self.epoch.as_ref()?;
        arm.counters.start();
        Some(slot)
    }

    /// Counts the end of a request; `slot` is what [`Lane::start`] returned.
    pub(crate) fn end(&self, slot: Option<u16>, ended: Ended, latency: Option<Duration>) {
        let Ended { class, answered, upgraded } = ended;
        let latency = latency.filter(|_| !upgraded);
        self.total.end(class, latency);
        self.service.touch();
        let counted = matches!(class, Class::Succeeded | Class::Failed);
        match answered {
            Answered::Other => self.service.plain(|plain| add_one(&mut plain.misrouted)),
            Answered::Nobody if counted => self.service.plain(|plain| add_one(&mut plain.unrouted)),
            Answered::Nobody | Answered::Decided => {}
        }
        if let (Some(slot), Some(arm)) = (slot, &self.epoch) {
            // A misrouted request is in neither arm, but it has ended.
            let class = if answered == Answered::Other { Class::Uncounted } else { class };
            arm.counters.end(class, latency);
            arm.epoch.mark(slot, class);
        }
    }
}

/// Counts under a borrowed name; makes an owned one only the first time.
fn count<K, Q>(map: &mut BTreeMap<K, u64>, name: &Q, owned: impl FnOnce(&Q) -> K)
where
    K: Ord + std::borrow::Borrow<Q>,
    Q: Ord + ?Sized,
{
    match map.get_mut(name) {
        Some(counter) => add_one(counter),
        None => {
            map.insert(owned(name), 1);
        }
    }
}
