//! Programs that a manifest has the control plane start: versions, gates, hooks and notifications by `command`.

use serde_json::Value;

use super::Rollout;

impl Rollout {
    /// The field of each program, for example `spec.versions[0].command`.
    pub fn programs(&self) -> Vec<String> {
        let spec = serde_json::to_value(&self.spec).ok();
        let mut found = Vec::new();
        walk(&spec.unwrap_or_default(), "spec", &mut found);
        found
    }
}

/// Wherever it stands, a program is a list under `command`: what users name themselves (headers, cookies, variables) is never one.
fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{path}.{name}");
                if name == "command" && value.is_array() {
                    found.push(path);
                } else {
                    walk(value, &path, found);
                }
            }
        }
        Value::Array(entries) => entries.iter().enumerate().for_each(|(index, value)| walk(value, &format!("{path}[{index}]"), found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
