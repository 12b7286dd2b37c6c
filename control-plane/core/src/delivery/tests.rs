//! Sums that are kept up to date are what a walk over all proxies gives, and a survey answers as one question after the other does.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use shunt_filter_core::VersionName;
use shunt_filter_core::report::{Counters, EpochReport, Exemplars, Hanging, LatencySlots, Report, Responses, ServiceReport, Slots};

use super::aggregates::Freshness;
use super::*;

const NODES: [&str; 4] = ["a", "b", "c", "d"];
const ROLLOUTS: [&str; 3] = ["shop/cart", "shop/checkout", "shop/search"];
const EPOCHS: u64 = 4;

/// What happens to a proxy.
#[derive(Debug, Clone)]
enum Event {
    /// A VM posts what it posted before and more.
    Grows {
        vm: u8,
        more: Vec<(usize, ServiceReport)>,
        push: bool,
        last: bool,
    },
    /// A VM posts something else altogether.
    Jumps {
        vm: u8,
        services: Vec<(usize, ServiceReport)>,
        generation: u64,
    },
    /// All VMs of the proxy begin anew, without a last word.
    Restarts,
    Connection(bool),
    Remembered,
    Vouched,
    Forgotten,
    Swept,
    /// Nothing; time passes.
    Waits,
}

fn slots() -> impl Strategy<Value = Slots> {
    btree_set(0_u16..300, 0..4).prop_map(|slots| slots.into_iter().collect())
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![9 => 0_u64..5, 1 => Just(u64::MAX / 2 + 1)]
}

fn version() -> impl Strategy<Value = VersionName> {
    prop_oneof!["v1", "v2"].prop_map(|name| name.parse().unwrap())
}

prop_compose! {
    fn counters()(started in number(), succeeded in number(), failed in 0_u64..3, latency in vec(0_u64..3, 0..4)) -> Counters {
        Counters { started, succeeded, failed, latency, ..Counters::default() }
    }
}

fn exemplars() -> impl Strategy<Value = Exemplars> {
    vec((0_u8..12, 1_u64..5), 0..6).prop_map(|paths| {
        let one =
            |(path, count): (u8, u64)| serde_json::json!({ "kind": "failed", "method": "GET", "path": format!("/{path}"), "count": count });
        serde_json::from_value(paths.into_iter().map(one).collect()).unwrap()
    })
}

prop_compose! {
    fn epoch()(
        epoch in 1..=EPOCHS,
        versions in proptest::collection::btree_map(version(), counters(), 0..2),
        (seen, failed, slow) in (slots(), slots(), slots()),
        hanging in proptest::option::of((version(), 0_u64..3, slots())),
        responses in proptest::option::of((version(), 0_u64..3, slots())),
        exemplars in proptest::option::of((version(), exemplars())),
        latency in any::<bool>(),
        goal in proptest::option::of(0_u32..200),
    ) -> EpochReport {
        EpochReport {
            epoch,
            versions,
            hanging: hanging.map(|(version, number, slots)| Hanging { versions: BTreeMap::from([(version, number)]), slots }),
            responses: responses
                .map(|(version, number, slots)| {
                    let versions = BTreeMap::from([(version, number)]);
                    (shunt_filter_core::outcome::ResponseClass::Rejected, Responses { versions, slots })
                })
                .into_iter()
                .collect(),
            exemplars: exemplars.into_iter().collect(),
            latency: latency.then(|| LatencySlots { seen: seen.clone(), first_slow: slow.common(&seen), above_p90: slow.clone(), above_p99: failed.clone() }),
            goals: goal.map(|cell| ("buys".to_owned(), [cell].into_iter().collect())).into_iter().collect(),
            cells: goal.map(|cell| [cell].into_iter().collect()),
            abandoned: failed.clone(),
            seen,
            failed,
        }
    }
}

prop_compose! {
    fn service()(
        misrouted in 0_u64..2,
        mirrored in proptest::collection::btree_map(version(), 0_u64..3, 0..2),
        versions in proptest::collection::btree_map(version(), counters(), 0..3),
        epoch in proptest::option::of(epoch()),
    ) -> ServiceReport {
        ServiceReport { misrouted, mirrored, versions, epoch, ..ServiceReport::default() }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let services = || vec((0..ROLLOUTS.len(), service()), 0..3);
    prop_oneof![
        24 => (0_u8..3, services(), any::<bool>(), proptest::bool::weighted(0.05)).prop_map(|(vm, more, push, last)| Event::Grows { vm, more, push, last }),
        3 => (0_u8..3, services(), 0_u64..6).prop_map(|(vm, services, generation)| Event::Jumps { vm, services, generation }),
        1 => Just(Event::Restarts),
        3 => any::<bool>().prop_map(Event::Connection),
        1 => Just(Event::Remembered),
        1 => Just(Event::Vouched),
        1 => Just(Event::Forgotten),
        3 => Just(Event::Swept),
        3 => Just(Event::Waits),
    ]
}

/// Proxies that post.
#[derive(Default)]
struct World {
    reports: Reports,
    last: BTreeMap<(usize, u8), Report>,
    /// Raised when a proxy restarts: its VMs have other names.
    starts: BTreeMap<usize, u8>,
    generation: u64,
    now: Time,
}

impl World {
    fn happens(&mut self, node: usize, event: Event) {
        let now = self.now;
        let name = NODES[node];
        match event {
            Event::Grows { vm, more, push, last } => {
                self.generation += u64::from(push);
                let generation = self.generation;
                self.post(node, vm, last, |report| {
                    report.generation = generation;
                    for (id, more) in more {
                        add(report.services.entry(ROLLOUTS[id].parse().unwrap()).or_default(), &more);
                    }
                });
            }
            Event::Jumps { vm, services, generation } => self.post(node, vm, false, |report| {
                report.generation = generation;
                report.services = services.into_iter().map(|(id, service)| (ROLLOUTS[id].parse().unwrap(), service)).collect();
            }),
            Event::Restarts => {
                *self.starts.entry(node).or_default() += 1;
                self.last.retain(|(of, _), _| *of != node);
            }
            Event::Connection(open) => self.reports.connection(name, open, now),
            Event::Remembered => self.reports.remember(name, now),
            Event::Vouched => self.reports.vouch(name, now),
            Event::Forgotten => self.reports.forget(name),
            Event::Swept => self.reports.sweep(now),
            Event::Waits => {}
        }
    }

    fn post(&mut self, node: usize, vm: u8, last: bool, change: impl FnOnce(&mut Report)) {
        let start = self.starts.get(&node).copied().unwrap_or_default();
        let report = self.last.entry((node, vm)).or_insert_with(|| Report {
            node: NODES[node].to_owned(),
            vm: format!("{start}-{vm}"),
            sequence: 0,
            generation: 0,
            last: false,
            module: String::new(),
            services: BTreeMap::new(),
        });
        report.sequence += 1;
        report.last = last;
        change(report);
        self.reports.take(report.clone(), self.now);
    }

    fn check(&self) {
        let reports = &self.reports;
        for id in ROLLOUTS.iter().map(|id| id.parse::<RolloutId>().unwrap()) {
            assert_eq!(reports.service(&id), reports.walk_service(&id, reports.nodes.keys()), "{id}");
            for epoch in 0..=EPOCHS + 1 {
                assert_eq!(reports.epoch(&id, epoch), reports.walk_epoch(&id, epoch, reports.nodes.keys()), "{id} in epoch {epoch}");
            }
        }
        for expected in [NODES[..3].iter(), NODES[..1].iter(), NODES[..0].iter()] {
            let expected: BTreeSet<String> = expected.map(|node| (*node).to_owned()).collect();
            let survey = reports.survey(&expected, self.now);
            for generation in 0..=self.generation + 1 {
                assert_eq!(survey.delivery(generation), reports.delivery(generation, &expected, self.now), "{generation}");
                assert_eq!(survey.everywhere(generation), reports.everywhere(generation, &expected, self.now), "{generation}");
            }
        }
    }

    /// Whether a further read of these sums looks at no report.
    fn is_fresh(&self) -> bool {
        ROLLOUTS.iter().all(|id| self.reports.aggregates.get(&id.parse().unwrap()).is_none_or(|one| one.freshness == Freshness::Fresh))
    }
}

/// Cumulative, as a VM counts; requests that hang are counted as they are now, and of another epoch nothing is kept.
fn add(service: &mut ServiceReport, more: &ServiceReport) {
    if service.epoch.as_ref().map(|epoch| epoch.epoch) < more.epoch.as_ref().map(|epoch| epoch.epoch) {
        service.epoch = None;
    }
    sums::add_service(service, more);
    if let (Some(hanging), Some(now)) =
        (service.epoch.as_mut().and_then(|epoch| epoch.hanging.as_mut()), more.epoch.as_ref().and_then(|epoch| epoch.hanging.as_ref()))
    {
        hanging.versions.clone_from(&now.versions);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn what_is_kept_is_what_a_walk_gives(events in vec((0..NODES.len(), event(), 0_u64..12), 1..60)) {
        let mut world = World { now: Time(1_000), ..World::default() };
        for (node, event, pause) in events {
            // Mostly short pauses, sometimes the silence of a VM or of a proxy.
            world.now = world.now.after(Span::seconds(match pause { 9 => 11, 10 => 31, 11 => 61, short => short / 4 }));
            world.happens(node, event);
            world.check();
        }
        world.reports.sweep(world.now);
        prop_assert!(world.is_fresh());
        world.check();
    }
}

#[test]
fn reports_that_only_grow_are_added_without_a_walk() {
    let mut world = World { now: Time(1_000), ..World::default() };
    let counted = |number: u64| {
        let counters = Counters { started: number, succeeded: number, ..Counters::default() };
        let versions = BTreeMap::from([("v1".parse::<VersionName>().unwrap(), counters)]);
        let seen = [u16::try_from(number).unwrap()].into_iter().collect();
        let epoch = EpochReport { epoch: 1, versions: versions.clone(), seen, ..EpochReport::default() };
        ServiceReport { versions, epoch: Some(epoch), ..ServiceReport::default() }
    };
    for number in 1..50 {
        for node in 0..NODES.len() {
            world.happens(node, Event::Grows { vm: 0, more: vec![(0, counted(number))], push: true, last: false });
            assert!(world.is_fresh());
        }
        world.check();
    }
}

#[test]
fn what_nobody_holds_any_more_is_forgotten() {
    let mut world = World { now: Time(1_000), ..World::default() };
    world.happens(
        0,
        Event::Grows { vm: 0, more: vec![(0, ServiceReport { keyless: 1, ..ServiceReport::default() })], push: true, last: false },
    );
    world.happens(0, Event::Forgotten);
    world.reports.sweep(world.now);
    assert!(world.reports.aggregates.get(&ROLLOUTS[0].parse().unwrap()).is_none());
}
