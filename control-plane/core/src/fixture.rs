//! A plan and states of its run, for tests.

use shunt_spec::Context;
use shunt_spec::manifest::parse;
use shunt_spec::plan::Plan;
use shunt_spec::time::Time;

use crate::state::{Refused, Run, Stage, State};

pub(crate) fn plan(release: &str) -> Plan {
    plan_by(release, "{setWeight: 5}, {pause: {}}, {setWeight: 50}")
}

/// v1, v2 and v3, of which one is released by these steps.
pub(crate) fn plan_by(release: &str, steps: &str) -> Plan {
    let text = format!(
        "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {{name: checkout, namespace: shop}}
spec:
  service: {{hosts: [shop.test]}}
  versions:
    - {{name: v1, endpoints: ['127.0.0.1:9001']}}
    - {{name: v2, endpoints: ['127.0.0.1:9002']}}
    - {{name: v3, endpoints: ['127.0.0.1:9003']}}
  release: {release}
  strategy: {{canary: {{steps: [{steps}]}}}}
"
    );
    parse("a.yaml", &text).unwrap()[0].compile(&Context::default()).unwrap()
}

pub(crate) fn at_rest(stable: &str) -> State {
    State { stable: stable.parse().unwrap(), ..State::initial(&plan("v1")) }
}

pub(crate) fn refused() -> State {
    State { refused: Some(Refused { version: "v2".parse().unwrap(), reason: String::new(), at: Time(0) }), ..at_rest("v1") }
}

pub(crate) fn run(candidate: &str, started: u64, stage: Stage) -> Run {
    Run {
        candidate: candidate.parse().unwrap(),
        started: Time(started),
        ranges: Vec::new(),
        weight: shunt_filter_core::Weight::ZERO,
        stage,
        since: Time(started),
        paused: None,
        passed: None,
        regardless: None,
        returning: false,
        warmed: crate::state::Warmed::Cold,
        held: None,
        sizes: crate::state::Sizes::default(),
        baseline: None,
        arms: std::collections::BTreeSet::new(),
        first_step: 0,
        forward_from: None,
    }
}

pub(crate) fn with(run: Run) -> State {
    State { run: Some(run), ..at_rest("v1") }
}

pub(crate) fn at(stage: Stage) -> State {
    with(run("v2", 1, stage))
}
