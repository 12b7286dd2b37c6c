//! The published test vectors: what another implementation can be checked against. `UPDATE=1` writes them anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a test"
)]

use std::path::Path;

use serde_json::{Value, json};
use shunt_filter_core::decision::FlagsHeader;
use shunt_filter_core::signing::{Signing, SigningKey};
use shunt_filter_core::{Request, compile, split};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/vectors.json");

fn keys() -> Vec<Vec<u8>> {
    let texts = ["", "a", "user-1", "user-2", "user-3", "user-4", "alice@shop.test", "0123456789abcdef0123456789abcdef", "größe"];
    let mut keys: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    // XXH3 takes another way at each of these lengths.
    keys.extend([3, 4, 8, 9, 16, 17, 128, 129, 240, 241, 1_025].map(|length| (0..length).map(|i| (i % 251) as u8).collect()));
    keys.push(vec![0xff, 0x00, 0xfe]);
    keys
}

const SALTS: [&str; 5] = [
    "",
    "shop/checkout/1",
    "shop/checkout/2",
    "a",
    "a salt of more than 240 bytes .................................................................................................................................................................................................................",
];

fn hashes() -> Vec<Value> {
    let mut vectors = Vec::new();
    for salt in SALTS {
        for key in keys() {
            for (kind, seed) in [("split", split::seed(salt)), ("mirror", split::mirror_seed(salt))] {
                let hash = split::hash(&key, seed);
                let point = split::point(hash);
                vectors.push(json!({
                    "kind": kind,
                    "salt": salt,
                    "key": hex(&key),
                    "seed": format!("{seed:016x}"),
                    "hash": format!("{hash:016x}"),
                    "point": point,
                    "slot": split::slot(point),
                }));
            }
        }
    }
    vectors
}

fn signed() -> Vec<Value> {
    let mut vectors = Vec::new();
    for key in ["00".repeat(32), "11".repeat(32), "0123456789abcdef".repeat(4)] {
        let signing = Signing { current: SigningKey::try_from(key.clone()).unwrap(), previous: None };
        for cookie in ["shunt-id", "a-name-so-long-that-name-and-id-take-more-than-one-block-of-the-hash"] {
            for id in ["00000000000000000000000000000000", "0123456789abcdef0123456789abcdef"] {
                vectors.push(json!({"key": key, "cookie": cookie, "id": id, "value": signing.sign(cookie, id)}));
            }
        }
    }
    vectors
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A policy with three versions, a mirror, rules and flags; and requests with the version, copy and headers that come out.
fn decisions() -> Value {
    let policy = json!({
        "format": 1,
        "services": [{
            "name": "shop/checkout",
            "hosts": ["shop.test"],
            "stable": "v1",
            "defaultRoute": "v1",
            "versions": [{"name": "v1"}, {"name": "v2"}, {"name": "v3"}],
            "key": [{"cookie": "shunt-id"}, {"header": "x-user"}],
            "rules": [
                {"name": "testers", "match": [{"cookies": {"beta": {"exact": "1"}}}], "split": {"weights": {"v2": 100}}},
                {"name": "trial", "match": [{"path": {"prefix": "/trial"}}], "split": {"salt": "trial", "weights": {"v3": 50}}},
            ],
            "split": {"salt": "shop/checkout/1", "weights": {"v1": 60, "v2": 30, "v3": 10}},
            "mirror": {"split": {"salt": "shop/checkout/1", "weights": {"v3": 50}}},
        }],
        "flags": [
            {
                "name": "new-cart", "rollout": "shop/new-cart", "hosts": ["*.test"], "key": [{"header": "x-user"}],
                "values": {"off": false, "on": true}, "stable": "off", "default": "off",
                "split": {"salt": "shop/new-cart/1", "weights": {"on": 50}},
            },
            {
                "name": "limit", "rollout": "shop/limit", "hosts": ["shop.test"], "key": [{"cookie": "shunt-id"}, {"header": "x-user"}],
                "values": {"low": 10, "high": 20}, "stable": "high", "default": "low",
                "rules": [{"name": "trial", "match": [{"path": {"prefix": "/trial"}}], "split": {"weights": {"low": 100}}}],
                "split": {"salt": "shop/limit/1", "weights": {"low": 30}},
            },
        ],
    });
    let router = compile(serde_json::from_value(policy.clone()).unwrap(), None).unwrap();
    let site = router.site("shop.test").unwrap();
    let requests = (0..40).map(|n| {
        let path = if n % 4 == 3 { "/trial/x" } else { "/" };
        let headers = match n % 5 {
            0 => vec![["cookie".to_owned(), format!("theme=dark; shunt-id=user-{n}")]],
            1 => vec![["x-user".to_owned(), format!("user-{n}")]],
            2 => vec![["cookie".to_owned(), format!("shunt-id=\"user-{n}\"; beta={}", n % 2)]],
            3 => vec![["cookie".to_owned(), "shunt-id=".to_owned()], ["x-user".to_owned(), format!("user-{n}")]],
            _ => vec![],
        };
        let request_id = format!("request-{n}");
        let request = Request {
            method: "GET".to_owned(),
            path: path.to_owned(),
            headers: headers.iter().map(|[name, value]| (name.clone(), value.clone().into_bytes())).collect(),
            request_id: request_id.clone(),
            end_of_stream: true,
            entropy: [0, 0],
        };
        let decisions = site.decide(&request);
        let decision = decisions.service.unwrap();
        let flags = match decisions.flags_header {
            FlagsHeader::Set(text) => Some(text),
            FlagsHeader::Keep | FlagsHeader::Remove => None,
        };
        json!({
            "path": path,
            "headers": headers,
            "requestId": request_id,
            "version": decision.version,
            "mirror": decision.mirror,
            "route": decision.route,
            "slot": decision.counted.map(|counted| counted.slot()),
            "cell": decision.counted.and_then(|counted| counted.cell()),
            "flags": flags,
            "reason": decision.reason.to_string(),
        })
    });
    json!({"policy": policy, "authority": "shop.test", "method": "GET", "requests": requests.collect::<Vec<_>>()})
}

/// One vector a line, so that a change shows which.
fn text(computed: &Value) -> String {
    let lines = |list: &Value| list.as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>().join(",\n    ");
    let decisions = &computed["decisions"];
    format!(
        "{{\n  \"hashes\": [\n    {}\n  ],\n  \"signed\": [\n    {}\n  ],\n  \"decisions\": {{\n    \"policy\": {},\n    \"authority\": {},\n    \"method\": {},\n    \"requests\": [\n    {}\n  ]}}\n}}\n",
        lines(&computed["hashes"]),
        lines(&computed["signed"]),
        decisions["policy"],
        decisions["authority"],
        decisions["method"],
        lines(&decisions["requests"]),
    )
}

#[test]
fn published_vectors_are_what_this_code_computes() {
    let computed = json!({"hashes": hashes(), "signed": signed(), "decisions": decisions()});
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(Path::new(FILE), text(&computed)).unwrap();
    }
    let published: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    assert_eq!(published, computed, "the hash or a decision has changed: every user would change version; UPDATE=1 writes the file anew");
}

/// From the reference implementation's own tests (xxHash, XSUM_XXH3_withSeed): the hash is the published one, not merely stable.
#[test]
fn the_hash_is_xxh3() {
    assert_eq!(split::seed(""), 0x2d06_8005_38d3_94c2);
    assert_eq!(split::hash(b"", 0), 0x2d06_8005_38d3_94c2);
}

#[test]
fn points_and_slots_cover_their_space() {
    assert_eq!((split::point(0), split::point(u64::MAX)), (0, 999_999));
    assert_eq!((split::slot(0), split::slot(99), split::slot(100), split::slot(999_999)), (0, 0, 1, 9_999));
    for n in 0..100_000u64 {
        let hash = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        assert_eq!(u128::from(split::point(hash)), (u128::from(hash) * 1_000_000) >> 64);
    }
}
