//! Looks through JSON for names that are not camelCase.

use serde_json::Value;

/// Objects whose keys are names of something, and no fields: versions, digests, variables, headers, paths of fields.
const KEYED_BY_NAME: [&str; 12] = [
    "installed",
    "versions",
    "capacity",
    "calls",
    "plans",
    "env",
    "headers",
    "metadata",
    "sources",
    "exemplars",
    "defaultRoutes",
    "weights",
];

/// Fields whose words are those of others. Phases and condition types are written as in Kubernetes and Argo Rollouts, methods and attributes
/// of cookies as in HTTP, kinds of manifests as in Kubernetes.
const WORDS_OF_OTHERS: [&str; 6] = ["phase", "type", "method", "sameSite", "kind", "apiVersion"];

/// Every key and every word that is not camelCase, with its place.
pub(crate) fn wrong_names(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk("", "", value, &mut found);
    found
}

fn walk(at: &str, parent: &str, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if !KEYED_BY_NAME.contains(&parent) && !is_camel_case(key) {
                    found.push(format!("{at}: the key {key}"));
                }
                walk(&format!("{at}.{key}"), key, value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(at, parent, item, found)),
        Value::String(word) if is_foreign_word(word) && !WORDS_OF_OTHERS.contains(&parent) => found.push(format!("{at}: the word {word}")),
        _ => {}
    }
}

/// `maxExposed`
pub(crate) fn is_camel_case(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// `SetWeight` or `set_weight`: what an enum without `rename_all` is written as. Sentences, names and quantities are none.
fn is_foreign_word(text: &str) -> bool {
    let pascal = text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().any(|c| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_alphanumeric());
    let snake = text.contains('_')
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    pascal || snake
}
