use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use test_case::test_case;

use super::value::Json;
use super::{Read, read, value};
use crate::matching::Match;
use crate::policy::{FlagValue, Range, RoutingPolicy};
use crate::weight::Weight;

/// A policy with everything that one can have.
const POLICY: &str = include_str!("../../testdata/policy.json");

/// Both readers say the same: this value, or that it is refused.
fn same<T: Json + for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug>(text: &[u8]) -> Result<(), TestCaseError> {
    let (theirs, ours) = (serde_json::from_slice::<T>(text), value::<T>(text));
    let equal = theirs.as_ref().ok() == ours.as_ref().ok().map(|read| &read.value);
    prop_assert!(equal, "{}\nserde_json: {theirs:?}\nhere: {ours:?}", String::from_utf8_lossy(text));
    Ok(())
}

/// Every place in a document: paths of keys and positions.
fn places(document: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match document {
        Value::Object(fields) => fields.iter().map(|(key, value)| (format!("/{key}"), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (format!("/{at}"), value)).collect(),
        _ => Vec::new(),
    };
    let below = children.iter().flat_map(|(step, value)| places(value).into_iter().map(move |place| format!("{step}{place}")));
    std::iter::once(String::new()).chain(below).collect()
}

proptest! {
    /// A policy with one piece of it replaced is read alike by both, or refused by both.
    #[test]
    fn mutilated_policies(at in 0..POLICY.len(), size in 0_usize..6, piece in "[\\x00-\\x7f]{0,3}|[0-9eE.+-]{1,4}|[\\[\\]{}\",:]{1,3}|null|true|\\\\u[0-9a-fD]{4}") {
        let bytes = POLICY.as_bytes();
        let end = at.saturating_add(size).min(bytes.len());
        let text = [&bytes[..at], piece.as_bytes(), &bytes[end..]].concat();
        // A struct as a list, and an enum as an object, are read by serde_json alone.
        let positional = serde_json::from_slice::<RoutingPolicy>(&text).is_ok() && piece.contains(['[', '{']);
        prop_assume!(!positional);
        same::<RoutingPolicy>(&text)?;
    }

    /// Any bytes: no panic, and the same answer.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        same::<Vec<(u32, u32)>>(&bytes)?;
        same::<Match>(&bytes)?;
        same::<String>(&bytes)?;
    }

    #[test]
    fn texts(text in "\"([ -~]|\\\\[\"\\\\/bfnrtux]|\\\\u[dD][89a-fA-F][0-9a-f]{2}|\\\\u[0-9a-f]{4}|[\\x00-\\x20é𝄞]){0,8}\"") {
        same::<String>(text.as_bytes())?;
    }

    #[test]
    fn integers(text in "-?[0-9]{1,21}") {
        same::<u64>(text.as_bytes())?;
        same::<FlagValue>(text.as_bytes())?;
        same::<u16>(text.as_bytes())?;
    }

    #[test]
    fn weights(text in "-?(0|[1-9][0-9]{0,2})(\\.[0-9]{1,7})?([eE][+-]?[0-2]?[0-9]?)?") {
        same::<Weight>(text.as_bytes())?;
    }
}

#[test]
fn the_policy_itself() {
    let expected: RoutingPolicy = serde_json::from_str(POLICY).unwrap();
    assert_eq!(read(POLICY.as_bytes()), Ok(Read { value: expected.clone(), unknown: Vec::new() }));
    assert_eq!(read(&serde_json::to_vec(&expected).unwrap()).map(|read| read.value), Ok(expected));
}

/// At each place of a policy: nothing, null, another type, and a field that nobody knows are read alike by both, or refused by both.
#[test]
fn every_field_alike() {
    let document: Value = serde_json::from_str(POLICY).unwrap();
    let others = ["null", "true", "7", "-1", "1.5", "70000", "5000000000", "\"x\"", "\"v1\"", "{}", "{\"x\": 1}"]
        .map(|text| text.parse::<Value>().unwrap());
    for place in places(&document) {
        for other in &others {
            let mut changed = document.clone();
            *changed.pointer_mut(&place).unwrap() = other.clone();
            same::<RoutingPolicy>(changed.to_string().as_bytes()).unwrap();
        }
        let (parent, last) = place.rsplit_once('/').unwrap_or_default();
        let mut changed = document.clone();
        let Some(Value::Object(fields)) = changed.pointer_mut(parent) else { continue };
        fields.remove(last);
        fields.insert(format!("{last}x"), Value::Null);
        same::<RoutingPolicy>(changed.to_string().as_bytes()).unwrap();
    }
}

#[test]
fn unknown_fields_are_named() {
    let text = r#"{"format": 1, "formt": {"a": [1, {}]}, "flags": [], "services": [{"name": "a/b", "hosts": [], "stable": "v1", "versions": [],
        "split": {"wieghts": {"v2": 5}}}]}"#;
    assert_eq!(read(text.as_bytes()).unwrap().unknown, ["formt", "services.0.split.wieghts"]);
    let many: String = (0..20).map(|number| format!(", \"x{number}\": 1")).collect();
    assert_eq!(read(format!("{{\"format\": 1{many}}}").as_bytes()).unwrap().unknown.len(), 8);
}

#[test_case("{\"from\": 1,\n \"to\": true}", "a number is expected at line 2 column 7"; "another type")]
#[test_case("{\"from\": 1, \"to\": 2}", "missing field `version` at line 1 column 20"; "a field is missing")]
#[test_case("{\"from\": 5000000000}", "this number does not fit: u32 is expected at line 1 column 19"; "out of range")]
#[test_case("{\"from\": 1, \"from\": 1}", "duplicate field `from` at line 1 column 19"; "twice")]
#[test_case("{\"from\": 1, \"to\": 2, \"version\": \"v1\"} x", "something stands behind the end of the value at line 1 column 38"; "more")]
#[test_case("{\"version\": \"V 1\"}", "\"V 1\" is not a name: use 1 to 63 lower-case letters, digits and '-', starting and ending with a letter or digit at line 1 column 17"; "no name")]
#[test_case("[", "an object is expected at line 1 column 0"; "a struct is written by field")]
fn errors(text: &str, expected: &str) {
    assert_eq!(value::<Range>(text.as_bytes()).unwrap_err().to_string(), expected);
}

#[test]
fn depth_is_bounded() {
    let deep = |levels: usize| ["{\"x\":".repeat(levels), "1".to_owned(), "}".repeat(levels)].concat();
    let text = |levels| format!("{{\"format\": 1, \"unknown\": {}}}", deep(levels));
    assert!(read(text(120).as_bytes()).is_ok());
    assert!(read(text(200).as_bytes()).unwrap_err().to_string().contains("nested too deep"));
}
