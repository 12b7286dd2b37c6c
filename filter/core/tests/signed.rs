//! What of a service with signed keys counts in an analysis.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use serde_json::json;
use shunt_filter_core::signing::{Signing, SigningKey};
use shunt_filter_core::{Request, Router, compile};
use test_case::test_case;

const ID: &str = "0123456789abcdef0123456789abcdef";

fn signing(current: u8, previous: Option<u8>) -> Signing {
    let key = |byte| SigningKey::new([byte; 32]);
    Signing { current: key(current), previous: previous.map(key) }
}

fn router(signed: bool) -> Router {
    let policy = json!({
        "format": shunt_filter_core::policy::FORMAT,
        "signing": signing(2, Some(1)),
        "services": [{
            "name": "shop/checkout", "hosts": ["shop.test"], "stable": "v1",
            "versions": [{"name": "v1"}, {"name": "v2"}],
            "key": [{"header": "x-user"}, {"cookie": "id", "generate": {"signed": signed}}],
            "split": {"salt": "s", "weights": {"v1": 50, "v2": 50}},
            "analysis": true,
        }],
    });
    compile(serde_json::from_value(policy).unwrap(), None).unwrap()
}

fn request(name: &str, value: &str) -> Request {
    let headers = if name.is_empty() { Vec::new() } else { vec![(name.to_owned(), value.as_bytes().to_vec())] };
    Request { method: "GET".to_owned(), path: "/".to_owned(), headers, request_id: "r".to_owned(), end_of_stream: true, entropy: [1, 2] }
}

/// Whether it counts, and whether it is shown as keyless.
#[test_case("", String::new(), true, (false, false); "made now")]
#[test_case("cookie", format!("id={}", signing(2, None).sign("id", ID)), true, (true, false); "the current key's")]
#[test_case("cookie", format!("id={}", signing(1, None).sign("id", ID)), true, (true, false); "the previous key's")]
#[test_case("cookie", format!("id={}", signing(3, None).sign("id", ID)), true, (false, true); "an older key's")]
#[test_case("cookie", format!("id={}", signing(2, None).sign("other", ID)), true, (false, true); "another cookie's")]
#[test_case("cookie", format!("id={ID}"), true, (false, true); "unsigned")]
#[test_case("cookie", "id=user-5".to_owned(), true, (false, true); "invented")]
#[test_case("x-user", "user-5".to_owned(), true, (false, true); "a header's")]
#[test_case("", String::new(), false, (true, false); "made now, nothing is signed")]
#[test_case("cookie", "id=user-5".to_owned(), false, (true, false); "invented, nothing is signed")]
fn counts(name: &str, value: String, signed: bool, expected: (bool, bool)) {
    let router = router(signed);
    let decision = router.site("shop.test").unwrap().service().unwrap().decide(&request(name, &value));
    assert_eq!((decision.counted.is_some(), decision.keyless), expected);
}

#[test]
fn a_user_keeps_the_version_whatever_becomes_of_the_signature() {
    let (router, plain) = (router(true), router(false));
    for number in 0..200u32 {
        let id = format!("{number:032x}");
        let version = |router: &Router, value: &str| {
            router.site("shop.test").unwrap().service().unwrap().decide(&request("cookie", &format!("id={value}"))).version.clone()
        };
        let expected = version(&plain, &id);
        for value in [id.clone(), signing(2, None).sign("id", &id), signing(1, None).sign("id", &id), signing(3, None).sign("id", &id)] {
            assert_eq!(version(&router, &value), expected, "{value}");
            assert_eq!(version(&plain, &value), expected, "{value}, where nothing is signed");
        }
    }
}

#[test]
fn a_policy_is_shown_without_what_signs() {
    let policy: shunt_filter_core::RoutingPolicy =
        serde_json::from_value(json!({"format": 1, "signing": signing(2, Some(1)), "services": []})).unwrap();
    let secret = "02".repeat(32);
    assert!(serde_json::to_string(&policy).unwrap().contains(&secret));
    assert!(!format!("{policy:?}").contains(&secret));
    assert!(!serde_json::to_string(&policy.redacted()).unwrap().contains("signing"));
}
