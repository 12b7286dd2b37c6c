//! What the aggregator must never do, whatever happens around it.

use std::sync::LazyLock;

use proptest::prelude::*;
use shunt_filter_core::policy::{Split, VersionPolicy};
use shunt_filter_core::signing::SigningKey;
use shunt_filter_core::{ServicePolicy, VersionName};
use shunt_spec::plan::{Backend, Version};

use super::*;
use crate::platform::ContributionRecord;

fn id(number: u8) -> RolloutId {
    RolloutId::new("shop", &format!("r{number}")).unwrap()
}

/// A contribution whose content depends on these numbers only.
fn desired(number: u8, epoch: Option<u8>, endpoint: Option<u8>) -> Desired {
    let id = id(number);
    let version: VersionName = "v1".parse().unwrap();
    let hosts = vec![format!("{}.test", id.name())];
    let service = epoch.map(|epoch| ServicePolicy {
        name: id.clone(),
        hosts: hosts.clone(),
        short_hosts: Vec::new(),
        port: None,
        epoch: epoch.into(),
        stable: version.clone(),
        default_route: Some(version.clone()),
        versions: vec![VersionPolicy { name: version.clone(), serving: true, clusters: Vec::new(), aggregate: false }],
        key: Vec::new(),
        keyless: shunt_filter_core::policy::Keyless::Stable,
        rules: Vec::new(),
        split: Split::default(),
        mirror: None,
        analysis: false,
        counted_rule: None,
        latency: None,
        responses: None,
        hang_after_ms: None,
        tolerance: None,
        goals: Vec::new(),
    });
    let routes = endpoint.map(|endpoint| Routes {
        id: id.clone(),
        hosts,
        port: None,
        protocol: shunt_spec::plan::Protocol::default(),
        default: version.clone(),
        versions: vec![Version { name: version, backend: Backend::at(vec![format!("127.0.0.1:{endpoint}")]) }],
        mirrors: Vec::new(),
        health: None,
        timeout: None,
        timeouts: Default::default(),
        held: false,
    });
    Desired { service, flag: None, routes, scale: BTreeMap::new(), calls: Vec::new() }
}

fn report(interval_ms: u32) -> ReportPolicy {
    ReportPolicy { cluster: "shunt-api".to_owned(), authority: "shunt-api".to_owned(), interval_ms, heartbeat_ms: 5_000 }
}

fn signing(byte: u8) -> Signing {
    Signing { current: SigningKey::new([byte; 32]), previous: None }
}

fn around(acknowledged: Option<Sequence>) -> Circumstances<'static> {
    static SIGNING: LazyLock<Signing> = LazyLock::new(|| signing(1));
    Circumstances { report: report(250), acknowledged, heal: None, signing: &SIGNING }
}

fn empty() -> PolicyAggregator {
    PolicyAggregator::new(PolicyRecord::default(), BTreeMap::new(), BTreeSet::new())
}

/// The store and the proxies' server, as far as the aggregator sees them.
#[derive(Debug, Default)]
struct Environment {
    policy: PolicyRecord,
    contributions: BTreeMap<RolloutId, ContributionRecord>,
    /// Nothing can be recorded; what is published meanwhile waits here.
    full: bool,
    unrecorded: Option<(PolicyRecord, Vec<(RolloutId, ContributionRecord)>)>,
    /// What this process may publish without a record, because the last record allows for it.
    ceiling: u64,
    /// The last step published nothing, for want of a record.
    refused: bool,
    sequence: Sequence,
    /// Content by generation, over all restarts.
    pushed: BTreeMap<u64, String>,
}

impl Environment {
    fn step(&mut self, aggregator: &mut PolicyAggregator, around: &Circumstances<'_>) -> Option<Publication> {
        self.refused = false;
        let publication = aggregator.next(around).unwrap()?;
        self.refused = self.full && publication.record.generation > self.ceiling.max(aggregator.generation());
        if self.refused {
            return None;
        }
        let mut changed = self.unrecorded.take().map(|(_, changed)| changed).unwrap_or_default();
        changed.extend(publication.changed.iter().cloned());
        self.unrecorded = Some((publication.record.clone(), changed));
        self.fill(self.full);
        self.sequence += 1;
        aggregator.published(&publication, self.sequence);
        let bytes = serde_json::to_string(&publication.policy).unwrap();
        let before = self.pushed.insert(publication.policy.generation, bytes.clone());
        assert!(before.is_none_or(|before| before == bytes), "one generation, two contents");
        Some(publication)
    }

    /// The disk is full from now on, or what waited is recorded.
    fn fill(&mut self, full: bool) {
        self.full = full;
        if let Some((policy, changed)) = self.unrecorded.take_if(|_| !full) {
            self.ceiling = policy.ceiling;
            self.policy = policy;
            self.contributions.extend(changed);
        }
    }

    fn forget(&mut self, id: &RolloutId) {
        self.contributions.remove(id);
        if let Some((_, changed)) = &mut self.unrecorded {
            changed.retain(|(other, _)| other != id);
        }
    }

    /// The newest generation that proxies may run.
    fn newest(&self) -> u64 {
        self.pushed.last_key_value().map_or(0, |(generation, _)| *generation)
    }

    /// The process ended after all was recorded, and another one starts.
    fn restart(&mut self, stored: impl IntoIterator<Item = RolloutId>) -> PolicyAggregator {
        self.fill(false);
        self.policy.ceiling = self.policy.generation;
        self.lose(stored)
    }

    /// The process ended, perhaps on a full disk, and another one starts, which publishes nothing before there is room.
    fn lose(&mut self, stored: impl IntoIterator<Item = RolloutId>) -> PolicyAggregator {
        (self.unrecorded, self.full, self.sequence, self.ceiling) = (None, false, 0, 0);
        PolicyAggregator::new(self.policy.clone(), self.contributions.clone(), stored.into_iter().collect())
    }
}

#[test]
fn nothing_is_published_before_everybody_has_contributed() {
    let mut aggregator = PolicyAggregator::new(PolicyRecord::default(), BTreeMap::new(), BTreeSet::from([id(1), id(2)]));
    let mut environment = Environment::default();
    aggregator.contribute(&id(1), desired(1, Some(1), Some(1)));
    assert_eq!(environment.step(&mut aggregator, &around(Some(9))), None);
    assert!(!aggregator.is_live());
    assert_eq!(aggregator.proofs(&id(1)), None);
    aggregator.contribute(&id(2), desired(2, None, None));
    let publication = environment.step(&mut aggregator, &around(Some(0))).unwrap();
    assert_eq!((publication.policy.generation, publication.policy.services.len()), (1, 1));
    assert!(aggregator.is_live());
}

#[test]
fn equal_content_is_not_pushed_again() {
    let (mut aggregator, mut environment) = (empty(), Environment::default());
    aggregator.contribute(&id(1), desired(1, Some(1), None));
    assert!(environment.step(&mut aggregator, &around(None)).is_some());
    for _ in 0..3 {
        aggregator.contribute(&id(1), desired(1, Some(1), None));
        assert_eq!(environment.step(&mut aggregator, &around(None)), None);
    }
}

#[test]
fn a_restart_publishes_the_same_bytes_and_keeps_proofs() {
    let (mut aggregator, mut environment) = (empty(), Environment::default());
    aggregator.contribute(&id(1), desired(1, Some(1), Some(1)));
    environment.step(&mut aggregator, &around(Some(0)));
    environment.step(&mut aggregator, &around(Some(1)));
    let before = aggregator.proofs(&id(1)).unwrap();
    assert_eq!(before, Proofs { policy: PolicyProof { generation: 1, sequence: 1 }, routes: RoutesProof::Report(1, 2) });

    let mut aggregator = environment.restart([id(1)]);
    aggregator.contribute(&id(1), desired(1, Some(1), Some(1)));
    let publication = environment.step(&mut aggregator, &around(None)).unwrap();
    assert_eq!(publication.policy.generation, 2);
    assert_eq!(publication.changed, []);
    assert_eq!(aggregator.proofs(&id(1)), Some(before));
    assert_eq!(environment.step(&mut aggregator, &around(Some(1))), None, "nothing is left to prove");
}

#[test]
fn after_an_end_on_a_full_disk_everything_is_pushed_and_proved_above_what_was_not_recorded() {
    let (mut aggregator, mut environment) = (empty(), Environment::default());
    aggregator.contribute(&id(1), desired(1, Some(1), Some(1)));
    environment.step(&mut aggregator, &around(Some(0)));
    environment.step(&mut aggregator, &around(Some(1)));
    environment.fill(true);
    aggregator.contribute(&id(1), desired(1, Some(2), Some(1)));
    assert_eq!(environment.step(&mut aggregator, &around(Some(1))).unwrap().policy.generation, 3);

    let mut aggregator = environment.lose([id(1)]);
    aggregator.contribute(&id(1), desired(1, Some(1), Some(1)));
    let publication = environment.step(&mut aggregator, &around(None)).unwrap();
    let above = publication.policy.generation;
    assert!(above > 3, "a proxy that runs 3 would not take it: {above}");
    let proofs = aggregator.proofs(&id(1)).unwrap();
    assert_eq!(proofs.policy.generation, above, "a report of 3 proves another service");
    assert_eq!(proofs.routes, RoutesProof::Acknowledge(1));
}

#[test]
fn routes_are_proved_by_a_generation_pushed_after_their_acknowledgement() {
    let (mut aggregator, mut environment) = (empty(), Environment::default());
    aggregator.contribute(&id(1), desired(1, None, Some(1)));
    environment.step(&mut aggregator, &around(Some(0)));
    assert_eq!(aggregator.proofs(&id(1)).unwrap().routes, RoutesProof::Acknowledge(1));
    assert_eq!(environment.step(&mut aggregator, &around(Some(0))), None, "not acknowledged");
    assert_eq!(environment.step(&mut aggregator, &around(None)), None, "where no proxy is connected, none acknowledges");
    let push = environment.step(&mut aggregator, &around(Some(1))).unwrap();
    assert_eq!(aggregator.proofs(&id(1)).unwrap().routes, RoutesProof::Report(1, push.policy.generation));
    assert_eq!(environment.step(&mut aggregator, &around(Some(2))), None, "one push is enough");
}

#[test]
fn a_push_before_the_acknowledgement_proves_no_routes() {
    let (mut aggregator, mut environment) = (empty(), Environment::default());
    aggregator.contribute(&id(1), desired(1, None, Some(1)));
    environment.step(&mut aggregator, &around(Some(0)));
    aggregator.contribute(&id(2), desired(2, Some(1), None));
    assert!(environment.step(&mut aggregator, &around(Some(0))).is_some());
    assert_eq!(aggregator.proofs(&id(1)).unwrap().routes, RoutesProof::Acknowledge(1));
}

#[test]
fn routes_there_and_back_are_proved_anew_once_they_were_published() {
    let (mut aggregator, mut environment) = (empty(), Environment::default());
    aggregator.contribute(&id(1), desired(1, None, Some(1)));
    environment.step(&mut aggregator, &around(Some(0)));
    environment.step(&mut aggregator, &around(Some(1)));
    let proved = aggregator.proofs(&id(1));
    aggregator.contribute(&id(1), desired(1, None, Some(2)));
    aggregator.contribute(&id(1), desired(1, None, Some(1)));
    assert_eq!(aggregator.proofs(&id(1)), proved, "never published, so nothing changed");
    aggregator.contribute(&id(1), desired(1, None, Some(2)));
    environment.step(&mut aggregator, &around(Some(2)));
    aggregator.contribute(&id(1), desired(1, None, Some(1)));
    environment.step(&mut aggregator, &around(Some(3)));
    assert_eq!(aggregator.proofs(&id(1)).unwrap().routes, RoutesProof::Acknowledge(4));
}

#[test]
fn a_dead_worker_gets_one_push() {
    let (mut aggregator, mut environment) = (empty(), Environment::default());
    aggregator.contribute(&id(1), desired(1, Some(1), None));
    environment.step(&mut aggregator, &around(None));
    let publication = environment.step(&mut aggregator, &Circumstances { heal: Some("a worker went silent"), ..around(None) }).unwrap();
    assert_eq!((publication.policy.generation, publication.why.as_str()), (2, "a worker went silent"));
    assert_eq!(aggregator.proofs(&id(1)).unwrap().policy.generation, 1, "what was proved stays proved");
}

#[test]
fn a_new_signing_key_is_pushed_where_keys_are_signed_and_disproves_nothing() {
    let (mut aggregator, mut environment) = (empty(), Environment::default());
    let mut signed = desired(1, Some(1), None);
    signed.service.as_mut().unwrap().key =
        serde_json::from_value(serde_json::json!([{"cookie": "id", "generate": {"signed": true}}])).unwrap();
    aggregator.contribute(&id(1), desired(1, Some(1), None));
    assert_eq!(environment.step(&mut aggregator, &around(None)).unwrap().policy.signing, None);
    let renewed = signing(2);
    let rotated = Circumstances { signing: &renewed, ..around(None) };
    assert_eq!(environment.step(&mut aggregator, &rotated), None, "nothing is signed");
    aggregator.contribute(&id(1), signed);
    assert_eq!(environment.step(&mut aggregator, &around(None)).unwrap().policy.signing, Some(signing(1)));
    let before = aggregator.proofs(&id(1)).unwrap().policy;
    let publication = environment.step(&mut aggregator, &rotated).unwrap();
    assert_eq!((publication.policy.signing, publication.why.as_str()), (Some(signing(2)), "the policy changed"));
    assert_eq!(aggregator.proofs(&id(1)).unwrap().policy, before, "what was proved stays proved");
}

#[test]
fn a_policy_that_filters_would_refuse_is_not_published() {
    let (mut aggregator, mut environment) = (empty(), Environment::default());
    let mut wrong = desired(1, Some(1), None);
    wrong.service.as_mut().unwrap().hosts = vec!["not a host".to_owned()];
    aggregator.contribute(&id(1), wrong);
    assert!(aggregator.next(&around(None)).is_err());
    aggregator.contribute(&id(1), desired(1, Some(1), None));
    assert_eq!(environment.step(&mut aggregator, &around(None)).unwrap().policy.generation, 1);
}

/// Something that happens.
#[derive(Debug, Clone)]
enum Event {
    Contribute(u8, Option<u8>, Option<u8>),
    Withdraw(u8),
    Acknowledge,
    Interval(u32),
    Heal,
    Full(bool),
    Restart,
    Lose,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0..3_u8, proptest::option::of(0..3_u8), proptest::option::of(0..3_u8)).prop_map(|(n, e, r)| Event::Contribute(n, e, r)),
        1 => (0..3_u8).prop_map(Event::Withdraw),
        3 => Just(Event::Acknowledge),
        1 => prop_oneof![Just(250), Just(5_000)].prop_map(Event::Interval),
        1 => Just(Event::Heal),
        1 => any::<bool>().prop_map(Event::Full),
        1 => Just(Event::Restart),
        1 => Just(Event::Lose),
    ];
    proptest::collection::vec(event, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Generations only grow; one generation has one content; without a change, a proof or a reason nothing is pushed; what is
    /// proved was carried by that generation.
    #[test]
    fn generations_are_worth_believing(events in events()) {
        let (mut aggregator, mut environment) = (empty(), Environment::default());
        let mut wanted: BTreeMap<RolloutId, Desired> = BTreeMap::new();
        let mut now = around(None);
        for event in events {
            now.heal = None;
            match event {
                Event::Contribute(number, epoch, endpoint) => {
                    let desired = desired(number, epoch, endpoint);
                    wanted.insert(id(number), desired.clone());
                    aggregator.contribute(&id(number), desired);
                }
                Event::Withdraw(number) => {
                    wanted.remove(&id(number));
                    environment.forget(&id(number));
                    aggregator.withdraw(&id(number));
                }
                Event::Acknowledge => now.acknowledged = Some(environment.sequence),
                Event::Interval(interval) => now.report = report(interval),
                Event::Heal => now.heal = Some("heal"),
                Event::Full(full) => environment.fill(full),
                Event::Restart | Event::Lose => {
                    let stored = wanted.keys().cloned();
                    aggregator = if matches!(event, Event::Lose) { environment.lose(stored) } else { environment.restart(stored) };
                    now.acknowledged = None;
                    for (index, (id, desired)) in wanted.iter().enumerate() {
                        prop_assert!(index == 0 || aggregator.next(&now).unwrap().is_none(), "published before {id} contributed");
                        aggregator.contribute(id, desired.clone());
                    }
                }
            }
            let before = (environment.newest(), aggregator.floor.max(aggregator.generation()));
            if let Some(publication) = &environment.step(&mut aggregator, &now) {
                let generation = publication.record.generation;
                prop_assert!(generation >= before.0, "a generation below what proxies run");
                prop_assert!(generation <= before.1 + 1, "a jump from {} to {generation}", before.1);
            }
            now.heal = None;
            prop_assert!(environment.step(&mut aggregator, &now).is_none(), "pushed twice for one reason");
            if environment.refused {
                continue;
            }
            let newest: RoutingPolicy = serde_json::from_str(&environment.pushed[&environment.newest()]).unwrap();
            for (id, desired) in &wanted {
                let proofs = aggregator.proofs(id).expect("published");
                prop_assert!(proofs.policy.generation <= environment.newest());
                let carries = |policy: &RoutingPolicy| policy.services.iter().find(|service| service.name == *id) == desired.service.as_ref();
                prop_assert!(carries(&newest));
                for bytes in environment.pushed.range(proofs.policy.generation.max(1)..).map(|(_, bytes)| bytes) {
                    prop_assert!(carries(&serde_json::from_str(bytes).unwrap()), "a generation above the proof has another service");
                }
                if let RoutesProof::Report(sequence, generation) = proofs.routes {
                    prop_assert!(sequence <= environment.sequence && generation <= environment.newest());
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_written_is_an_error_and_never_an_empty_text() {
    let unwritable = BTreeMap::from([((1, 2), "a key that is no string")]);
    let error = written("the merged policy", &unwritable).unwrap_err();
    assert_eq!(error.to_string(), "the merged policy cannot be written as JSON, so nothing is published: key must be a string");
}

#[test]
fn what_is_published_is_the_text_of_the_policy() {
    let mut aggregator = empty();
    aggregator.contribute(&id(1), desired(1, Some(1), Some(1)));
    let publication = aggregator.next(&around(None)).unwrap().unwrap();
    assert_eq!(serde_json::from_str::<RoutingPolicy>(&publication.text).unwrap(), publication.policy);
    assert_eq!(publication.policy.generation, 1);
}
