//! Schemas of manifests: what is right is valid, and much of what is wrong is not. Committed in `control-plane/schemas/` for editors.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use serde_json::{Value, json};
use shunt_filter_core::cookie::CookieAttributes;
use shunt_filter_core::matching::{Match, StringMatch};
use shunt_filter_core::policy::{KeySource, Keyless};
use shunt_spec::schema::{Kind, editor, filter};

/// Bad manifests of which the schema alone must say that they are bad; the others contradict themselves as a whole, or are no YAML.
const CAUGHT_AT_LEAST: usize = 80;

fn manifests(folder: &str) -> Vec<(String, Vec<Value>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifest").join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let read = |path: &PathBuf| {
        let documents = serde_saphyr::from_multiple::<Value>(&std::fs::read_to_string(path).unwrap()).ok()?;
        Some((path.file_name().unwrap().to_str().unwrap().to_owned(), documents))
    };
    paths.iter().filter_map(read).collect()
}

fn errors(validator: &Validator, document: &Value) -> Vec<String> {
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Other kinds of Kubernetes may stand in the same file.
fn is_ours(document: &Value) -> bool {
    document["apiVersion"].as_str().is_some_and(|version| version.starts_with("shunt.dev/"))
}

#[test]
fn good_manifests_are_valid() {
    let any = jsonschema::validator_for(&editor(None)).unwrap();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (file, documents) in manifests("good").into_iter().chain(manifests("lint")) {
        for document in documents.iter().filter(|document| is_ours(document)) {
            seen += 1;
            wrong.extend(errors(&any, document).into_iter().map(|error| format!("{file}: {error}")));
            let kind = Kind::ALL.into_iter().find(|kind| document["kind"] == kind.as_str()).unwrap();
            let own = jsonschema::validator_for(&editor(Some(kind))).unwrap();
            assert_eq!(errors(&own, document).is_empty(), errors(&any, document).is_empty(), "{file}: by its kind alone");
        }
    }
    assert!(seen >= 20, "{seen} documents");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The first line of an example leads an editor to the committed schema, by which the example is valid.
#[test]
fn examples_name_their_schema_and_are_valid() {
    const MODELINE: &str = "# yaml-language-server: $schema=";
    let any = jsonschema::validator_for(&editor(None)).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut seen = 0;
    for folder in ["envoy/managed", "envoy/own-routes", "envoy/static", "envoy/strategies", "istio"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            if path.extension().is_none_or(|extension| extension != "yaml") || !text.contains("\napiVersion: shunt.dev/") {
                continue;
            }
            seen += 1;
            let schema = text.lines().next().and_then(|line| line.strip_prefix(MODELINE));
            let schema = schema.unwrap_or_else(|| panic!("{} does not begin with {MODELINE}", path.display()));
            assert!(path.parent().unwrap().join(schema).is_file(), "{}: there is no {schema}", path.display());
            for document in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
                assert_eq!(errors(&any, &document), Vec::<String>::new(), "{}", path.display());
            }
        }
    }
    assert!(seen >= 10, "{seen} examples");
}

#[test]
fn bad_manifests_are_often_invalid() {
    let any = jsonschema::validator_for(&editor(None)).unwrap();
    let all = manifests("bad");
    let bad = |documents: &Vec<Value>| documents.iter().any(|document| !any.is_valid(document));
    let (caught, missed): (Vec<_>, Vec<_>) = all.iter().partition(|(_, documents)| bad(documents));
    let names = |files: &[&(String, Vec<Value>)]| files.iter().map(|(file, _)| file.as_str()).collect::<Vec<_>>().join(" ");
    assert!(caught.len() >= CAUGHT_AT_LEAST, "{} of {} caught; not: {}", caught.len(), all.len(), names(&missed));
}

#[test]
fn the_committed_schemas_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../schemas");
    let files = [("manifest", None), ("rollout", Some(Kind::Rollout)), ("mesh-policy", Some(Kind::MeshPolicy))];
    for (name, kind) in files.into_iter().chain([("analysis-template", Some(Kind::AnalysisTemplate))]) {
        let (path, wanted) = (folder.join(format!("{name}.json")), format!("{:#}\n", editor(kind)));
        if std::env::var_os("UPDATE").is_some() || std::env::var_os("SHUNT_GENERATE").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &wanted).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == wanted,
            "schemas/{name}.json is not what the types say: run `cargo xtask generate` and look at the difference"
        );
    }
}

/// Schemas by hand have the fields that the filter's types have, and no others.
#[test]
fn the_filters_types_are_as_their_schemas_say() {
    let text = StringMatch {
        exact: Some("a".to_owned()),
        prefix: Some("a".to_owned()),
        suffix: Some("a".to_owned()),
        contains: Some("a".to_owned()),
        regex: Some("a".to_owned()),
        present: Some(true),
        absent: Some(true),
    };
    same::<filter::StringMatch>(&serde_json::to_value(&text).unwrap());
    let texts = [("a".to_owned(), text)];
    let inner = Match { methods: vec!["GET".to_owned()], ..Match::default() };
    let matches = Match {
        headers: texts.clone().into(),
        cookies: texts.clone().into(),
        query: texts.into(),
        path: Some(serde_json::from_value(json!({"exact": "/", "prefix": "/", "regex": "/"})).unwrap()),
        methods: vec!["GET".to_owned()],
        not: vec![inner],
    };
    let value = serde_json::to_value(&matches).unwrap();
    same::<filter::PathMatch>(&value["path"]);
    same::<filter::Match>(&value);
    let generate = CookieAttributes {
        domain: Some("shop.test".to_owned()),
        max_age: Some("30d".parse().unwrap()),
        signed: true,
        ..CookieAttributes::default()
    };
    same::<filter::CookieAttributes>(&serde_json::to_value(&generate).unwrap());
    let text = Some("a".to_owned());
    let key = KeySource { cookie: text.clone(), header: text.clone(), query: text, generate: Some(generate) };
    same::<filter::KeySource>(&serde_json::to_value(&key).unwrap());
    for keyless in [Keyless::Stable, Keyless::Split] {
        let schema = schemars::schema_for!(filter::Keyless).to_value();
        assert!(schema["enum"].as_array().unwrap().contains(&serde_json::to_value(keyless).unwrap()));
    }
}

fn same<T: schemars::JsonSchema>(value: &Value) {
    let schema = schemars::schema_for!(T).to_value();
    let named: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    let mut there: Vec<&String> = value.as_object().unwrap().keys().collect();
    there.sort();
    assert_eq!(named, there, "{}", T::schema_name());
}
