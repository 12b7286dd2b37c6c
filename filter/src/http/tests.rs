#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use serde_json::{Value, json};
use shunt_filter_core::report::ServiceReport;
use test_case::test_case;

use super::*;
use crate::host::fake::Fake;
use crate::root;

/// A policy for `shop.test`, with more fields of its one service.
fn policy(further: &Value) -> String {
    let mut service = json!({
        "name": "shop/checkout", "hosts": ["shop.test"], "stable": "v1", "defaultRoute": "v1",
        "versions": [{"name": "v1", "clusters": ["c1"]}, {"name": "v2", "clusters": ["c2"]}],
        "key": [{"header": "x-user"}],
        "rules": [{"name": "beta", "match": [{"headers": {"x-user": {"exact": "ann"}}}], "split": {"weights": {"v2": 100}}}],
    });
    service.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    let report = json!({"cluster": "shunt-api", "authority": "shunt-api", "intervalMs": 100, "heartbeatMs": 1000});
    json!({"format": 1, "generation": 3, "report": report, "services": [service]}).to_string()
}

/// A VM that runs a policy.
fn running(further: &Value) -> (Rc<Fake>, Vm) {
    let (fake, vm) = Fake::vm();
    fake.configuration.replace(policy(further));
    assert!(root::configure(&vm, 1));
    fake.take_asked();
    (fake, vm)
}

fn get<'a>(host: &'a str, further: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[(":method", "GET"), (":path", "/cart?x=1"), (":authority", host)], further].concat()
}

/// Runs one request to its end.
fn run(fake: &Fake, vm: &Vm, headers: &[(&str, &str)]) {
    let mut stream = Stream::default();
    fake.set(Map::Request, headers);
    stream.request(vm, 9, true);
    fake.now.set(fake.now.get() + 3_000_000);
    stream.response(vm, 9, false);
    stream.log(vm, 9);
    stream.log(vm, 9);
}

/// What the next report says of the service.
fn reported(fake: &Fake, vm: &Vm) -> ServiceReport {
    root::tick(vm, 1);
    let posts = fake.posts.borrow();
    posts.last().unwrap().services.get(&"shop/checkout".parse().unwrap()).cloned().unwrap_or_default()
}

#[test]
fn without_a_policy_one_header_is_looked_for() {
    let (fake, vm) = Fake::vm();
    fake.take_asked();
    run(&fake, &vm, &get("shop.test", &[]));
    assert_eq!(fake.take_asked(), ["header x-shunt-route"]);
    run(&fake, &vm, &get("shop.test", &[("x-shunt-route", "shop/checkout/v2")]));
    assert_eq!(fake.take_asked(), ["header x-shunt-route", "remove x-shunt-route"]);
}

#[test]
fn of_another_host_only_the_host_is_read() {
    let (fake, vm) = running(&json!({}));
    for _ in 0..2 {
        run(&fake, &vm, &get("other.test", &[]));
        assert_eq!(fake.take_asked(), ["header x-shunt-route", "header :authority"]);
    }
}

#[test]
fn where_hosts_are_decided_all_headers_are_read_at_once() {
    let (fake, vm) = running(&json!({}));
    let asked = |host| {
        fake.take_asked();
        fake.set(Map::Request, &get(host, &[("x-user", "bob")]));
        Stream::default().request(&vm, 9, true);
        fake.take_asked()
    };
    assert_eq!(asked("shop.test"), ["header x-shunt-route", "header :authority", "headers", "now"]);
    assert_eq!(asked("shop.test"), ["headers", "now"]);
    assert_eq!(asked("other.test"), ["headers"]);
    assert_eq!(asked("other.test"), ["header x-shunt-route", "header :authority"]);
}

#[test_case("other.test", None, 1; "first, another host")]
#[test_case("shop.test", Some("shop/checkout/v2"), 2; "later, a decided one")]
fn an_inbound_route_header_never_counts(host: &str, expected: Option<&str>, rounds: usize) {
    let (fake, vm) = running(&json!({}));
    for _ in 0..rounds {
        run(&fake, &vm, &get(host, &[("x-shunt-route", "shop/checkout/v9"), ("x-user", "ann")]));
        let values = fake.values(Map::Request, ROUTE_HEADER);
        assert_eq!(values, expected.map(str::to_owned).into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn a_header_is_written_only_where_the_default_route_gives_another_version() {
    let (fake, vm) = running(&json!({}));
    run(&fake, &vm, &get("shop.test", &[("x-user", "bob")]));
    assert_eq!(fake.values(Map::Request, ROUTE_HEADER), Vec::<String>::new());
    run(&fake, &vm, &get("shop.test", &[("x-user", "ann")]));
    assert_eq!(fake.values(Map::Request, ROUTE_HEADER), ["shop/checkout/v2"]);
}

#[test]
fn a_generated_key_is_in_the_request_and_set_by_the_response() {
    let key = json!({"key": [{"cookie": "id", "generate": {}}], "split": {"salt": "s", "weights": {"v2": 50}}});
    let (fake, vm) = running(&key);
    fake.set(Map::Response, &[("cache-control", "no-store")]);
    run(&fake, &vm, &get("shop.test", &[("cookie", "a=1"), ("cookie", "b=2")]));
    let cookies = fake.values(Map::Request, "cookie");
    assert!(cookies.len() == 1 && cookies[0].starts_with("a=1; b=2; id="), "{cookies:?}");
    let set = fake.values(Map::Response, "set-cookie");
    assert!(set.len() == 1 && set[0].starts_with(&cookies[0]["a=1; b=2; ".len()..]), "{set:?} {cookies:?}");
    fake.set(Map::Response, &[("cache-control", "public")]);
    run(&fake, &vm, &get("shop.test", &[]));
    assert_eq!(fake.values(Map::Response, "set-cookie"), Vec::<String>::new(), "a cache would hand it to others");
}

#[test]
fn a_request_is_counted_once_with_its_time_and_its_end() {
    let (fake, vm) = running(&json!({}));
    fake.number("response\0code", 503);
    fake.properties.borrow_mut().insert("xds\0cluster_name", b"c1".to_vec());
    run(&fake, &vm, &get("shop.test", &[("x-user", "ann")]));
    let report = reported(&fake, &vm);
    let v2 = &report.versions[&"v2".parse().unwrap()];
    assert_eq!((v2.started, v2.failed, v2.ended()), (1, 1, 1));
    assert_eq!(v2.latency[2], 1, "3 ms: {:?}", v2.latency);
    assert_eq!((report.misrouted, report.rules["beta"]), (1, 1), "v2 was decided, c1 is v1's");
    fake.number("response\0code", 200);
    fake.properties.borrow_mut().insert("xds\0cluster_name", b"c2".to_vec());
    run(&fake, &vm, &get("shop.test", &[("x-user", "ann")]));
    let report = reported(&fake, &vm);
    let v2 = &report.versions[&"v2".parse().unwrap()];
    assert_eq!((v2.started, v2.failed, v2.succeeded, report.misrouted), (2, 1, 1, 1));
    assert!(fake.counters.borrow().iter().any(|(name, count)| name.contains("shunt_requests_total") && *count == 1));
}

#[test]
fn a_request_without_an_answer_hangs_until_it_gets_one() {
    let watched = json!({"epoch": 1, "analysis": true, "hangAfterMs": 50, "split": {"salt": "s", "weights": {"v2": 100}}, "rules": []});
    let (fake, vm) = running(&watched);
    fake.set(Map::Request, &get("shop.test", &[("x-user", "ann")]));
    let (mut stream, mut gone) = (Stream::default(), Stream::default());
    stream.request(&vm, 9, true);
    gone.request(&vm, 10, true);
    // The proxy dropped this one without a word.
    drop(gone);
    let hanging = || reported(&fake, &vm).epoch.unwrap().hanging.unwrap().versions.values().sum::<u64>();
    assert_eq!(hanging(), 0);
    fake.now.set(fake.now.get() + 60_000_000);
    assert_eq!(hanging(), 1);
    stream.response(&vm, 9, false);
    assert_eq!(hanging(), 0);
    stream.log(&vm, 9);
    assert_eq!(hanging(), 0);
}

#[test]
fn a_proxy_that_refuses_everything_costs_no_more_than_the_decision() {
    let (fake, vm) = running(&json!({}));
    fake.deaf.set(true);
    run(&fake, &vm, &get("shop.test", &[("x-user", "ann"), ("x-shunt-route", "shop/checkout/v9")]));
    root::tick(&vm, 1);
    root::answered(&vm, 1, 1);
    fake.deaf.set(false);
    run(&fake, &vm, &get("shop.test", &[("x-user", "ann")]));
    let mut started = reported(&fake, &vm).versions.into_values().map(|counters| counters.started);
    assert_eq!((started.next(), started.next()), (Some(1), None));
}
