//! Overrides of the mesh policy in what a Rollout wants: before its own rules, and for the roles of the moment.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may panic")]

use shunt_core::state::{Installation, Run, Sizes, Stage, Warmed};
use shunt_core::{State, desired};
use shunt_filter_core::Weight;
use shunt_spec::manifest::parse;
use shunt_spec::{Context, Plan, Time};

const ROLLOUT: &str = "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {name: a}
spec:
  service: {hosts: [x]}
  versions: [{name: v1, endpoints: [\"127.0.0.1:9001\"]}, {name: v2, endpoints: [\"127.0.0.1:9002\"]}]
  release: v1
  rules: [{name: old, match: [{methods: [GET]}], version: v1}]
";

const MESH: &str = "apiVersion: shunt.dev/v1alpha1
kind: MeshPolicy
metadata: {name: mesh}
spec:
  overrides:
    - {name: try-candidate, match: [{headers: {x-version: {exact: candidate}}}], to: candidate}
    - {name: stay-stable, match: [{headers: {x-version: {exact: stable}}}], to: stable}
";

/// (rule, version) of the policy that this state gives.
fn rules(plan: &Plan, state: &State) -> Vec<(String, String)> {
    let service = desired(plan, state).service.unwrap();
    service.rules.iter().map(|rule| (rule.name.clone(), rule.split.ranges[0].version.to_string())).collect()
}

#[test]
fn overrides_come_first_and_follow_the_roles_of_the_moment() {
    let mesh = parse("mesh.yaml", MESH).unwrap().remove(0);
    let plan = parse("a.yaml", ROLLOUT).unwrap()[0].compile(&Context { mesh: mesh.mesh_policy(), ..Context::default() }).unwrap();
    let pair = |rule: &str, version: &str| (rule.to_owned(), version.to_owned());
    let mut state = State::initial(&plan);
    for installed in state.installed.values_mut() {
        installed.stage = Installation::Serving;
    }
    assert_eq!(rules(&plan, &state), [pair("stay-stable", "v1"), pair("old", "v1")], "without a run no version is the candidate");

    state.run = Some(Run {
        candidate: plan.versions[1].name.clone(),
        started: Time(0),
        ranges: Vec::new(),
        weight: Weight::ZERO,
        stage: Stage::Holding { step: 0 },
        since: Time(0),
        paused: None,
        passed: None,
        regardless: None,
        returning: false,
        warmed: Warmed::Cold,
        held: None,
        sizes: Sizes::default(),
        baseline: None,
        arms: std::collections::BTreeSet::new(),
        first_step: 0,
        forward_from: None,
    });
    assert_eq!(rules(&plan, &state), [pair("try-candidate", "v2"), pair("stay-stable", "v1"), pair("old", "v1")]);
}
