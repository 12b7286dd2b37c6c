//! What holds for every salt, key, policy and request.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a test")]

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;
use shunt_filter_core::{Request, Router, compile, split};

const KEYS: u32 = 100_000;

static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| (0..KEYS).map(|n| format!("user-{n}")).collect());

fn points(seed: u64) -> Vec<u32> {
    NAMES.iter().map(|key| split::point(split::hash(key.as_bytes(), seed))).collect()
}

/// Salts as releases have them, and awkward ones.
fn salts() -> Vec<String> {
    let mut salts: Vec<String> = (1..=20).map(|attempt| format!("shop/checkout/{attempt}")).collect();
    salts.extend(["", "a", "0", " ", "user-", "user-1"].map(str::to_owned));
    salts.push("x".repeat(256));
    salts
}

/// Shares of keys, parts per million.
const SHARES: [u32; 8] = [100, 1_000, 10_000, 50_000, 250_000, 500_000, 900_000, 999_000];

/// The number of keys below a point is binomial. 27 salts, 8 shares and both kinds of seed are 432 looks; at 5 standard deviations
/// (and a continuity correction of one, for the small shares) a fair hash fails any of them with a probability below 0.1 %.
#[test]
fn the_hash_spreads_keys_evenly_for_every_salt() {
    for salt in salts() {
        for seed in [split::seed(&salt), split::mirror_seed(&salt)] {
            let points = points(seed);
            for share in SHARES {
                let found = points.iter().filter(|point| **point < share).count() as f64;
                let p = f64::from(share) / 1e6;
                let (mean, deviation) = (f64::from(KEYS) * p, (f64::from(KEYS) * p * (1.0 - p)).sqrt());
                assert!((found - mean).abs() <= 5.0 * deviation + 1.0, "salt {salt:?}: {found} of {KEYS} below {share}, expected {mean}");
            }
        }
    }
}

/// The statistic of a test that rows and columns are independent: keys by decile of one seed and decile of another.
fn chi_square(first: u64, second: u64) -> f64 {
    let mut cells = [[0f64; 10]; 10];
    for (a, b) in points(first).into_iter().zip(points(second)) {
        cells[(a / 100_000) as usize][(b / 100_000) as usize] += 1.0;
    }
    let rows: Vec<f64> = cells.iter().map(|row| row.iter().sum()).collect();
    let columns: Vec<f64> = (0..10).map(|column| cells.iter().map(|row| row[column]).sum()).collect();
    let expected = |row: usize, column: usize| rows[row] * columns[column] / f64::from(KEYS);
    (0..100).map(|cell| (cell / 10, cell % 10)).map(|(r, c)| (cells[r][c] - expected(r, c)).powi(2) / expected(r, c)).sum()
}

/// 81 degrees of freedom: above 150 with a probability of 5e-6.
const INDEPENDENT: f64 = 150.0;

#[test]
fn two_salts_are_independent() {
    let salts = salts();
    for pair in salts.windows(2) {
        let statistic = chi_square(split::seed(&pair[0]), split::seed(&pair[1]));
        assert!(statistic < INDEPENDENT, "salts {pair:?}: {statistic}");
    }
}

#[test]
fn mirror_and_split_are_independent_even_with_equal_salts() {
    for salt in salts() {
        let statistic = chi_square(split::seed(&salt), split::mirror_seed(&salt));
        assert!(statistic < INDEPENDENT, "salt {salt:?}: {statistic}");
    }
}

/// The test itself can fail: a seed is not independent of itself.
#[test]
fn dependence_is_noticed() {
    assert!(chi_square(1, 1) > 1_000.0);
}

/// A service with two versions split by weights, a mirror, rules and flags of every kind.
fn router(candidate: u32) -> Router {
    let texts = json!([{"exact": "1"}, {"prefix": "a"}, {"suffix": "z"}, {"contains": "%"}, {"regex": "(a|b)*c?"}, {"present": true}, {"absent": true}]);
    let rules: Vec<_> = texts
        .as_array()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(n, text)| {
            let matches = json!([{"headers": {"x-a": text}}, {"cookies": {"a": text}, "not": [{"methods": ["POST"]}]}, {"query": {"a": text}, "path": {"prefix": "/a"}}]);
            json!({"name": format!("r{n}"), "match": matches, "split": {"salt": "r", "ranges": [{"from": 0, "to": 1_000 * n + 1, "version": "v2"}]}})
        })
        .collect();
    let rules_of_flag =
        json!([{"name": "r", "match": [{"cookies": {"a": {"exact": "1"}}, "methods": ["POST"]}], "split": {"weights": {"a": 100}}}]);
    let policy = json!({"format": 1, "services": [{
        "name": "shop/checkout", "hosts": ["shop.test", "*.shop.test"], "stable": "v1", "defaultRoute": "v1",
        "versions": [{"name": "v1"}, {"name": "v2"}, {"name": "v3", "serving": false}],
        "key": [{"header": "x-user"}, {"cookie": "id"}, {"query": "id"}],
        "rules": rules,
        "split": {"salt": "s", "ranges": [{"from": 0, "to": candidate, "version": "v2"}, {"from": 600_000, "to": 700_000, "version": "v3"}]},
        "mirror": {"split": {"salt": "s", "weights": {"v2": 50}}},
    }], "flags": [
        {"name": "f", "rollout": "shop/f", "hosts": ["shop.test"], "values": {"a": 1, "b": 2}, "default": "a", "stable": "a",
         "key": [{"query": "id"}, {"header": "x-a"}], "rules": rules_of_flag, "split": {"salt": "s", "ranges": [{"from": 0, "to": candidate, "version": "b"}]}},
        {"name": "g", "rollout": "shop/g", "hosts": ["*.test"], "values": {"a": false, "b": true}, "default": "a", "stable": "b",
         "key": [{"cookie": "id", "generate": {}}], "split": {"salt": "s", "weights": {"a": 50}}},
    ]});
    compile(serde_json::from_value(policy).unwrap(), None).unwrap()
}

/// Widths of the candidate's range, ascending.
const WIDTHS: [u32; 7] = [1, 100, 50_000, 123_456, 300_000, 599_999, 600_000];

static ROUTERS: LazyLock<Vec<Router>> = LazyLock::new(|| WIDTHS.map(router).into());

fn request() -> impl Strategy<Value = Request> {
    let name = prop::sample::select(vec![
        "x-a",
        "cookie",
        "x-user",
        "content-length",
        "transfer-encoding",
        "x-shunt-flags",
        "x-shunt-shadow",
        "x-b",
    ]);
    let value = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "(a|b|id|f|\"|=|;| |,|%|[0-9]|\\\\){0,30}".prop_map(String::into_bytes),
        "id=[a-z]{0,5}".prop_map(String::into_bytes),
    ];
    let headers = prop::collection::vec((name.prop_map(str::to_owned), value), 0..8);
    let path = prop_oneof![Just("*".to_owned()), "(/|a|\\?|&|=|%|\\+|#|id|[0-9a-f]|é){0,30}"];
    let method = prop::sample::select(vec!["GET", "POST", "", "HEAD", "get"]);
    (method, path, headers, "[a-z0-9]{0,8}", any::<bool>(), any::<[u64; 2]>()).prop_map(
        |(method, path, headers, request_id, end_of_stream, entropy)| Request {
            method: method.to_owned(),
            path,
            headers,
            request_id,
            end_of_stream,
            entropy,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Total: some version that serves answers, the route header names it, and the sentence can be said.
    #[test]
    fn every_request_is_decided(request in request()) {
        let router = &ROUTERS[2];
        let decision = router.lookup("shop.test").unwrap().decide(&request);
        prop_assert!(["v1", "v2"].contains(&decision.version.as_str()));
        let expected = match (decision.version.as_str(), decision.mirror.map(|version| version.as_str())) {
            ("v1", None) => None,
            ("v1", Some("v2")) => Some("shop/checkout/v1;mirror=v2"),
            ("v2", None) => Some("shop/checkout/v2"),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(decision.route, expected);
        prop_assert!(!decision.reason.to_string().is_empty());
        prop_assert_eq!(&decision, &router.lookup("shop.test:80").unwrap().decide(&request), "the same again");
    }

    /// Flags change nothing about the service, and each flag is decided as if it were alone; what is read together is read as alone.
    #[test]
    fn flags_and_service_do_not_mind_each_other(request in request()) {
        let router = &ROUTERS[2];
        let site = router.site("shop.test").unwrap();
        let decisions = site.decide(&request);
        prop_assert_eq!(decisions.service.as_ref(), Some(&site.service().unwrap().decide(&request)));
        if decisions.flags.is_empty() {
            prop_assert!(request.headers.iter().any(|(name, value)| name == "x-shunt-shadow" && value == b"1"));
            return Ok(());
        }
        let alone = router.site("a.other.test").unwrap().decide(&request);
        prop_assert!(alone.service.is_none());
        prop_assert_eq!(&decisions.flags[1], &alone.flags[0]);
        for flag in &decisions.flags {
            prop_assert_eq!(flag.value.is_none(), flag.version.as_str() == "a");
            prop_assert!(!flag.to_string().is_empty());
        }
    }

    /// A flag whose split widens only adds users to its new value.
    #[test]
    fn a_wider_range_of_a_flag_only_adds(request in request()) {
        let on = |router: &Router| router.site("shop.test").unwrap().decide(&request).flags.first().map(|flag| flag.version.as_str() == "b");
        let decided: Vec<_> = ROUTERS.iter().map(on).collect();
        prop_assert!(decided.is_sorted(), "{:?}", decided);
    }

    /// Raising a weight by widening a range only adds users to the candidate.
    #[test]
    fn a_wider_range_only_adds(request in request()) {
        let decisions: Vec<_> = ROUTERS.iter().map(|router| router.lookup("shop.test").unwrap().decide(&request)).collect();
        for pair in decisions.windows(2) {
            prop_assert!(pair[0].version.as_str() != "v2" || pair[1].version.as_str() == "v2");
            prop_assert_eq!(pair[0].counted, pair[1].counted);
        }
    }

    /// No authority, however odd, does more than miss.
    #[test]
    fn every_authority_is_looked_up(authority in "(\\[|\\]|:|\\.|\\*|shop|test|[0-9]|A|é|@|%){0,20}", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let router = &ROUTERS[0];
        let found = router.lookup(&authority).is_some();
        let host = authority.split(':').next().unwrap().trim_end_matches('.').to_ascii_lowercase();
        prop_assert!(!found || host == "shop.test" || host.ends_with(".shop.test"));
        prop_assert!(router.site(&authority).is_none() || host.ends_with(".test"), "a flag covers these");
        router.site_bytes(&bytes);
    }
}

#[test]
fn ten_thousand_services_are_told_apart() {
    let services: Vec<_> = (0..10_000)
        .map(|n| {
            let hosts = [format!("s{n}.shop.svc.cluster.local"), format!("*.s{n}.test")];
            json!({"name": format!("shop/s{n}"), "hosts": hosts, "stable": "v1", "versions": [{"name": "v1"}]})
        })
        .collect();
    let router = compile(serde_json::from_value(json!({"format": 1, "services": services})).unwrap(), None).unwrap();
    for n in 0..10_000 {
        let name = format!("s{n}");
        for authority in [format!("s{n}.shop.svc.cluster.local:8080"), format!("a.b.S{n}.test")] {
            assert_eq!(router.lookup(&authority).unwrap().name().name(), name);
        }
    }
    assert!(router.lookup("s10000.shop.svc.cluster.local").is_none());
}
