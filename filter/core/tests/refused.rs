//! Policies that cannot be served are refused with the path of the field, what is wrong and what would be right.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test")]

use serde_json::{Value, json};
use shunt_filter_core::{Router, compile, limits};
use test_case::test_case;

/// A policy with one of everything, all right.
fn good() -> Value {
    json!({
        "format": 1,
        "generation": 7,
        "report": {"cluster": "shunt-api", "authority": "shunt", "intervalMs": 250, "heartbeatMs": 5000},
        "services": [
            {"name": "shop/cart", "hosts": ["cart.test"], "stable": "v1", "versions": [{"name": "v1"}]},
            {
                "name": "shop/checkout",
                "hosts": ["shop.test", "*.shop.test", "::1", "10.0.0.1"],
                "shortHosts": [{"host": "checkout", "namespace": "shop"}],
                "port": 80,
                "epoch": 3,
                "stable": "v1",
                "defaultRoute": "v1",
                "versions": [{"name": "v1", "clusters": ["a", "b"]}, {"name": "v2", "aggregate": true}],
                "key": [{"header": "x-user"}, {"query": "user"}, {"cookie": "id", "generate": {"maxAge": "30d", "secure": true}}],
                "rules": [{
                    "name": "testers",
                    "match": [
                        {"cookies": {"beta": {"exact": "1"}}, "not": [{"path": {"prefix": "/x"}}]},
                        {"headers": {"x-beta": {"regex": "[0-9]+"}}, "query": {"q": {"contains": "a"}}, "methods": ["GET"]},
                    ],
                    "split": {"ranges": [{"from": 0, "to": 1_000_000, "version": "v2"}]},
                }],
                "split": {"salt": "s", "weights": {"v1": 95, "v2": 5}},
                "mirror": {"split": {"weights": {"v2": 100}}, "match": [{"path": {"exact": "/"}}]},
                "analysis": true,
                "latency": {
                    "version": "v1",
                    "thresholds": {"p50Us": 1, "p90Us": 2, "p99Us": 3},
                    "others": {"p50Us": 6, "p90Us": 7, "p99Us": 8},
                },
                "responses": {"classes": ["redirect", "rejected", "empty", "rejectedGrpc"], "ignore": [302], "ignoreGrpc": [5]},
                "hangAfterMs": 1_000,
                "tolerance": {"version": "v1", "share": 0.5},
                "goals": [{"name": "paid", "match": [{"path": {"exact": "/pay"}}], "status": [200, 201], "responseHeader": ["X-Paid", "*"]}],
            },
        ],
        "flags": [{
            "name": "new-cart",
            "rollout": "shop/new-cart",
            "hosts": ["shop.test"],
            "port": 80,
            "values": {"off": false, "on": true},
            "stable": "off",
            "default": "off",
            "rules": [{"name": "staff", "split": {"weights": {"on": 100}}}],
            "split": {"weights": {"on": 5}},
        }],
    })
}

fn built(policy: Value) -> Result<Router, String> {
    compile(serde_json::from_value(policy).unwrap(), None).map_err(|error| error.to_string())
}

/// The good policy with one value replaced or added. Pointers into the second service start with `~`.
fn with(pointer: &str, value: Value) -> Value {
    let mut policy = good();
    let pointer = pointer.replacen('~', "/services/1", 1);
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let parent = policy.pointer_mut(parent).unwrap_or_else(|| panic!("no {pointer}"));
    match parent {
        Value::Object(fields) => drop(fields.insert(last.to_owned(), value)),
        Value::Array(list) if last == "-" => list.push(value),
        Value::Array(list) => list[last.parse::<usize>().unwrap()] = value,
        other => panic!("{other} has no {last}"),
    }
    policy
}

#[test]
fn the_good_policy_compiles() {
    let router = built(good()).unwrap();
    assert_eq!((router.generation(), router.services().len()), (7, 2));
    let service = router.lookup("shop.test").unwrap();
    assert_eq!((service.watch().epoch(), service.stable().name().as_str()), (Some(3), "v1"));
    assert_eq!(service.default_route().unwrap().as_str(), "v1");
    assert_eq!(service.versions().map(|version| version.aggregate()).collect::<Vec<_>>(), [false, true]);
    let needs = service.needs();
    let headers = ["x-shunt-shadow", "x-user", "x-beta", "cookie", "content-length", "transfer-encoding"];
    assert_eq!(needs.headers, headers);
    assert!(needs.method && needs.path && !needs.request_id);
    let site = router.site("shop.test").unwrap();
    assert_eq!(site.flags().map(|flag| flag.rollout().to_string()).collect::<Vec<_>>(), ["shop/new-cart"]);
    let headers = ["x-shunt-shadow", "x-shunt-flags", "x-user", "x-beta", "cookie", "content-length", "transfer-encoding"];
    assert_eq!(site.needs().headers, headers);
    assert!(site.needs().method && site.needs().path && site.needs().request_id, "a flag without a key chain goes by the request id");
}

#[test]
fn a_service_that_asks_for_little_reads_little() {
    let router = built(good()).unwrap();
    let needs = router.lookup("cart.test").unwrap().needs().clone();
    assert_eq!((needs.headers, needs.method, needs.path, needs.request_id), (vec!["x-shunt-shadow".to_owned()], false, false, false));
}

#[test]
fn unknown_fields_are_ignored() {
    assert!(built(with("~/novelty", json!({"a": 1}))).is_ok());
    assert!(built(with("~/countedRule", json!("testers"))).is_ok());
}

#[test_case("/format", json!(2), "format: format 2 is not known here; use 1")]
#[test_case("/report/cluster", json!(""), "report.cluster: an empty text says nothing")]
#[test_case("/report/intervalMs", json!(0), "report.intervalMs: 0 milliseconds is no period; use 50 to")]
#[test_case("/report/heartbeatMs", json!(4_000_000), "report.heartbeatMs: 4000000 milliseconds")]
#[test_case("/services/0/name", json!("shop/checkout"), "services[1].name: \"shop/checkout\" stands there twice")]
#[test_case("~/hosts/0", json!(""), "services[1].hosts[0]: \"\" is not a host"; "empty host")]
#[test_case("~/hosts/0", json!("shop.test:80"), "services[1].hosts[0]: \"shop.test:80\" is not a host; use")]
#[test_case("~/hosts/0", json!("*"), "services[1].hosts[0]: \"*\" is not a host"; "bare star")]
#[test_case("~/hosts/0", json!("a.*.test"), "services[1].hosts[0]: \"a.*.test\" is not a host"; "star inside")]
#[test_case("~/hosts/0", json!("*.[::1]"), "services[1].hosts[0]: \"*.[::1]\" is not a host"; "star before an address")]
#[test_case("~/hosts/0", json!("a..b"), "services[1].hosts[0]: \"a..b\" is not a host"; "empty label")]
#[test_case("~/hosts/0", json!("http://shop.test"), "services[1].hosts[0]: \"http://shop.test\" is not a host"; "URL")]
#[test_case("~/hosts/1", json!("SHOP.test."), "services[1].hosts[1]: \"SHOP.test.\" belongs to shop/checkout at this port already"; "twice in one service")]
#[test_case("~/shortHosts/0/host", json!("*.checkout"), "services[1].shortHosts[0].host: \"*.checkout\" is not a host")]
#[test_case("~/shortHosts/-", json!({"host": "Checkout", "namespace": "shop"}), "services[1].shortHosts[1].host: \"checkout\" belongs to shop/checkout")]
#[test_case("~/port", json!(0), "services[1].port: 0 is not a port")]
#[test_case("~/stable", json!("v9"), "services[1].stable: \"v9\" is not a version here; use one of v1, v2")]
#[test_case("~/latency/version", json!("v9"), "services[1].latency.version: \"v9\" is not a version here")]
#[test_case("~/hangAfterMs", json!(0), "services[1].hangAfterMs: 0 milliseconds is no period; use 50 to")]
#[test_case("/flags/0/hangAfterMs", json!(4_000_000), "flags[0].hangAfterMs: 4000000 milliseconds is no period; use 50 to")]
#[test_case("~/tolerance", json!({"version": "v9", "share": 0.5}), "services[1].tolerance.version: \"v9\" is not a version here")]
#[test_case("/flags/0/tolerance", json!({"version": "v9", "share": 0.5}), "flags[0].tolerance.version: \"v9\" is not a version here")]
#[test_case("~/defaultRoute", json!("v9"), "services[1].defaultRoute: \"v9\" is not a version here")]
#[test_case("~/versions", json!([]), "services[1].versions: there is no version")]
#[test_case("~/versions/-", json!({"name": "v1"}), "services[1].versions[2].name: \"v1\" stands there twice")]
#[test_case("~/rules/0/name", json!("test ers"), "services[1].rules[0].name: \"test ers\" is not a name for it")]
#[test_case("~/rules/0/name", json!(""), "services[1].rules[0].name: \"\" is not a name for it"; "no name")]
#[test_case("~/rules/-", json!({"name": "testers", "split": {}}), "services[1].rules[1].name: \"testers\" stands there twice")]
#[test_case("~/rules/0/match/0", json!({}), "services[1].rules[0].match[0]: an empty match would match every request")]
#[test_case("~/rules/0/match/0/not/0", json!({}), "services[1].rules[0].match[0].not[0]: an empty match")]
#[test_case("~/rules/0/match/0/not/0", json!({"not": [{"methods": ["GET"]}]}), "services[1].rules[0].match[0].not[0].not: `not` inside `not`")]
#[test_case("~/rules/0/match/0/cookies/beta", json!({}), "services[1].rules[0].match[0].cookies.beta: there must be exactly one condition; use one of exact")]
#[test_case("~/rules/0/match/0/cookies/beta", json!({"exact": "1", "prefix": "1"}), "services[1].rules[0].match[0].cookies.beta: there must be exactly one"; "two texts")]
#[test_case("~/rules/0/match/0/cookies/beta", json!({"exact": "1", "present": true}), "services[1].rules[0].match[0].cookies.beta: there must be exactly one"; "text and switch")]
#[test_case("~/rules/0/match/0/cookies/beta", json!({"present": true, "absent": true}), "services[1].rules[0].match[0].cookies.beta: there must be exactly one"; "two switches")]
#[test_case("~/rules/0/match/0/cookies/beta", json!({"present": false}), "services[1].rules[0].match[0].cookies.beta.present: `false` is ambiguous")]
#[test_case("~/rules/0/match/0/cookies/beta", json!({"prefix": ""}), "services[1].rules[0].match[0].cookies.beta.prefix: an empty text")]
#[test_case("~/rules/0/match/0/cookies/beta", json!({"regex": "(a"}), "services[1].rules[0].match[0].cookies.beta.regex: not a regular expression that can be used: ")]
#[test_case("~/rules/0/match/0/cookies/beta", json!({"regex": "a)|(b"}), "services[1].rules[0].match[0].cookies.beta.regex: not a regular expression"; "no way out of the anchors")]
#[test_case("~/rules/0/match/0/cookies/beta", json!({"regex": "((a{100}){100}){100}"}), "services[1].rules[0].match[0].cookies.beta.regex: not a regular expression"; "regex that would be huge")]
#[test_case("~/rules/0/match/0/cookies/beta", json!({"regex": "(a)\\1"}), "services[1].rules[0].match[0].cookies.beta.regex: not a regular expression"; "back reference")]
#[test_case("~/rules/0/match/0/cookies", json!({"b c": {"exact": "1"}}), "services[1].rules[0].match[0].cookies[\"b c\"]: \"b c\" is not a cookie's name")]
#[test_case("~/rules/0/match/1/headers", json!({"x beta": {"exact": "1"}}), "services[1].rules[0].match[1].headers[\"x beta\"]: \"x beta\" is not a header's name")]
#[test_case("~/rules/0/match/1/headers", json!({":path": {"exact": "1"}}), "services[1].rules[0].match[1].headers[\":path\"]: \":path\" is not a header's name"; "pseudo header")]
#[test_case("~/rules/0/match/1/headers", json!({"Cookie": {"exact": "1"}}), "services[1].rules[0].match[1].headers.Cookie: cookies are matched by name")]
#[test_case("~/rules/0/match/1/headers", json!({"Host": {"exact": "1"}}), "services[1].rules[0].match[1].headers.Host: the host chooses the service")]
#[test_case("~/rules/0/match/1/headers", json!({"X-Shunt-Route": {"exact": "1"}}), "services[1].rules[0].match[1].headers.X-Shunt-Route: \"x-shunt-route\" is a header of Shunt's own")]
#[test_case("~/rules/0/match/1/query", json!({"": {"exact": "1"}}), "services[1].rules[0].match[1].query[\"\"]: a query parameter needs a name")]
#[test_case("~/rules/0/match/1/methods", json!(["GET", "get"]), "services[1].rules[0].match[1].methods[1]: \"get\" is not a method")]
#[test_case("~/rules/0/match/1/path", json!({"exact": "cart"}), "services[1].rules[0].match[1].path.exact: \"cart\" is not a path")]
#[test_case("~/rules/0/match/1/path", json!({"prefix": "/cart?x=1"}), "services[1].rules[0].match[1].path.prefix: \"/cart?x=1\" is not a path")]
#[test_case("~/rules/0/match/1/path", json!({}), "services[1].rules[0].match[1].path: there must be exactly one condition; use one of exact, prefix, regex")]
#[test_case("~/split", json!({"ranges": [{"from": 0, "to": 1, "version": "v1"}], "weights": {"v1": 1}}), "services[1].split: there are both ranges and weights")]
#[test_case("~/split", json!({"ranges": [{"from": 5, "to": 5, "version": "v1"}]}), "services[1].split.ranges[0]: 5 to 5 is not a range")]
#[test_case("~/split", json!({"ranges": [{"from": 0, "to": 1_000_001, "version": "v1"}]}), "services[1].split.ranges[0]: 0 to 1000001 is not a range"; "range too long")]
#[test_case("~/split", json!({"ranges": [{"from": 0, "to": 9, "version": "v1"}, {"from": 8, "to": 20, "version": "v2"}]}), "services[1].split.ranges[1]: it begins at 8, before the range in front of it ends (9)")]
#[test_case("~/split", json!({"ranges": [{"from": 9, "to": 20, "version": "v1"}, {"from": 0, "to": 5, "version": "v2"}]}), "services[1].split.ranges[1]: it begins at 0"; "descending")]
#[test_case("~/split", json!({"ranges": [{"from": 0, "to": 9, "version": "v9"}]}), "services[1].split.ranges[0].version: \"v9\" is not a version here")]
#[test_case("~/split", json!({"weights": {"v1": 60, "v2": 40.0001}}), "services[1].split.weights: the weights sum up to more than 100 %")]
#[test_case("~/split", json!({"weights": {"v9": 0}}), "services[1].split.weights.v9: \"v9\" is not a version here"; "unknown version without weight")]
#[test_case("~/split", json!({"salt": "ö"}), "services[1].split.salt: the salt has characters other than printable ASCII")]
#[test_case("~/mirror/split", json!({"weights": {"v9": 5}}), "services[1].mirror.split.weights.v9: \"v9\" is not a version here")]
#[test_case("~/mirror/match/0", json!({}), "services[1].mirror.match[0]: an empty match")]
#[test_case("~/key/0", json!({}), "services[1].key[0]: there must be exactly one condition; use one of cookie, header, query")]
#[test_case("~/key/0", json!({"cookie": "a", "header": "b"}), "services[1].key[0]: there must be exactly one"; "two keys in one")]
#[test_case("~/key/0", json!({"header": "cookie"}), "services[1].key[0].header: cookies are matched by name")]
#[test_case("~/key/0", json!({"header": "x-user", "generate": {}}), "services[1].key[0].generate: only a cookie can be generated")]
#[test_case("~/key/0", json!({"cookie": "other", "generate": {}}), "services[1].key[2].generate: a second generated key")]
#[test_case("~/key/2/generate", json!({"sameSite": "None"}), "services[1].key[2].generate.sameSite: browsers refuse SameSite=None without Secure")]
#[test_case("~/key/2/generate", json!({"partitioned": true}), "services[1].key[2].generate.partitioned: browsers refuse Partitioned without Secure")]
#[test_case("~/key/2/generate", json!({"path": "shop"}), "services[1].key[2].generate.path: \"shop\" is not a cookie's path")]
#[test_case("~/key/2/generate", json!({"path": "/a; Domain=b"}), "services[1].key[2].generate.path: \"/a; Domain=b\" is not a cookie's path"; "attribute smuggled in the path")]
#[test_case("~/key/2/generate", json!({"domain": "a;b"}), "services[1].key[2].generate.domain: \"a;b\" is not a cookie's domain")]
#[test_case("~/key/2", json!({"cookie": "__Host-id", "generate": {"secure": true, "domain": "shop.test"}}), "services[1].key[2].generate: browsers refuse a name that begins with __Host-")]
#[test_case("~/key/2", json!({"cookie": "__Secure-id", "generate": {}}), "services[1].key[2].generate: browsers refuse a name that begins with __Secure- without Secure")]
#[test_case("/flags/0/name", json!("New"), "flags[0].name: \"New\" is not a flag's name")]
#[test_case("/flags/-", json!({"name": "new-cart", "rollout": "shop/b", "hosts": ["shop.test"], "port": 80, "values": {"a": 1}, "stable": "a", "default": "a"}), "flags[1].hosts[0]: \"shop.test\" belongs to shop/new-cart at this port already")]
#[test_case("/flags/-", json!({"name": "b", "rollout": "shop/new-cart", "hosts": ["b.test"], "values": {"a": 1}, "stable": "a", "default": "a"}), "flags[1].rollout: \"shop/new-cart\" stands there twice")]
#[test_case("/flags/0/hosts", json!([]), "flags[0].hosts: there is no host")]
#[test_case("/flags/0/stable", json!("x"), "flags[0].stable: \"x\" is not a version here; use one of off, on")]
#[test_case("~/countedRule", json!("unknown"), "services[1].countedRule: \"unknown\" is not a rule here; use one of testers")]
#[test_case("/flags/0/countedRule", json!("testers"), "flags[0].countedRule: \"testers\" is not a rule here; use one of staff")]
#[test_case("~/goals/0/name", json!("a b"), "services[1].goals[0].name: \"a b\" is not a name for it")]
#[test_case("~/goals/-", json!({"name": "paid"}), "services[1].goals[1].name: \"paid\" stands there twice")]
#[test_case("~/goals/0/status", json!([300, 200]), "services[1].goals[0].status: 300 to 200 is not a range of statuses")]
#[test_case("~/goals/0/status", json!([0, 200]), "services[1].goals[0].status: 0 to 200 is not a range of statuses"; "no such status")]
#[test_case("~/goals/0/responseHeader", json!(["a b", "c"]), "services[1].goals[0].responseHeader: \"a b\" is not a header's name")]
#[test_case("~/goals/0/match", json!([{}]), "services[1].goals[0].match[0]: an empty match")]
#[test_case("/flags/0/default", json!("x"), "flags[0].default: \"x\" is not a version here; use one of off, on")]
#[test_case("/flags/0/values/on", json!("ö"), "flags[0].values.on: the value cannot stand in a header")]
#[test_case("/flags/0/values/on", json!(1_000_000_000_000_000i64), "flags[0].values.on: the value cannot stand in a header"; "integer of 16 digits")]
#[test_case("/flags/0/split", json!({"weights": {"v1": 5}}), "flags[0].split.weights.v1: \"v1\" is not a version here")]
fn refused(pointer: &str, value: Value, message: &str) {
    let error = built(with(pointer, value)).unwrap_err();
    assert!(error.starts_with(message), "{error}");
    assert!(error.contains("; "), "what would be right is missing: {error}");
}

#[test]
fn a_service_needs_a_host() {
    let mut policy = with("~/hosts", json!([]));
    assert!(built(policy.clone()).is_ok(), "a short host is enough");
    policy["services"][1]["shortHosts"] = json!([]);
    assert!(built(policy).unwrap_err().starts_with("services[1].hosts: there is no host"));
}

#[test]
fn a_host_and_port_belong_to_one_service() {
    let taken = |port: Value| {
        let mut policy = with("/services/0/hosts", json!(["shop.test"]));
        policy["services"][0]["port"] = port;
        built(policy)
    };
    let error = taken(json!(80)).unwrap_err();
    assert!(error.starts_with("services[1].hosts[0]: \"shop.test\" belongs to shop/cart at this port already"), "{error}");
    let router = taken(Value::Null).unwrap();
    assert_eq!(router.lookup("shop.test:80").unwrap().name().name(), "checkout");
    assert_eq!(router.lookup("shop.test:81").unwrap().name().name(), "cart");
}

#[test]
fn what_is_refused_does_not_depend_on_the_namespace() {
    let taken = with("~/shortHosts/-", json!({"host": "checkout", "namespace": "shop"}));
    for namespace in [None, Some("shop"), Some("bank")] {
        assert!(compile(serde_json::from_value(taken.clone()).unwrap(), namespace).is_err());
        let router = compile(serde_json::from_value(good()).unwrap(), namespace).unwrap();
        assert_eq!(router.lookup("checkout").is_some(), namespace == Some("shop"));
    }
}

fn many(count: usize, entry: impl Fn(usize) -> Value) -> Value {
    (0..count).map(entry).collect()
}

fn map(count: usize, value: &Value) -> Value {
    Value::Object((0..count).map(|n| (format!("n{n}"), value.clone())).collect())
}

/// Each bound: exactly that many pass, one more is refused.
#[test_case("/services", "services", limits::SERVICES, |n| many(n, |i| json!({"name": format!("a/s{i}"), "hosts": [format!("h{i}")], "stable": "v1", "versions": [{"name": "v1"}]})))]
#[test_case("~/hosts", "services[1].hosts", limits::HOSTS, |n| many(n, |i| json!(format!("h{i}.test"))))]
#[test_case("~/shortHosts", "services[1].shortHosts", limits::HOSTS, |n| many(n, |i| json!({"host": format!("h{i}"), "namespace": "a"})))]
#[test_case("~/versions", "services[1].versions", limits::VERSIONS, |n| many(n, |i| json!({"name": format!("v{i}")})))]
#[test_case("~/versions/0/clusters", "services[1].versions[0].clusters", limits::CLUSTERS, |n| many(n, |i| json!(format!("c{i}"))))]
#[test_case("~/rules", "services[1].rules", limits::RULES, |n| many(n, |i| json!({"name": format!("r{i}"), "split": {}})))]
#[test_case("/flags", "flags", limits::FLAGS, |n| many(n, |i| json!({"name": format!("f{i}"), "rollout": format!("a/f{i}"), "hosts": [if i % 2 == 0 { "*.test" } else { "shop.test" }], "values": {"a": 1}, "stable": "a", "default": "a"})))]
#[test_case("~/responses/ignore", "services[1].responses.ignore", limits::STATUSES, |n| many(n, |i| json!(400 + i)))]
#[test_case("~/responses/ignoreGrpc", "services[1].responses.ignoreGrpc", limits::STATUSES, |n| many(n, |i| json!(i)))]
#[test_case("~/responses/classes", "services[1].responses.classes", limits::STATUSES, |n| many(n, |_| json!("empty")))]
#[test_case("~/goals", "services[1].goals", limits::GOALS, |n| many(n, |i| json!({"name": format!("g{i}")})))]
#[test_case("/flags/0/rules", "flags[0].rules", limits::RULES, |n| many(n, |i| json!({"name": format!("r{i}"), "split": {}})))]
#[test_case("~/rules/0/match", "services[1].rules[0].match", limits::MATCHES, |n| many(n, |_| json!({"methods": ["GET"]})))]
#[test_case("~/mirror/match", "services[1].mirror.match", limits::MATCHES, |n| many(n, |_| json!({"methods": ["GET"]})))]
#[test_case("~/rules/0/match/0/cookies", "services[1].rules[0].match[0]", limits::CONDITIONS - 1, |n| map(n, &json!({"exact": "1"})); "conditions beside one not")]
#[test_case("~/split/ranges", "services[1].split.ranges", limits::RANGES, |n| many(n, |i| json!({"from": i, "to": i + 1, "version": "v1"})))]
#[test_case("~/key", "services[1].key", limits::KEYS, |n| many(n, |i| json!({"cookie": format!("c{i}")})))]
fn bounded(pointer: &str, field: &str, limit: usize, make: fn(usize) -> Value) {
    let build = |count: usize| {
        let mut policy = with(pointer, make(count));
        // What the replaced values were named by goes.
        if pointer == "~/versions" {
            let service = json!({"name": "a/b", "hosts": ["h"], "stable": "v0", "versions": policy["services"][1]["versions"]});
            policy["services"][1] = service;
        }
        if pointer == "~/split/ranges" {
            policy["services"][1]["split"] = json!({"ranges": policy["services"][1]["split"]["ranges"]});
        }
        built(policy)
    };
    build(limit).map(drop).unwrap();
    let error = build(limit + 1).unwrap_err();
    assert!(error.starts_with(&format!("{field}: ")) && error.contains("are too many; use at most"), "{error}");
}

#[test_case("~/versions/0/clusters/0", "services[1].versions[0].clusters[0]", limits::FIELD_NAME)]
#[test_case("~/rules/0/name", "services[1].rules[0].name", limits::NAME)]
#[test_case("/flags/0/name", "flags[0].name", limits::NAME)]
#[test_case("~/split/salt", "services[1].split.salt", limits::SALT)]
#[test_case("~/key/0/header", "services[1].key[0].header", limits::FIELD_NAME)]
#[test_case("~/key/1/query", "services[1].key[1].query", limits::FIELD_NAME)]
#[test_case("~/key/2/cookie", "services[1].key[2].cookie", limits::FIELD_NAME)]
#[test_case("~/key/2/generate/domain", "services[1].key[2].generate.domain", limits::TEXT)]
#[test_case("~/rules/0/match/0/cookies/beta/exact", "services[1].rules[0].match[0].cookies.beta.exact", limits::TEXT)]
#[test_case("/flags/0/values/on", "flags[0].values.on", limits::TEXT)]
#[test_case("/report/authority", "report.authority", limits::FIELD_NAME)]
fn long(pointer: &str, field: &str, limit: usize) {
    built(with(pointer, json!("a".repeat(limit)))).map(drop).unwrap();
    let error = built(with(pointer, json!("a".repeat(limit + 1)))).unwrap_err();
    assert_eq!(error, format!("{field}: {} bytes are too long; use at most {limit}", limit + 1));
}

#[test]
fn different_names_that_a_service_reads_are_bounded() {
    let rule = |rule: usize| {
        let headers: serde_json::Map<_, _> = (0..16).map(|n| (format!("x-{rule}-{n}"), json!({"present": true}))).collect();
        json!({"name": format!("r{rule}"), "match": [{"headers": headers}], "split": {}})
    };
    let build = |rules: usize| {
        let mut policy = with("~/rules", many(rules, rule));
        policy["services"][1]["key"] = json!([]);
        built(policy)
    };
    build(4).map(drop).unwrap();
    assert!(build(5).unwrap_err().starts_with("services[1].rules[4].match[0].headers.x-4-0: it reads more than 64 different names"));
}

#[test]
fn regular_expressions_of_a_service_are_bounded() {
    let build = |count: usize| {
        let rules = many(count, |n| json!({"name": format!("r{n}"), "match": [{"path": {"regex": format!("/a{n}")}}], "split": {}}));
        built(with("~/rules", rules))
    };
    build(limits::REGEXES).map(drop).unwrap();
    assert!(build(limits::REGEXES + 1).unwrap_err().contains("has more than 16 regular expressions"));
}

#[test]
fn a_regular_expression_is_bounded_as_written_too() {
    let build = |length: usize| built(with("~/rules", expressions(&[&format!("(?x){}a", " ".repeat(length - 5))])));
    build(limits::REGEX).unwrap();
    assert!(build(limits::REGEX + 1).unwrap_err().ends_with("regex: 513 bytes are too long; use at most 512"));
}

/// A rule per expression, on the path.
fn expressions(of: &[&str]) -> Value {
    many(of.len(), |n| json!({"name": format!("r{n}"), "match": [{"path": {"regex": of[n]}}], "split": {}}))
}

#[test]
fn what_regular_expressions_cost_together_is_bounded() {
    // Alone within the bound; usual ones are far from it.
    let costly = "/(?:a*){60}";
    let usual = ["/api/v[0-9]+/(cart|orders)/.*", ".*[.](png|jpg|svg|css|js)", "/[0-9a-f]{8}-[0-9a-f]{4}", "/(qa|shop)"];
    built(with("~/rules", expressions(&[costly]))).unwrap();
    built(with("~/rules", expressions(&usual))).unwrap();
    let error = built(with("~/rules", expressions(&["/a", costly, "/b", "/(?:b*){70}"]))).unwrap_err();
    let says = "services[1].rules[3].match[0].path.regex: its regular expressions could take 1.42 ms of one request, and 1 ms is the most: services[1].rules[3].match[0].path.regex 0.77 ms, services[1].rules[1].match[0].path.regex 0.64 ms, ";
    assert!(error.starts_with(says), "{error}");
    assert!(error.ends_with("use exact, prefix, suffix or contains, expressions without *, + and {n,}, or shorter ones"), "{error}");
}

#[test]
fn one_request_meets_the_expressions_of_its_service_and_of_all_flags_at_its_host() {
    let policy = |host: &str| {
        let mut policy = with("~/rules", expressions(&["/(?:a*){60}"]));
        policy["flags"][0]["rules"] = expressions(&["/(?:b*){70}"]);
        policy["flags"][0]["hosts"] = json!([host]);
        policy
    };
    built(policy("elsewhere.test")).unwrap();
    let error = built(policy("shop.test")).unwrap_err();
    let says =
        "flags[0]: the regular expressions that a request may meet at one host, with those of shop/checkout, shop/new-cart, could take ";
    assert!(error.starts_with(says), "{error}");
}

#[test]
fn conditions_of_a_service_are_bounded() {
    let cookies = map(limits::CONDITIONS, &json!({"exact": "1"}));
    let build = |matches: usize| {
        let rules = many(2, |n| {
            let matches = many(if n == 0 { matches } else { 1 }, |_| json!({"cookies": cookies}));
            json!({"name": format!("r{n}"), "match": matches, "split": {}})
        });
        let mut policy = with("~/rules", rules);
        policy["services"][1]["mirror"] = Value::Null;
        policy["services"][1]["goals"] = json!([]);
        built(policy)
    };
    let fits = limits::CONDITIONS_OF_SERVICE / limits::CONDITIONS - 1;
    build(fits).map(drop).unwrap();
    assert!(build(fits + 1).unwrap_err().starts_with("services[1].rules[1].match[0]: it has more than 1024 conditions"));
}
