//! A state goes out as policy and routes, and comes back: every user keeps the version that they have.

use proptest::prelude::*;
use shunt_filter_core::policy::FORMAT;
use test_case::test_case;

use super::*;
use crate::desired::desired;
use crate::fixture::{at_rest, plan, plan_by, run, with};
use crate::merge::merge;
use crate::ranges::reshape;

const NOW: Time = Time(9_000);

fn version(name: &str) -> VersionName {
    name.parse().unwrap()
}

/// What a proxy runs when this is the state.
fn runs(plan: &Plan, state: &State, generation: u64) -> Running {
    let wanted = desired(plan, state);
    let route = wanted.routes.as_ref().map(|routes| (plan.id.clone(), routes.default.clone()));
    Running { policy: merge(generation, None, [wanted]), default_routes: route.into_iter().collect() }
}

fn serving(mut state: State) -> State {
    state.installed.values_mut().for_each(|installed| installed.stage = Installation::Serving);
    state
}

/// A run of v2 with these shares of v2 and v3.
fn shared(stage: Stage, shares: &[(&str, u32)]) -> State {
    let weights: Vec<(VersionName, Weight)> =
        shares.iter().map(|(name, percent)| (version(name), Weight::ppm(percent.saturating_mul(10_000)))).collect();
    let weight = weights.first().map_or(Weight::ZERO, |(_, weight)| *weight);
    let state = with(Run { ranges: reshape(&[], &weights), weight, ..run("v2", 1_000, stage) });
    State { attempt: 7, epoch: 12, ..serving(state) }
}

#[test_case(shared(Stage::Holding { step: 0 }, &[("v2", 5)]), "v1 is stable, v2 keeps 5 % of keys; the run is held at step 1 until `shunt resume` or `shunt abort`"; "a canary at its first step")]
#[test_case(shared(Stage::Holding { step: 2 }, &[("v2", 50)]), "v1 is stable, v2 keeps 50 % of keys; the run is held at step 3 until `shunt resume` or `shunt abort`"; "and at its last")]
#[test_case(shared(Stage::Applying { step: 2 }, &[("v2", 30), ("v3", 20)]), "v1 is stable, v2 keeps 30 % of keys; the run is held at step 1 until `shunt resume` or `shunt abort`"; "two versions beside stable")]
#[test_case(shared(Stage::Shifting, &[("v2", 100)]), "v1 is stable, v2 keeps 100 % of keys; the run is held until `shunt resume` or `shunt abort`"; "all keys by policy")]
#[test_case(State { default_route: DefaultRoute::Changing { to: version("v2") }, ..shared(Stage::Switching, &[("v2", 100)]) }, "v1 is stable, v2 keeps 100 % of keys; the run is held until `shunt resume` or `shunt abort`"; "the default route on its way")]
fn a_run_keeps_every_user_where_they_are(state: State, sentence: &str) {
    let plan = plan("v2");
    let running = runs(&plan, &state, 57);
    let recovered = recover(&plan, std::slice::from_ref(&running), NOW).unwrap();
    assert_eq!(recovered.sentence, sentence);
    let (before, after) = (&running.policy.services[0], desired(&plan, &recovered.state).service.unwrap());
    assert_eq!((&after.split, &after.stable, &after.default_route), (&before.split, &before.stable, &before.default_route));
    assert!(after.versions.iter().all(|version| version.serving), "what serves is not withheld");
    assert_eq!(Some(desired(&plan, &recovered.state).routes.unwrap().default), running.default_routes.get(&plan.id).cloned());
    assert!(recovered.state.epoch > 57 && recovered.state.attempt == 7);
    let held = crate::advance(&plan, &recovered.state, &crate::Observation::unknown(NOW), &[]);
    assert_eq!(held.entry, None, "nothing moves until an operator says so");
}

#[test_case("v1", None, "v1 is stable, as its manifest says"; "as released")]
#[test_case("v2", Some("v2"), "v1 is stable; v2, which its manifest names, is released by `shunt retry`, because it may have been refused"; "a release that may have been refused")]
fn at_rest_the_default_route_says_who_is_stable(release: &str, refused: Option<&str>, sentence: &str) {
    let plan = plan(release);
    let state = serving(at_rest("v1"));
    let running = runs(&plan, &State { refused: None, ..state }, 57);
    assert!(running.policy.services.is_empty(), "nothing is to be decided");
    let recovered = recover(&plan, &[running], NOW).unwrap();
    assert_eq!(recovered.sentence, sentence);
    assert_eq!((recovered.state.stable.as_str(), recovered.state.default_route.clone()), ("v1", DefaultRoute::Settled(version("v1"))));
    assert_eq!(recovered.state.refused.as_ref().map(|refused| refused.version.as_str()), refused);
    let next = crate::advance(&plan, &recovered.state, &crate::Observation::unknown(NOW), &[]);
    assert!(next.state.run.is_none(), "{:?}", next.entry);
}

#[test]
fn of_several_proxies_the_highest_generation_counts() {
    let plan = plan("v2");
    let old = runs(&plan, &shared(Stage::Holding { step: 0 }, &[("v2", 5)]), 40);
    let new = runs(&plan, &shared(Stage::Holding { step: 2 }, &[("v2", 50)]), 57);
    for running in [[old.clone(), new.clone()], [new, old]] {
        assert_eq!(recover(&plan, &running, NOW).unwrap().state.run.unwrap().weight, Weight::ppm(500_000));
    }
}

#[test]
fn what_no_proxy_knows_begins_as_its_manifest_says() {
    let empty = Running {
        policy: RoutingPolicy { format: FORMAT, generation: 57, report: None, signing: None, services: Vec::new(), flags: Vec::new() },
        default_routes: BTreeMap::new(),
    };
    let recovered = recover(&plan("v2"), &[empty], NOW).unwrap();
    assert_eq!(recovered.state, State::initial(&plan("v2")));
    assert_eq!(recovered.sentence, "no proxy knows it: v2 is stable at once, as its manifest says");
}

#[test]
fn a_version_that_the_manifest_lacks_is_an_error() {
    let running = runs(&plan("v2"), &shared(Stage::Holding { step: 0 }, &[("v2", 5)]), 57);
    let mut without = plan("v3");
    without.versions.retain(|version| version.name.as_str() != "v2");
    let error = recover(&without, &[running], NOW).unwrap_err();
    assert_eq!(
        error.to_string(),
        "proxies send 5 % of keys of shop/checkout to v2, which is not among its versions: add it to the manifest first"
    );
}

proptest! {
    /// Whatever weights and however they came about.
    #[test]
    fn ranges_come_back_as_they_are(changes in proptest::collection::vec((0_u32..=40, 0_u32..=40), 1..8)) {
        let plan = plan_by("v2", "{setWeight: 5}, {pause: {}}, {setWeight: 50}");
        let mut ranges = Vec::new();
        for (two, three) in changes {
            ranges = reshape(&ranges, &[(version("v2"), Weight::ppm(two.saturating_mul(10_000))), (version("v3"), Weight::ppm(three.saturating_mul(10_000)))]);
        }
        let state = shared(Stage::Holding { step: 0 }, &[]);
        let state = State { run: state.run.map(|run| Run { ranges: ranges.clone(), ..run }), ..state };
        let recovered = recover(&plan, &[runs(&plan, &state, 57)], NOW).unwrap();
        prop_assert_eq!(recovered.state.run.map(|run| run.ranges).unwrap_or_default(), ranges);
    }
}
