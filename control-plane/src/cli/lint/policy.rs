//! A policy without a control plane, wherever it stands: alone, in a file for Envoy (`envoy/static/policy.yaml`), in a bootstrap, in a
//! plugin of Istio.

use std::path::Path;

use anyhow::Context;
use serde_json::Value;
use shunt_filter_core::RoutingPolicy;

use super::envoy::{Finding, Severity};

/// Fields that only a policy has at its top.
const POLICY: [&str; 2] = ["services", "flags"];

/// The policy of a file, and where in it. Errors: there is none, or several.
pub(crate) fn read(file: &Path) -> anyhow::Result<RoutingPolicy> {
    let (_, policy) = found(file)?;
    serde_json::from_value(policy).with_context(|| format!("{} is not a routing policy", file.display()))
}

/// Whether a file that is given as a manifest is a policy instead.
pub(super) fn is_policy(file: &Path) -> bool {
    file.is_file() && found(file).is_ok()
}

/// What the filter would refuse, and fields that it does not know: alone they are only in its log.
pub(super) fn check(file: &Path) -> anyhow::Result<Vec<Finding>> {
    let (path, value) = found(file)?;
    let error = |field: &str, message: String| Finding {
        severity: Severity::Error,
        path: [path.as_str(), field].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(": "),
        message,
    };
    let text = value.to_string();
    let (policy, problems) = shunt_spec::manifest::read_policy(&text);
    let mut findings: Vec<Finding> = problems.into_iter().map(|problem| error(&problem.path, problem.message)).collect();
    if let Some(Err(refused)) = policy.map(|policy| shunt_filter_core::compile(policy, None)) {
        findings.push(error("", format!("the filter would refuse the policy: {refused}")));
    }
    Ok(findings)
}

fn found(file: &Path) -> anyhow::Result<(String, Value)> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let whole = documents(&text).with_context(|| format!("{} is neither YAML nor JSON", file.display()))?;
    let mut all = Vec::new();
    whole.iter().for_each(|value| collect(value, String::new(), &mut all));
    anyhow::ensure!(
        all.len() < 2,
        "{} has several policies: at {}",
        file.display(),
        all.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>().join(", ")
    );
    all.pop().with_context(|| {
        format!("{} has no routing policy: neither services nor flags, nor a plugin's configuration with them", file.display())
    })
}

fn documents(text: &str) -> anyhow::Result<Vec<Value>> {
    if text.trim_start().starts_with('{') {
        return Ok(vec![serde_json::from_str(text)?]);
    }
    Ok(serde_saphyr::from_multiple(text)?)
}

/// Policies in this value, also those that stand in it as text (`configuration.value` of Envoy).
fn collect(value: &Value, path: String, all: &mut Vec<(String, Value)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) if POLICY.iter().any(|name| fields.get(*name).is_some_and(Value::is_array)) => {
            all.push((path, value.clone()));
        }
        Value::Object(fields) => {
            for (name, inner) in fields {
                match inner.as_str().filter(|text| name == "value" && text.trim_start().starts_with('{')) {
                    Some(text) => match serde_json::from_str::<Value>(text) {
                        Ok(inner) => collect(&inner, below(name), all),
                        // Not JSON, but meant to be: the policy cannot be read, which is said when it is checked.
                        Err(_) => all.push((below(name), inner.clone())),
                    },
                    None => collect(inner, below(name), all),
                }
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| collect(item, format!("{path}[{index}]"), all)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
    }

    #[test]
    fn shipped_policies_are_found_and_right() {
        for name in ["envoy/static/policy.yaml", "istio/plugin-mesh.yaml", "istio/plugin-namespace.yaml"] {
            assert!(is_policy(&shipped(name)), "{name}");
            assert_eq!(check(&shipped(name)).unwrap(), [], "{name}");
            assert!(!read(&shipped(name)).unwrap().services.is_empty(), "{name}");
        }
        for name in ["envoy/managed/checkout.yaml", "envoy/own-routes/envoy.yaml", "istio/virtual-service.yaml"] {
            assert!(!is_policy(&shipped(name)), "{name}");
        }
    }

    #[test]
    fn unknown_fields_are_errors_with_their_path() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("policy.json");
        std::fs::write(
            &file,
            r#"{"format": 1, "services": [{"name": "a/b", "hosts": ["a"], "stable": "v1", "versions": [{"name": "v1"}], "splitt": {}}]}"#,
        )
        .unwrap();
        let found = check(&file).unwrap();
        assert!(
            found.iter().any(|one| one.path.contains("services[0].splitt") && one.message.contains("did you mean split?")),
            "{found:#?}"
        );
    }
}
