#![allow(clippy::arithmetic_side_effects)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use shunt_filter_core::RolloutId;
use shunt_spec::plan::Protocol;
use shunt_spec::time::{Span, Time};

use super::{Isolation, Opinion, Refusal, Standing};
use crate::desired::Routes;

/// A timeout that some proxy refuses.
const BAD: Span = Span::seconds(666);
const GOOD: Span = Span::seconds(5);

fn id(name: &str) -> RolloutId {
    RolloutId::new("shop", name).unwrap()
}

fn routes(name: &str, timeout: Span) -> Routes {
    Routes {
        id: id(name),
        hosts: vec![format!("{name}.test")],
        port: None,
        default: "v1".parse().unwrap(),
        held: false,
        versions: Vec::new(),
        mirrors: Vec::new(),
        protocol: Protocol::Http1,
        health: None,
        timeout: Some(timeout),
        timeouts: Default::default(),
    }
}

/// What a proxy refuses, and whether it says whose it is.
#[derive(Clone, Copy, PartialEq)]
enum Temper {
    Names,
    NamesNothing,
    /// Two Rollouts with the same timeout, each of them fine alone.
    Pairs,
    Everything,
    Nothing,
    /// It neither takes nor refuses.
    Hangs,
}

struct Proxy {
    node: &'static str,
    since: Time,
    temper: Temper,
    acknowledged: u64,
    refusal: Option<Refusal>,
}

impl Proxy {
    fn new(node: &'static str, temper: Temper) -> Self {
        Self { node, since: Time(0), temper, acknowledged: 0, refusal: None }
    }

    fn take(&mut self, sequence: u64, content: &BTreeMap<RolloutId, Routes>) {
        let bad: Vec<&RolloutId> = content.iter().filter(|(_, routes)| routes.timeout == Some(BAD)).map(|(id, _)| id).collect();
        let error = match self.temper {
            Temper::Hangs => return,
            Temper::Nothing => None,
            Temper::Everything => Some("out of memory".to_owned()),
            Temper::Names => bad.first().map(|id| format!("Error adding/updating cluster(s) shunt/{id}/v1: out of range")),
            Temper::NamesNothing => bad.first().map(|_| "out of range".to_owned()),
            Temper::Pairs => (bad.len() > 1).then(|| "twice the same".to_owned()),
        };
        match error {
            Some(error) => self.refusal = Some(Refusal { kind: "routes".to_owned(), resources: Vec::new(), error, sequence }),
            None => (self.acknowledged, self.refusal) = (sequence, None),
        }
    }

    fn opinion(&self) -> Opinion {
        let Self { node, since, acknowledged, refusal, .. } = self;
        Opinion { node: (*node).to_owned(), since: *since, acknowledged: *acknowledged, refusal: refusal.clone() }
    }
}

/// Wanted routes, proxies, and what is published to them.
struct Bench {
    isolation: Isolation,
    wanted: BTreeMap<RolloutId, Routes>,
    proxies: Vec<Proxy>,
    content: BTreeMap<RolloutId, Routes>,
    sequence: u64,
    now: Time,
}

impl Bench {
    fn new(tempers: &[Temper]) -> Self {
        let nodes = ["edge-1", "edge-2", "edge-3"];
        let proxies = nodes.into_iter().zip(tempers).map(|(node, temper)| Proxy::new(node, *temper)).collect();
        let (isolation, wanted, content) = (Isolation::default(), BTreeMap::new(), BTreeMap::new());
        Self { isolation, wanted, proxies, content, sequence: 0, now: Time(1_000) }
    }

    fn want(&mut self, name: &str, timeout: Span) {
        self.wanted.insert(id(name), routes(name, timeout));
    }

    fn publish(&mut self) {
        let wanted: Vec<RolloutId> = self.wanted.keys().cloned().collect();
        let isolation = &mut self.isolation;
        let content: BTreeMap<_, _> =
            wanted.into_iter().filter_map(|id| Some((id.clone(), isolation.effective(&id, self.wanted.get(&id).cloned())?))).collect();
        if content == self.content && self.sequence > 0 {
            return;
        }
        self.sequence += 1;
        self.content = content;
        self.isolation.published(self.sequence);
        self.proxies.iter_mut().for_each(|proxy| proxy.take(self.sequence, &self.content));
    }

    /// Passes for so long, four a second.
    fn pass(&mut self, span: Span) {
        let until = self.now.after(span);
        while self.now < until {
            self.now = self.now.after(Span::millis(250));
            let opinions: Vec<Opinion> = self.proxies.iter().map(Proxy::opinion).collect();
            self.isolation.hear(&opinions, self.now);
            self.publish();
        }
    }

    /// `shop/bad by edge-1: words`
    fn rejected(&self) -> Vec<String> {
        let told = |id: &RolloutId| match self.isolation.standing(id) {
            Standing::Rejected(rejected) => Some(format!("{id} by {}: {}", rejected.node, rejected.error)),
            Standing::Published | Standing::Aside => None,
        };
        self.wanted.keys().filter_map(told).collect()
    }

    /// Everything is published and acknowledged but for those of these names.
    fn all_but(&self, names: &[&str]) -> bool {
        let without: BTreeSet<RolloutId> = names.iter().map(|name| id(name)).collect();
        self.wanted.iter().filter(|(id, _)| !without.contains(id)).all(|(id, routes)| self.content.get(id) == Some(routes))
            && self.proxies.iter().all(|proxy| proxy.acknowledged == self.sequence)
    }
}

#[test]
fn one_that_is_named_is_rejected_with_the_proxys_words_and_all_others_go_on() {
    let mut bench = Bench::new(&[Temper::Names]);
    ["a", "b", "c"].iter().for_each(|name| bench.want(name, GOOD));
    bench.want("bad", BAD);
    bench.pass(Span::seconds(1));
    assert_eq!(bench.rejected(), ["shop/bad by edge-1: Error adding/updating cluster(s) shunt/shop/bad/v1: out of range"]);
    assert!(bench.all_but(&["bad"]));
    assert_eq!(bench.sequence, 2, "at the second one all others have what they want");
    assert!(!bench.content.contains_key(&id("bad")), "no proxy ever took it");
}

#[test]
fn what_was_accepted_before_stays_and_a_changed_manifest_is_tried_again() {
    let mut bench = Bench::new(&[Temper::NamesNothing]);
    bench.want("a", GOOD);
    bench.pass(Span::seconds(1));
    bench.want("a", BAD);
    bench.pass(Span::seconds(2));
    assert_eq!(bench.rejected(), ["shop/a by edge-1: out of range"]);
    assert_eq!(bench.content[&id("a")], routes("a", GOOD));
    bench.want("a", Span::seconds(7));
    bench.pass(Span::seconds(1));
    assert_eq!((bench.rejected().len(), &bench.content[&id("a")]), (0, &routes("a", Span::seconds(7))));
    assert_eq!(bench.proxies[0].acknowledged, bench.sequence);
}

#[test]
fn others_change_while_one_is_rejected() {
    let mut bench = Bench::new(&[Temper::NamesNothing]);
    bench.want("bad", BAD);
    bench.pass(Span::seconds(2));
    bench.want("a", GOOD);
    bench.pass(Span::seconds(1));
    assert_eq!(bench.rejected().len(), 1);
    assert!(bench.all_but(&["bad"]));
}

#[test]
fn one_that_is_deleted_while_it_is_rejected_leaves_nothing() {
    let mut bench = Bench::new(&[Temper::NamesNothing]);
    bench.want("a", GOOD);
    bench.want("bad", BAD);
    bench.pass(Span::seconds(3));
    bench.wanted.remove(&id("bad"));
    assert_eq!(bench.isolation.effective(&id("bad"), None), None);
    bench.isolation.forget(&id("bad"));
    bench.want("bad", GOOD);
    bench.pass(Span::seconds(1));
    assert!(bench.rejected().is_empty() && bench.all_but(&[]), "one of the same name begins anew");
}

#[test]
fn a_proxy_that_refuses_everything_blames_no_rollout() {
    let mut bench = Bench::new(&[Temper::Nothing, Temper::Everything]);
    ["a", "b"].iter().for_each(|name| bench.want(name, GOOD));
    bench.pass(Span::seconds(5));
    bench.want("c", GOOD);
    bench.pass(Span::seconds(5));
    assert!(bench.rejected().is_empty());
    assert_eq!(bench.content, bench.wanted, "the other proxy gets all of it");
    assert_eq!(bench.proxies[0].acknowledged, bench.sequence);
    // It is mended, and counts again.
    bench.proxies[1].temper = Temper::NamesNothing;
    bench.want("d", GOOD);
    bench.pass(Span::seconds(1));
    bench.want("bad", BAD);
    bench.pass(Span::seconds(3));
    assert_eq!(bench.rejected(), ["shop/bad by edge-2: out of range"]);
}

#[test]
fn one_proxy_of_two_refuses_it_until_another_envoy_takes_its_place() {
    let mut bench = Bench::new(&[Temper::Nothing, Temper::NamesNothing]);
    bench.want("a", GOOD);
    bench.want("new", BAD);
    bench.pass(Span::seconds(3));
    assert_eq!(bench.rejected(), ["shop/new by edge-2: out of range"]);
    bench.proxies[1] = Proxy { since: bench.now.after(Span::millis(1)), ..Proxy::new("edge-2", Temper::Nothing) };
    bench.proxies[1].take(bench.sequence, &bench.content.clone());
    bench.pass(Span::seconds(1));
    assert!(bench.rejected().is_empty() && bench.all_but(&[]));
}

#[test]
fn a_proxy_that_hangs_does_not_hold_up_the_search() {
    let mut bench = Bench::new(&[Temper::NamesNothing, Temper::Hangs]);
    ["a", "b", "c"].iter().for_each(|name| bench.want(name, GOOD));
    bench.want("bad", BAD);
    bench.pass(Span::seconds(120));
    assert_eq!(bench.rejected(), ["shop/bad by edge-1: out of range"]);
    assert_eq!(bench.content.len(), 3);
}

#[test]
fn of_two_that_are_fine_alone_one_is_rejected() {
    let mut bench = Bench::new(&[Temper::Pairs]);
    ["a", "d"].iter().for_each(|name| bench.want(name, GOOD));
    ["b", "c"].iter().for_each(|name| bench.want(name, BAD));
    bench.pass(Span::seconds(5));
    assert_eq!((bench.rejected().len(), bench.content.len(), bench.proxies[0].acknowledged), (1, 3, bench.sequence));
}

#[test]
fn after_a_restart_what_was_recorded_as_accepted_is_published_in_its_place() {
    let mut bench = Bench::new(&[Temper::NamesNothing]);
    bench.want("a", GOOD);
    bench.pass(Span::seconds(1));
    let recorded = bench.isolation.unrecorded().into_iter().filter_map(|(id, routes)| Some((id, routes?))).collect();
    let mut again = Bench { isolation: Isolation::new(recorded), ..Bench::new(&[Temper::NamesNothing]) };
    again.want("a", BAD);
    again.pass(Span::seconds(3));
    assert_eq!((again.rejected().len(), &again.content[&id("a")]), (1, &routes("a", GOOD)));
}

proptest! {
    /// Exactly the bad ones are rejected; all others have what they want after few publications.
    #[test]
    fn exactly_those_that_are_refused_are_rejected(count in 1_usize..40, bad in prop::collection::btree_set(0_usize..40, 0..4), names: bool) {
        let mut bench = Bench::new(&[if names { Temper::Names } else { Temper::NamesNothing }]);
        let bad: Vec<String> = bad.into_iter().filter(|index| *index < count).map(|index| format!("r{index:02}")).collect();
        (0..count).for_each(|index| {
            let name = format!("r{index:02}");
            bench.want(&name, if bad.contains(&name) { BAD } else { GOOD });
        });
        bench.pass(Span::seconds(40));
        let rejected: Vec<String> = bench.rejected().iter().filter_map(|told| Some(told.split_once(" by ")?.0.to_owned())).collect();
        prop_assert_eq!(rejected, bad.iter().map(|name| format!("shop/{name}")).collect::<Vec<_>>());
        let names: Vec<&str> = bad.iter().map(String::as_str).collect();
        prop_assert!(bench.all_but(&names));
        let most = 3 + 14 * bad.len() as u64;
        prop_assert!(bench.sequence <= most, "{} publications for {} of {count}", bench.sequence, bad.len());
    }
}
