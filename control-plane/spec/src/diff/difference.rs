//! The first place where two documents differ.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One place where two documents differ, with both sides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// `next.run.stage`, `steps[2]`; empty: the documents as a whole.
    pub path: String,
    /// On the left; none: it is not there.
    pub left: Option<Value>,
    /// On the right; none: it is not there.
    pub right: Option<Value>,
}

impl Difference {
    /// The first one in the order of the documents, as deep as possible; none: they are equal.
    pub fn first(left: &Value, right: &Value) -> Option<Self> {
        Self::all(left, right).into_iter().next()
    }

    /// All of them, as deep as possible.
    pub fn all(left: &Value, right: &Value) -> Vec<Self> {
        let mut found = Vec::new();
        compare("", Some(left), Some(right), &mut found);
        found
    }
}

fn compare(path: &str, left: Option<&Value>, right: Option<&Value>, found: &mut Vec<Difference>) {
    match (left, right) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let only_right = b.keys().filter(|key| !a.contains_key(*key));
            for key in a.keys().chain(only_right) {
                compare(&field(path, key), a.get(key), b.get(key), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for at in 0..a.len().max(b.len()) {
                compare(&format!("{path}[{at}]"), a.get(at), b.get(at), found);
            }
        }
        (a, b) if a == b => {}
        (a, b) => found.push(Difference { path: path.to_owned(), left: a.cloned(), right: b.cloned() }),
    }
}

fn field(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    match (path, plain) {
        ("", true) => key.to_owned(),
        (_, true) => format!("{path}.{key}"),
        (_, false) => format!("{path}[{key:?}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn as_deep_as_possible_and_in_order() {
        let left = json!({"a": {"b": [1, 2], "c/d": 1}, "same": null, "gone": 1});
        let right = json!({"a": {"b": [1, 3, 4], "c/d": 2}, "same": null, "new": 5});
        let found: Vec<(String, Option<Value>, Option<Value>)> =
            Difference::all(&left, &right).into_iter().map(|one| (one.path, one.left, one.right)).collect();
        let expected = [
            ("a.b[1]", Some(json!(2)), Some(json!(3))),
            ("a.b[2]", None, Some(json!(4))),
            ("a[\"c/d\"]", Some(json!(1)), Some(json!(2))),
            ("gone", Some(json!(1)), None),
            ("new", None, Some(json!(5))),
        ];
        assert_eq!(found, expected.map(|(path, left, right)| (path.to_owned(), left, right)));
        assert_eq!(Difference::first(&left, &left), None);
        assert_eq!(Difference::first(&json!(1), &json!("1")).unwrap().path, "");
    }
}
