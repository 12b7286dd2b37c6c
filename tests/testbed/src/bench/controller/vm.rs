//! One simulated VM: what it counts, and its next report.

use std::collections::BTreeMap;
use std::time::Duration;

use shunt_filter_core::exemplar::{Answer, Exemplar, ExemplarKind};
use shunt_filter_core::method::Method;
use shunt_filter_core::outcome::ResponseClass;
use shunt_filter_core::policy::ServicePolicy;
use shunt_filter_core::report::{Counters, EpochReport, Hanging, LatencySlots, Report, SLOTS, ServiceReport};
use shunt_filter_core::{RolloutId, VersionName};

use super::policy::Policy;

/// Requests of each service in a second.
const REQUESTS: usize = 5;
/// Requests that were counted before the first report of an epoch, so that reports are as large as they are after a minute.
const REQUESTS_BEFORE: usize = 300;
/// In one of so many slots users ask for what is not there: answered 404 by both versions.
const NOT_FOUND: u16 = 50;
/// How long one takes.
const LATENCY: Duration = Duration::from_millis(20);

/// One VM.
pub(super) struct Vm {
    report: Report,
    stable: VersionName,
    candidate: VersionName,
}

impl Vm {
    /// That calls these services.
    pub(super) fn new(node: &str, number: usize, services: &[String]) -> Self {
        let name = |name: &str| name.parse().expect("a version's name");
        let id = |id: &String| id.parse::<RolloutId>().expect("a Rollout's name");
        let services = services.iter().map(|service| (id(service), ServiceReport::default())).collect();
        let vm = format!("{:016x}", fastrand::u64(..));
        let module = env!("CARGO_PKG_VERSION").to_owned();
        let report =
            Report { node: node.to_owned(), vm: format!("{vm}-{number}"), sequence: 0, generation: 0, last: false, module, services };
        Self { report, stable: name("v1"), candidate: name("v2") }
    }

    /// A second later: its next report.
    pub(super) fn report(&mut self, policy: &Policy) -> &Report {
        self.report.sequence += 1;
        self.report.generation = policy.generation;
        let versions = (&self.stable, &self.candidate);
        for (id, service) in &mut self.report.services {
            match policy.judged.get(id) {
                Some(judged) => count_judged(service, judged, versions),
                None => {
                    service.epoch = None;
                    (0..REQUESTS).for_each(|_| count(&mut service.versions, &self.stable));
                }
            }
        }
        &self.report
    }
}

fn count(versions: &mut BTreeMap<VersionName, Counters>, version: &VersionName) {
    if !versions.contains_key(version) {
        versions.insert(version.clone(), Counters::default());
    }
    if let Some(counters) = versions.get_mut(version) {
        counters.started += 1;
        counters.succeeded += 1;
        counters.observe(LATENCY);
    }
}

/// Users are all over the hash space. Half of the space is the candidate's; both versions are equally slow.
fn count_judged(service: &mut ServiceReport, judged: &ServicePolicy, (stable, candidate): (&VersionName, &VersionName)) {
    let new = service.epoch.as_ref().is_none_or(|epoch| epoch.epoch != judged.epoch);
    let epoch = service.epoch.get_or_insert_default();
    if new {
        *epoch = EpochReport { epoch: judged.epoch, ..EpochReport::default() };
    }
    if judged.hang_after_ms.is_some() {
        epoch.hanging.get_or_insert_with(Hanging::default);
    }
    if judged.latency.is_some() {
        epoch.latency.get_or_insert_with(LatencySlots::default);
    }
    let split = !judged.split.is_empty();
    for _ in 0..if new { REQUESTS_BEFORE } else { REQUESTS } {
        let slot = fastrand::u16(..SLOTS);
        let version = if split && slot >= SLOTS / 2 { candidate } else { stable };
        count(&mut service.versions, version);
        count(&mut epoch.versions, version);
        epoch.seen.insert(slot);
        if judged.responses.is_some() && slot.is_multiple_of(NOT_FOUND) {
            let responses = epoch.responses.entry(ResponseClass::Rejected).or_default();
            *responses.versions.entry(version.clone()).or_default() += 1;
            responses.slots.insert(slot);
            let path = format!("/orders/*/{}", slot % 3);
            epoch.exemplars.entry(version.clone()).or_default().note(Exemplar::new(
                ExemplarKind::Rejected,
                Some(Answer::Status(404)),
                Method::Get,
                path,
            ));
        }
        if let Some(latency) = &mut epoch.latency
            && latency.seen.insert(slot)
        {
            for (every, slots) in [(2, &mut latency.first_slow), (10, &mut latency.above_p90), (100, &mut latency.above_p99)] {
                if slot % every == 0 {
                    slots.insert(slot);
                }
            }
        }
    }
}
