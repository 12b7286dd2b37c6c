//! What shows when manifests are looked at together: who owns a host, what comes from the mesh policy, what the digest covers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test may panic")]

use shunt_spec::manifest::{Document, ManifestError, conflicts, parse};
use shunt_spec::mesh_policy::MeshPolicy;
use shunt_spec::time::Time;
use shunt_spec::{Context, Plan};
use test_case::test_case;

fn document(text: &str) -> Document {
    parse("test.yaml", text).unwrap_or_else(|errors| panic!("{errors:?}")).remove(0)
}

fn rollout(name: &str, service: &str, more: &str) -> Document {
    document(&format!(
        "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: {name}}}\nspec:\n  service: {service}\n  \
         versions: [{{name: v1, endpoints: [\"127.0.0.1:9001\"]}}, {{name: v2, endpoints: [\"127.0.0.1:9002\"]}}]\n  release: v1\n{more}"
    ))
}

fn mesh(spec: &str) -> Document {
    document(&format!("apiVersion: shunt.dev/v1alpha1\nkind: MeshPolicy\nmetadata: {{name: mesh}}\nspec:\n{spec}"))
}

fn compile(document: &Document, mesh: Option<&MeshPolicy>) -> Result<Plan, Vec<ManifestError>> {
    document.compile(&Context { mesh, ..Context::default() })
}

fn plan(name: &str, service: &str) -> Plan {
    compile(&rollout(name, service, ""), None).unwrap()
}

/// Names of those in conflict.
fn refused(plans: &[(&Plan, u64)]) -> Vec<String> {
    let plans: Vec<(&Plan, Time)> = plans.iter().map(|(plan, seen)| (*plan, Time(*seen))).collect();
    conflicts(&plans).into_keys().map(|id| id.name().to_owned()).collect()
}

#[test_case("{hosts: [a]}", "{hosts: [A.]}", true; "one host")]
#[test_case("{hosts: [a]}", "{hosts: [b]}", false; "two hosts")]
#[test_case("{hosts: [a], port: 8080}", "{hosts: [a], port: 8081}", false; "two ports")]
#[test_case("{hosts: [a], port: 8080}", "{hosts: [a], port: 8080}", true; "one port")]
#[test_case("{hosts: [a]}", "{hosts: [a], port: 8080}", true; "every port and one")]
#[test_case("{hosts: [a], port: 80}", "{hosts: [a], port: 443}", true; "both ports that requests may leave out")]
#[test_case("{hosts: [\"*.shop.test\"]}", "{hosts: [a.shop.test]}", false; "wildcard and exact")]
#[test_case("{hosts: [\"*.shop.test\"]}", "{hosts: [\"*.shop.test\"]}", true; "one wildcard")]
#[test_case("{hosts: [\"*.shop.test\"]}", "{hosts: [\"*.a.shop.test\"]}", false; "wildcard below a wildcard")]
fn the_later_of_two_on_one_host_is_refused(first: &str, second: &str, expected: bool) {
    let (older, later) = (plan("z", first), plan("a", second));
    let expected: Vec<&str> = if expected { vec!["a"] } else { Vec::new() };
    assert_eq!(refused(&[(&older, 1), (&later, 2)]), expected);
    assert_eq!(refused(&[(&later, 2), (&older, 1)]), expected, "the order given does not count");
}

#[test]
fn of_two_seen_at_once_the_smaller_name_wins() {
    let (a, b) = (plan("a", "{hosts: [x]}"), plan("b", "{hosts: [x]}"));
    assert_eq!(refused(&[(&b, 1), (&a, 1)]), ["b"]);
}

#[test]
fn one_that_is_refused_refuses_no_other() {
    let (a, b, c) = (plan("a", "{hosts: [x]}"), plan("b", "{hosts: [x, w]}"), plan("c", "{hosts: [w]}"));
    assert_eq!(refused(&[(&a, 1), (&b, 2), (&c, 3)]), ["b"]);
}

#[test]
fn a_conflict_names_host_and_owner() {
    let (older, later) = (plan("older", "{hosts: [x]}"), plan("later", "{hosts: [x], port: 80}"));
    let found = conflicts(&[(&older, Time(1)), (&later, Time(2))]);
    let sentence = "host x:80 belongs to the older Rollout default/older: nothing is changed until one of the two gives it up";
    assert_eq!(found.get(&later.id).map(String::as_str), Some(sentence));
}

#[test]
fn the_digest_is_of_what_is_meant_not_of_how_it_is_written() {
    let digest = |document: &Document, mesh: Option<&Document>| compile(document, mesh.and_then(Document::mesh_policy)).unwrap().digest;
    let plain = rollout("a", "{hosts: [x], port: 80}", "  keepOld: 30m\n");
    let written_otherwise = rollout("a", "{port: 80, hosts: ['x']} # note", "\n\n  keepOld: \"30m\"\n");
    let changed = rollout("a", "{hosts: [x], port: 80}", "  keepOld: 31m\n");
    let policy = mesh("  defaults: {drainDeadline: 1m}\n");
    assert_eq!(digest(&plain, None).len(), 16);
    assert_eq!(digest(&plain, None), digest(&written_otherwise, None));
    assert_ne!(digest(&plain, None), digest(&changed, None));
    assert_ne!(digest(&plain, None), digest(&plain, Some(&policy)));
}

#[test]
fn a_stricter_rollout_keeps_its_own_values() {
    let policy = mesh("  limits: {maxExposed: 10, minSamples: 50, maxKeepOld: 1h, minDrainDeadline: 10s}\n");
    let own = "  maxExposed: 2\n  keepOld: 10m\n  drainDeadline: 1m\n  strategy: {canary: {steps: [{setWeight: 2}, {analysis: {}}, {setWeight: 50}]}}\n";
    let plan = compile(&rollout("a", "{hosts: [x]}", own), policy.mesh_policy()).unwrap();
    let settled = (plan.max_exposed.as_percent(), plan.keep_old.to_string(), plan.drain_deadline.to_string());
    assert_eq!(settled, (2.0, "10m".to_owned(), "1m".to_owned()));
    assert_eq!(plan.analysis.metrics[0].min_samples, 100, "the built-in value is stricter than the limit");
    assert!(!plan.sources.contains_key("spec.maxExposed"), "what a Rollout says itself has no other source");
}

#[test_case("  prohibit: [noKey]\n", "spec.key"; "no key")]
#[test_case("  defaults: {keyless: split}\n  prohibit: [keylessSplit]\n", "spec.keyless"; "a default that is forbidden")]
fn a_prohibition_holds_for_what_is_not_written_too(policy: &str, path: &str) {
    let errors = compile(&rollout("a", "{hosts: [x]}", ""), mesh(policy).mesh_policy()).unwrap_err();
    assert_eq!(errors.iter().map(|error| error.path.as_str()).collect::<Vec<_>>(), [path]);
}

#[test]
fn an_explicit_value_beats_a_cookie_default_even_when_it_is_the_built_in_one() {
    let policy = mesh("  defaults: {cookie: {httpOnly: false, secure: true}}\n");
    let plan = compile(&rollout("a", "{hosts: [x]}", "  key: [{cookie: id, generate: {httpOnly: true}}]\n"), policy.mesh_policy()).unwrap();
    let cookie = plan.key[0].generate.as_ref().unwrap();
    assert!(cookie.http_only && cookie.secure);
}

#[test]
fn errors_name_their_rollout_even_when_its_spec_cannot_be_read() {
    let text = "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {name: a, namespace: shop}\nspec: 5\n";
    let errors = parse("test.yaml", text).unwrap_err();
    assert_eq!(errors[0].rollout.as_ref().map(ToString::to_string).as_deref(), Some("shop/a"));
}

#[test]
fn a_byte_order_mark_and_windows_lines_are_read() {
    let text = "\u{feff}apiVersion: shunt.dev/v1alpha1\r\nkind: MeshPolicy\r\nmetadata: {name: mesh}\r\nspec: {prohibit: [noKy]}\r\n";
    let errors = parse("test.yaml", text).unwrap_err();
    assert_eq!(errors[0].to_string(), "test.yaml:4:19: spec.prohibit[0]: \"noKy\" is not known here; did you mean noKey?");
}
