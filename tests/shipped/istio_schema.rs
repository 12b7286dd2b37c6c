//! The files of `istio/` against the schemas of Istio's own CRDs, unknown fields included.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{at, documents, read};

const FILES: [&str; 5] = ["plugin-mesh.yaml", "plugin-namespace.yaml", "services.yaml", "virtual-service.yaml", "edge-strip.yaml"];

/// `apiVersion/Kind` -> openAPIV3Schema.
fn schemas(crds: &str) -> BTreeMap<String, Value> {
    let mut schemas = BTreeMap::new();
    for crd in documents(crds).iter().filter(|document| document["kind"] == "CustomResourceDefinition") {
        let (group, kind) = (at(crd, "/spec/group").as_str(), at(crd, "/spec/names/kind").as_str());
        for version in at(crd, "/spec/versions").as_array().into_iter().flatten() {
            let name =
                format!("{}/{}/{}", group.unwrap_or_default(), version["name"].as_str().unwrap_or_default(), kind.unwrap_or_default());
            schemas.insert(name, at(version, "/schema/openAPIV3Schema").clone());
        }
    }
    schemas
}

/// Fields that the schema does not know. An API server drops them silently, so a validator of JSON Schema says nothing either.
fn unknown_fields(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    if schema["x-kubernetes-preserve-unknown-fields"] == true {
        return;
    }
    match value {
        Value::Object(fields) => {
            let known = schema["properties"].as_object();
            for (name, field) in fields {
                let inner = known.and_then(|known| known.get(name)).or_else(|| schema.get("additionalProperties"));
                let path = format!("{path}.{name}");
                match inner {
                    Some(inner) => unknown_fields(inner, field, &path, found),
                    None if known.is_some() => found.push(path),
                    None => {}
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                unknown_fields(&schema["items"], item, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

fn problems(schemas: &BTreeMap<String, Value>, document: &Value) -> Vec<String> {
    let kind = format!("{}/{}", document["apiVersion"].as_str().unwrap_or_default(), document["kind"].as_str().unwrap_or_default());
    if kind == "v1/Service" {
        return Vec::new();
    }
    let Some(schema) = schemas.get(&kind) else {
        return vec![format!("Istio has no {kind}")];
    };
    let mut schema = schema.clone();
    // metadata is Kubernetes' own; the CRD leaves it open.
    schema["properties"]["metadata"] = serde_json::json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    for field in ["apiVersion", "kind"] {
        schema["properties"][field] = serde_json::json!({"type": "string"});
    }
    let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("schema of {kind}: {error}"));
    let mut found: Vec<String> = validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    unknown_fields(&schema, document, &kind, &mut found);
    found
}

/// The CRDs that `cargo xtask setup` fetched with the Go module proxy; without Go this tier cannot run.
fn crds() -> Option<String> {
    match std::env::var_os("SHUNT_ISTIO_CRDS") {
        Some(path) => Some(std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))),
        None if std::env::var_os("CI").is_some() => {
            panic!("SHUNT_ISTIO_CRDS is not set: run this by `cargo xtask test`, with Go installed")
        }
        None => {
            println!("skipped: Istio's CRDs are not here (SHUNT_ISTIO_CRDS; `cargo xtask test` sets it where Go is installed)");
            None
        }
    }
}

#[test]
fn istio_files_fit_the_crds() {
    let Some(crds) = crds() else { return };
    let schemas = schemas(&crds);
    for file in FILES {
        for document in documents(&read(&format!("istio/{file}"))) {
            let problems = problems(&schemas, &document);
            assert!(problems.is_empty(), "istio/{file}:\n{}", problems.join("\n"));
        }
    }
}

#[test]
fn the_check_finds_mistakes() {
    let Some(crds) = crds() else { return };
    let schemas = schemas(&crds);
    let mut plugin = documents(&read("istio/plugin-mesh.yaml")).remove(0);
    plugin["spec"]["failStrategie"] = "FAIL_OPEN".into();
    plugin["spec"]["phase"] = "AUTHORIZATION".into();
    let found = problems(&schemas, &plugin).join("\n");
    assert!(found.contains("failStrategie") && found.contains("AUTHORIZATION"), "{found}");
}
