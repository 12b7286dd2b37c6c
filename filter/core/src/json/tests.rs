use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use test_case::test_case;

use super::{Read, read};
use crate::policy::{Keyless, RoutingPolicy};

/// A policy with everything that one can have.
const POLICY: &str = include_str!("../../testdata/policy.json");

/// What a type can be made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Everything {
    small: u16,
    #[serde(default)]
    signed: Option<i64>,
    #[serde(default)]
    large: u64,
    #[serde(default)]
    share: f64,
    #[serde(default)]
    yes: bool,
    #[serde(default)]
    text: String,
    #[serde(default)]
    pair: (u16, String),
    #[serde(default)]
    map: BTreeMap<String, Vec<Everything>>,
    #[serde(default)]
    keyless: Keyless,
}

/// Both readers say the same: this value, or that it is refused.
fn same<T: DeserializeOwned + PartialEq + std::fmt::Debug>(text: &[u8]) -> Result<(), TestCaseError> {
    let (theirs, ours) = (serde_json::from_slice::<T>(text), read::<T>(text));
    let equal = theirs.as_ref().ok() == ours.as_ref().ok().map(|read| &read.value);
    prop_assert!(equal, "{}\nserde_json: {theirs:?}\nhere: {ours:?}", String::from_utf8_lossy(text));
    Ok(())
}

fn everything() -> impl Strategy<Value = Everything> {
    let leaf = (any::<u16>(), any::<Option<i64>>(), any::<u64>(), -1e12..1e12, any::<bool>(), any::<String>(), any::<(u16, String)>());
    let leaf = leaf.prop_map(|(small, signed, large, share, yes, text, pair)| {
        // Fifteen digits are exact.
        let share = format!("{share:.2}").parse().unwrap();
        Everything { small, signed, large, share, yes, text, pair, map: BTreeMap::new(), keyless: Keyless::Split }
    });
    leaf.prop_recursive(3, 8, 3, |inner| {
        let map = prop::collection::btree_map(any::<String>(), prop::collection::vec(inner.clone(), 0..2), 0..3);
        (inner, map).prop_map(|(outer, map)| Everything { map, ..outer })
    })
}

proptest! {
    /// What serde_json writes is read as it was.
    #[test]
    fn what_is_written_is_read(value in everything()) {
        let text = serde_json::to_vec(&value).unwrap();
        prop_assert_eq!(read::<Everything>(&text).unwrap(), Read { value, unknown: Vec::new() });
    }

    /// A policy with one piece of it replaced is read alike by both, or refused by both.
    #[test]
    fn mutilated_policies(at in 0..POLICY.len(), size in 0_usize..6, piece in "[\\x00-\\x7f]{0,3}|[0-9eE.+-]{1,4}|[\\[\\]{}\",:]{1,3}|null|true|\\\\u[0-9a-fD]{4}") {
        let bytes = POLICY.as_bytes();
        let end = (at + size).min(bytes.len());
        let text = [&bytes[..at], piece.as_bytes(), &bytes[end..]].concat();
        // A struct as a list, and an enum as an object, are read by serde_json alone.
        let positional = serde_json::from_slice::<RoutingPolicy>(&text).is_ok() && piece.contains(['[', '{']);
        prop_assume!(!positional);
        same::<RoutingPolicy>(&text)?;
    }

    /// Any bytes: no panic, and the same answer.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        same::<Vec<BTreeMap<String, Option<i64>>>>(&bytes)?;
        same::<String>(&bytes)?;
    }

    #[test]
    fn texts(text in "\"([ -~]|\\\\[\"\\\\/bfnrtux]|\\\\u[dD][89a-fA-F][0-9a-f]{2}|\\\\u[0-9a-f]{4}|[\\x00-\\x20é𝄞]){0,8}\"") {
        same::<String>(text.as_bytes())?;
    }

    #[test]
    fn integers(text in "-?[0-9]{1,21}") {
        same::<u64>(text.as_bytes())?;
        same::<i64>(text.as_bytes())?;
        same::<u16>(text.as_bytes())?;
    }

    #[test]
    fn fractions(text in "-?(0|[1-9][0-9]{0,6})(\\.[0-9]{1,7})?([eE][+-]?[0-2]?[0-9]?)?") {
        let (theirs, ours) = (serde_json::from_str::<f64>(&text).ok(), read::<f64>(text.as_bytes()).ok().map(|read| read.value));
        // Beyond 22 in the exponent the last digit may differ.
        let close = |(theirs, ours): (f64, f64)| theirs == ours || ((theirs - ours) / theirs).abs() < 1e-15;
        prop_assert!(theirs.is_some() == ours.is_some() && theirs.zip(ours).is_none_or(close), "{text}: {theirs:?}, {ours:?}");
    }
}

#[test]
fn the_policy_itself() {
    let expected: RoutingPolicy = serde_json::from_str(POLICY).unwrap();
    assert_eq!(read(POLICY.as_bytes()), Ok(Read { value: expected, unknown: Vec::new() }));
}

#[test]
fn unknown_fields_are_named() {
    let text = r#"{"small": 1, "smal": {"a": [1, {}]}, "map": {"a b": [{"small": 2, "x": 1}]}, "keyless": "stable"}"#;
    let read = read::<Everything>(text.as_bytes()).unwrap();
    assert_eq!(read.unknown, ["smal", "map.a b.0.x"]);
    let many: String = (0..20).map(|number| format!(", \"x{number}\": 1")).collect();
    assert_eq!(super::read::<Everything>(format!("{{\"small\": 1{many}}}").as_bytes()).unwrap().unknown.len(), 8);
}

#[test_case("{\"small\": 1,\n \"yes\": 1}", "an integer stands where a boolean is expected at line 2 column 8"; "another type")]
#[test_case("{}", "missing field `small` at line 1 column 2"; "a field is missing")]
#[test_case("{\"small\": 70000}", "this value does not fit: u16 is expected at line 1 column 15"; "out of range")]
#[test_case("{\"small\": 1, \"small\": 1}", "duplicate field `small` at line 1 column 21"; "twice")]
#[test_case("{\"small\": 1} x", "something stands behind the end of the value at line 1 column 13"; "more")]
#[test_case("{\"small\": 1, \"pair\": [1, \"a\", 2]}", "a list has too many items at line 1 column 30"; "too long")]
#[test_case("{\"small\": 1, \"keyless\": \"no\"}", "unknown variant `no`, expected `stable` or `split` at line 1 column 28"; "no such variant")]
#[test_case("[", "a list stands where struct Everything is expected at line 1 column 0"; "a struct is written by field")]
fn errors(text: &str, expected: &str) {
    assert_eq!(read::<Everything>(text.as_bytes()).unwrap_err().to_string(), expected);
}

#[test]
fn depth_is_bounded() {
    let deep = |levels: usize| ["{\"x\":".repeat(levels), "1".to_owned(), "}".repeat(levels)].concat();
    let text = |levels| format!("{{\"small\": 1, \"unknown\": {}}}", deep(levels));
    assert!(read::<Everything>(text(120).as_bytes()).is_ok());
    assert!(read::<Everything>(text(200).as_bytes()).unwrap_err().to_string().contains("nested too deep"));
}
