//! The built module, alone in a WebAssembly runtime: what it exports, what it imports, and that no answer of the proxy makes it trap.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::arithmetic_side_effects, reason = "tests")]

mod life;
mod proxy;

use std::collections::BTreeSet;
use std::path::PathBuf;

use life::{Life, Phase};
use proxy::{Refusal, SUCCESS};
use wasmi::{Engine, Module};

/// Statuses of ABI 0.2.1 (0 to 12), and some that it does not have.
const STATUSES: [i32; 15] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 255, -1];

/// What a request may take in the VM from its first callback to its last, in the runtime's measure of instructions, so that it does not grow
/// unseen: at a host that is not in the policy, and where one Rollout decides. A module that does nothing takes 1,600.
const INSTRUCTIONS_MAX: [u64; 2] = [9_000, 42_000];

/// One Rollout during a canary, as the control plane pushes it.
const CANARY: &str = r#"{"format": 1, "generation": 1, "services": [{
    "name": "shop/checkout", "hosts": ["shop.test"], "epoch": 1, "stable": "v1", "defaultRoute": "v1",
    "versions": [{"name": "v1", "clusters": ["shunt/shop/checkout/v1"]}, {"name": "v2", "clusters": ["shunt/shop/checkout/v2"]}],
    "key": [{"cookie": "shunt-id"}], "split": {"salt": "shop/checkout/1", "ranges": [{"from": 0, "to": 50000, "version": "v2"}]},
    "analysis": true}]}"#;

/// The module that this variable names; none: it was not built, which is an error where all tests have to run.
fn module(variable: &str) -> Option<Module> {
    let Some(path) = std::env::var_os(variable).map(PathBuf::from) else {
        assert!(std::env::var_os("CI").is_none_or(|value| value.is_empty()), "{variable} is not set: run the tests by cargo xtask test");
        println!("left out: {variable} is not set; cargo xtask test builds the module");
        return None;
    };
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Some(Module::new(&Engine::new(wasmi::Config::default().consume_fuel(true)), &bytes).expect("a module"))
}

#[test]
fn it_exports_only_callbacks_that_do_something() {
    let Some(module) = module("SHUNT_FILTER_WASM") else { return };
    let mut exports: Vec<_> = module.exports().map(|export| export.name().to_owned()).collect();
    exports.sort_unstable();
    let expected = [
        "_initialize",
        "malloc",
        "memory",
        "proxy_abi_version_0_2_1",
        "proxy_on_configure",
        "proxy_on_context_create",
        "proxy_on_delete",
        "proxy_on_http_call_response",
        "proxy_on_log",
        "proxy_on_request_headers",
        "proxy_on_response_headers",
        "proxy_on_tick",
    ];
    assert_eq!(exports, expected);
}

#[test]
fn it_imports_only_what_it_calls() {
    let Some(module) = module("SHUNT_FILTER_WASM") else { return };
    let imports: BTreeSet<_> = module.imports().map(|import| import.name().to_owned()).collect();
    let life = Life::of(&module, None).expect("a life without a refusal");
    let called: BTreeSet<_> = life.called().into_iter().map(|(_, call)| call).collect();
    assert_eq!(called, imports);
}

/// Without this, the next test would show nothing.
#[test]
fn where_the_proxy_refuses_nothing_all_is_as_it_should_be() {
    let Some(module) = module("SHUNT_FILTER_WASM") else { return };
    let life = Life::of(&module, None).expect("a life without a refusal");
    assert_eq!(life.routes(), ["shop/checkout/v2"], "one of the requests is ann's");
    assert!(life.posts() >= 3, "the first report, a later one and the last: {}", life.posts());
    assert!(life.log().iter().any(|line| line.contains("does not know, they change nothing: somethingNew")), "{:?}", life.log());
}

#[test]
fn a_request_takes_few_instructions() {
    let Some(module) = module("SHUNT_FILTER_WASM") else { return };
    let mut life = Life::begin(&module, CANARY, None).expect("a beginning");
    assert_eq!(life.configure(1).expect("no trap"), SUCCESS);
    let mut median = |authority| {
        let mut taken: Vec<_> = (10..31).map(|context| life.browser(context, authority).expect("no trap")).collect();
        taken.sort_unstable();
        taken.get(10).copied().unwrap_or_default()
    };
    let taken = [median("other.test"), median("shop.test")];
    println!("instructions of a request at another host and at one with a Rollout: {taken:?}");
    assert!(taken.iter().zip(INSTRUCTIONS_MAX).all(|(taken, most)| *taken <= most), "{taken:?}, at most {INSTRUCTIONS_MAX:?}");
}

/// Every hostcall answers every status, once and for ever, in every phase that calls it.
#[test]
fn no_status_makes_it_trap() {
    let Some(module) = module("SHUNT_FILTER_WASM") else { return };
    let mut places: Vec<(Option<Phase>, Option<String>)> = vec![(None, None)];
    let called = Life::of(&module, None).expect("a life without a refusal").called();
    let calls: BTreeSet<_> = called.iter().map(|(_, call)| call.clone()).collect();
    let phases: BTreeSet<_> = called.iter().map(|(phase, _)| *phase).collect();
    places.extend(calls.into_iter().map(|call| (None, Some(call))));
    places.extend(phases.into_iter().map(|phase| (Some(phase), None)));
    places.extend(called.into_iter().map(|(phase, call)| (Some(phase), Some(call))));
    let mut trapped = Vec::new();
    for (phase, call) in &places {
        for status in STATUSES {
            let refusal = Refusal { phase: *phase, call: call.clone(), status };
            if let Err(error) = Life::of(&module, Some(refusal.clone())) {
                trapped.push(format!("{refusal:?}: {error:#}"));
            }
        }
    }
    assert!(trapped.is_empty(), "{} of {}:\n{}", trapped.len(), places.len() * STATUSES.len(), trapped.join("\n"));
}

/// A trap is seen: the module that panics on request does.
#[test]
fn a_panic_is_a_trap() {
    let Some(module) = module("SHUNT_FILTER_PANIC_WASM") else { return };
    let mut life = Life::begin(&module, CANARY, None).expect("a beginning");
    assert_eq!(life.configure(1).expect("no trap"), SUCCESS);
    let error = life.request(9, &[(":authority", "shop.test"), ("x-test-panic", "1")], true).expect_err("a trap").to_string();
    assert!(error.contains("unreachable"), "{error}");
    assert!(life.log().iter().any(|line| line.contains("asked for by x-test-panic")), "{:?}", life.log());
}
