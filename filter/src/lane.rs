//! One version under one policy: what a decided request needs until it ends.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use shunt_filter_core::decision::Counted;
use shunt_filter_core::outcome::Class;
use shunt_filter_core::router::Version;
use shunt_filter_core::{CompiledFlag, Reason, Service, VersionName};

use crate::arm::{Arm, goals};
use crate::ending::Ended;
use crate::tally::{ServiceTally, VersionTally, add_one};
use crate::trail::Asked;
use crate::vm::Vm;

/// Where requests decided for a version of a service, or for a value of a flag, are counted under one policy.
#[derive(Debug)]
pub(crate) struct Lane {
    version: VersionName,
    service: Rc<ServiceTally>,
    total: Rc<VersionTally>,
    epoch: Option<Arm>,
    /// None: a flag's value reaches any version that answers.
    answers: Option<Answers>,
}

/// Who may answer for a version.
#[derive(Debug)]
struct Answers {
    clusters: Vec<String>,
    aggregate: bool,
    /// Its requests go by the default route, without a header.
    by_default: bool,
    /// When an answer was last compared, nanoseconds since 1970.
    compared: Cell<u64>,
}

/// Where requests go by the default route, answers are compared at most once in this time: 1,000 times per second and VM tell a
/// wrong default route as surely as all of them. Nanoseconds.
const SAMPLE: u64 = 1_000_000;

/// Who answered, compared with what was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// The decided version, as far as the policy can tell.
    Decided,
    /// Another one.
    Other,
    /// No cluster was chosen: a direct response or a missing cluster.
    NoCluster,
}

impl Lane {
    /// The lanes of a service, one per version, counting for push number `push`.
    #[inline(never)]
    pub(crate) fn of_service(service: &Service, tally: &Rc<ServiceTally>, push: u64) -> Vec<Rc<Self>> {
        tally.name(push, service.watch());
        let epoch = service.watch().epoch().map(|epoch| tally.epoch(epoch));
        let goals = goals(service.goals());
        let lane = |version: &Version| {
            let arm = epoch.as_ref().map(|epoch| Arm::new(epoch, version.name(), service.watch(), &goals));
            let by_default = service.default_route() == Some(version.name());
            Self::new(version.name(), tally, push, arm, Some(Answers::new(version, by_default)))
        };
        service.versions().map(lane).collect()
    }

    /// The lanes of a flag, one per version.
    #[inline(never)]
    pub(crate) fn of_flag(flag: &CompiledFlag, tally: &Rc<ServiceTally>, push: u64) -> Vec<Rc<Self>> {
        tally.name(push, flag.watch());
        let epoch = flag.watch().epoch().map(|epoch| tally.epoch(epoch));
        let goals = goals(flag.goals());
        let lane = |version: &VersionName| {
            let arm = epoch.as_ref().map(|epoch| Arm::new(epoch, version, flag.watch(), &goals));
            Self::new(version, tally, push, arm, None)
        };
        flag.versions().map(lane).collect()
    }

    fn new(version: &VersionName, tally: &Rc<ServiceTally>, push: u64, epoch: Option<Arm>, answers: Option<Answers>) -> Rc<Self> {
        Rc::new(Self { version: version.clone(), service: Rc::clone(tally), total: tally.version(version, push), epoch, answers })
    }

    /// The version's name.
    pub(crate) fn version(&self) -> &VersionName {
        &self.version
    }

    /// True when the endpoint's metadata says who answered, not the cluster's name.
    pub(crate) fn is_aggregate(&self) -> bool {
        self.answers.as_ref().is_some_and(|answers| answers.aggregate)
    }

    /// True when this answer is to be compared with what was decided: always where a header was written, else a sample.
    pub(crate) fn compares(&self, now: u64) -> bool {
        let Some(answers) = &self.answers else { return false };
        let due = !answers.by_default || now.saturating_sub(answers.compared.get()) >= SAMPLE;
        if due {
            answers.compared.set(now);
        }
        due
    }

    /// Compares the cluster that answered, empty for none.
    pub(crate) fn cluster(&self, name: &[u8]) -> Answered {
        let clusters = self.answers.as_ref().map(|answers| answers.clusters.as_slice()).unwrap_or_default();
        if name.is_empty() {
            Answered::NoCluster
        } else if clusters.is_empty() || clusters.iter().any(|cluster| cluster.as_bytes() == name) {
            Answered::Decided
        } else {
            Answered::Other
        }
    }

    /// Compares the version that the endpoint's metadata names.
    pub(crate) fn endpoint(&self, version: &[u8]) -> Answered {
        if version == self.version.as_str().as_bytes() { Answered::Decided } else { Answered::Other }
    }

    /// Counts a decision; returns where it counts in the epoch, none when it belongs to no arm.
    #[inline(never)]
    pub(crate) fn start(&self, reason: &Reason<'_>, keyless: bool, counted: Option<Counted>) -> Option<Counted> {
        self.total.start();
        self.service.touch();
        self.service.plain(|plain| {
            if keyless {
                add_one(&mut plain.keyless);
            }
            if let Reason::NotServing { .. } = reason {
                add_one(&mut plain.not_serving);
            }
            if let Some(rule) = reason.rule() {
                count(&mut plain.rules, rule, str::to_owned);
            }
        });
        let counted = counted?;
        self.epoch.as_ref()?.start();
        Some(counted)
    }

    /// The version's part of the epoch; none: no analysis runs.
    pub(crate) fn arm(&self) -> Option<&Arm> {
        self.epoch.as_ref()
    }

    /// Counts a copy that was asked for.
    pub(crate) fn mirrored(&self, version: &VersionName) {
        self.service.plain(|plain| count(&mut plain.mirrored, version, VersionName::clone));
    }

    /// Counts the end of a request; `counted` is what [`Lane::start`] returned.
    #[inline(never)]
    pub(crate) fn end(&self, vm: &Vm, counted: Option<Counted>, asked: &Asked, ended: Ended, latency: Option<Duration>) {
        let latency = latency.filter(|_| !ended.upgraded);
        self.total.end(ended.class, latency);
        self.service.touch();
        let astray = self.astray(ended);
        if let (Some(counted), Some(arm)) = (counted, &self.epoch) {
            // A misrouted request is in neither arm, but it has ended.
            let class = if astray { Class::Uncounted } else { ended.class };
            arm.end(vm, counted, asked, Ended { class, ..ended }, latency);
        }
    }

    /// Counts an answer from somewhere else than decided; true when it came from another version.
    fn astray(&self, ended: Ended) -> bool {
        let counted = matches!(ended.class, Class::Succeeded | Class::Failed);
        if counted && self.answers.is_some() && ended.answered != Answered::Decided {
            self.total.astray();
        }
        match (&self.answers, ended.answered) {
            (Some(_), Answered::Other) => {
                self.service.plain(|plain| add_one(&mut plain.misrouted));
                true
            }
            (Some(_), Answered::NoCluster) if counted => {
                self.service.plain(|plain| add_one(&mut plain.unrouted));
                false
            }
            (Some(_), Answered::NoCluster | Answered::Decided) | (None, _) => false,
        }
    }
}

impl Answers {
    fn new(version: &Version, by_default: bool) -> Self {
        let (clusters, aggregate) = (version.clusters().to_vec(), version.aggregate());
        Self { clusters, aggregate, by_default, compared: Cell::new(0) }
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
