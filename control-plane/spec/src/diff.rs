//! Two plans of one Rollout compared by what they mean: defaults are filled in, notations and the order of fields do not matter.

mod difference;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::plan::Plan;
pub use difference::Difference;

/// Fields of a plan that say where it came from, not what it does.
const ORIGIN: [&str; 4] = ["id", "digest", "gone", "sources"];

/// Where the two plans differ, by field of the plan; lists of named things (versions, rules, metrics) are compared by name.
pub fn diff(left: &Plan, right: &Plan) -> Vec<Difference> {
    let mut found = Vec::new();
    let steps = |plan: &Plan| plan.steps.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (a, b) = (steps(left), steps(right));
    // One by one, a step more would make all after it differ.
    let listed = a != b;
    if listed {
        found.push(Difference { path: "steps".to_owned(), left: Some(a.into()), right: Some(b.into()) });
    }
    found.extend(order_of_rules(left, right));
    found.extend(Difference::all(&meaning(left, listed), &meaning(right, listed)));
    found
}

fn meaning(plan: &Plan, without_steps: bool) -> Value {
    let mut value: Value = serde_json::to_value(plan).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| !(ORIGIN.contains(&name.as_str()) || without_steps && name == "steps"));
    }
    by_name(as_manifests_do(value))
}

/// Maps whose keys are the user's own names.
const NAMED_BY_USERS: [&str; 4] = ["cookies", "headers", "query", "env"];

/// Fields and choices as manifests call them: `default_route` and `External` become `defaultRoute` and `external`.
fn as_manifests_do(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| match NAMED_BY_USERS.contains(&name.as_str()) {
                true => (name, value),
                false => (as_written(&name), choice(&name, as_manifests_do(value))),
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(as_manifests_do).collect(),
        other => other,
    }
}

/// Fields whose text is one of the plan's own words, not the user's.
fn choice(field: &str, value: Value) -> Value {
    match (field, value) {
        ("strategy" | "routing" | "guard" | "on_winner" | "role" | "protocol", Value::String(word)) => Value::String(as_written(&word)),
        (_, other) => other,
    }
}

/// A field of the plan as manifests call it: `maxExposed`.
fn as_written(field: &str) -> String {
    let mut words = field.split('_');
    let mut letters = words.next().unwrap_or_default().chars();
    let first: String = letters.next().map(|letter| letter.to_ascii_lowercase()).into_iter().chain(letters).collect();
    words.fold(first, |mut name, word| {
        let mut letters = word.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.extend(letters);
        name
    })
}

/// Lists of named things become maps.
fn by_name(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, by_name(value))).collect(),
        Value::Array(items) => match names(&items) {
            Some(names) => names.into_iter().zip(items.into_iter().map(by_name)).collect::<Map<String, Value>>().into(),
            None => items.into_iter().map(by_name).collect(),
        },
        other => other,
    }
}

/// The names of a list of named things; none: it is something else.
fn names(items: &[Value]) -> Option<Vec<String>> {
    let name = |item: &Value| item.get("name").and_then(Value::as_str).map(str::to_owned);
    let names: Vec<String> = items.iter().map(name).collect::<Option<_>>()?;
    let distinct: BTreeSet<&String> = names.iter().collect();
    (!names.is_empty() && distinct.len() == names.len()).then_some(names)
}

/// The first rule that matches wins, so their order counts.
fn order_of_rules(left: &Plan, right: &Plan) -> Option<Difference> {
    let names = |of: &Plan, other: &Plan| -> Vec<String> {
        let common = of.rules.iter().filter(|rule| other.rules.iter().any(|known| known.name == rule.name));
        common.map(|rule| rule.name.clone()).collect()
    };
    let (a, b) = (names(left, right), names(right, left));
    (a != b).then(|| Difference { path: "rules (order)".to_owned(), left: Some(a.into()), right: Some(b.into()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::Context;
    use crate::manifest::parse;
    use serde_json::json;

    const SHOP: &str = "
apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {name: checkout, namespace: shop}
spec:
  service: {hosts: [shop.test]}
  versions:
    - {name: v1, endpoints: ['127.0.0.1:9001']}
    - {name: v2, endpoints: ['127.0.0.1:9002']}
  release: v1
  rules:
    - {name: testers, match: [{cookies: {beta: {exact: '1'}}}], version: v2}
    - {name: staff, match: [{headers: {x-staff: {present: true}}}], version: v2}
  strategy: {canary: {steps: [{setWeight: 5}, {pause: {duration: 10m}}]}}
";

    fn plan(text: &str) -> Plan {
        parse("shop.yaml", text).unwrap()[0].compile(&Context::default()).unwrap()
    }

    fn differences(edited: &str) -> Vec<(String, Option<Value>, Option<Value>)> {
        diff(&plan(SHOP), &plan(edited)).into_iter().map(|one| (one.path, one.left, one.right)).collect()
    }

    #[test]
    fn notation_and_defaults_do_not_matter() {
        let written_out = SHOP
            .replace("{setWeight: 5}", "{setWeight: 5.0}")
            .replace("{duration: 10m}", "{duration: 600s}")
            .replace("  release: v1\n", "  progressDeadline: 10m\n  release: v1   # the same\n");
        assert_eq!(differences(&written_out), []);
    }

    #[test]
    fn what_differs_is_named_as_in_the_plan() {
        let edited = SHOP.replace("9002", "9102").replace("release: v1", "release: v2").replace("exact: '1'", "exact: 'yes'");
        let expected = [
            ("release", json!("v1"), json!("v2")),
            ("rules.testers.matches[0].cookies.beta.exact", json!("1"), json!("yes")),
            ("versions.v2.backend.endpoints[0]", json!("127.0.0.1:9002"), json!("127.0.0.1:9102")),
        ];
        assert_eq!(differences(&edited), expected.map(|(path, a, b)| (path.to_owned(), Some(a), Some(b))));
    }

    #[test]
    fn words_are_those_of_manifests() {
        let own =
            "  service: {hosts: [shop.test], defaultRoute: v1}\n  versions:\n    - {name: v1, cluster: a}\n    - {name: v2, cluster: b}\n";
        let (before, service) = SHOP.split_once("  service:").unwrap();
        let (_, after) = service.split_once("  release:").unwrap();
        let edited = format!("{before}{own}  release:{after}").replace("beta:", "Beta_x:");
        let found = differences(&edited);
        let paths: Vec<&str> = found.iter().map(|(path, ..)| path.as_str()).collect();
        assert!(paths.contains(&"routing.external.defaultRoute") || paths.contains(&"routing"), "{paths:?}");
        assert!(paths.iter().any(|path| path.contains("cookies.Beta_x")), "a user's name stays: {paths:?}");
        assert!(!paths.iter().any(|path| path.contains("backend.Cluster")), "{paths:?}");
    }

    #[test]
    fn steps_are_one_list_and_rules_have_an_order() {
        let edited = SHOP.replace("{setWeight: 5}, ", "{setWeight: 1}, {setWeight: 5}, ").replace("name: testers", "name: zzz");
        let edited = edited.replace("name: staff", "name: testers").replace("name: zzz", "name: staff");
        let paths: Vec<String> = differences(&edited).into_iter().map(|(path, ..)| path).collect();
        assert_eq!(paths[..2], ["steps", "rules (order)"]);
        assert!(!paths.iter().any(|path| path.starts_with("steps[")), "{paths:?}");
    }
}
