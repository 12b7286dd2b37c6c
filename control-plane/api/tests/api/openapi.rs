//! The document is the committed one, names every route, and tells the truth about answers.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};
use shunt_api::{Limits, Peer, Role, openapi};

use crate::access_store::{open, token};
use crate::fixture::Server;
use crate::walk::{is_camel_case, wrong_names};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let wanted = openapi::text();
    if std::env::var_os("UPDATE").is_some() || std::env::var_os("SHUNT_GENERATE").is_some() {
        std::fs::write(FILE, &wanted).unwrap();
    }
    let committed = std::fs::read_to_string(Path::new(FILE)).unwrap_or_default();
    assert!(committed == wanted, "openapi.json is not what the routes say: run `cargo xtask generate` and look at the difference");
}

/// Everything that is referred to is there, nothing else is, and each operation has a name of its own.
#[test]
fn references_and_names_fit() {
    let document = openapi::document();
    let mut used = BTreeSet::new();
    collect(&document, &mut used);
    let schemas: BTreeSet<String> = document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(used.difference(&schemas).collect::<Vec<_>>(), Vec::<&String>::new(), "referred to, but not there");
    assert_eq!(schemas.difference(&used).collect::<Vec<_>>(), Vec::<&String>::new(), "there, but not used");
    let names: Vec<&str> = operations(&document).into_iter().map(|(_, _, operation)| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    for (method, path, operation) in operations(&document) {
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path} says nothing");
    }
}

fn collect(value: &Value, used: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value.as_str().and_then(|text| text.strip_prefix("#/components/schemas/"))) {
                    ("$ref", Some(schema)) => drop(used.insert(schema.to_owned())),
                    _ => collect(value, used),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, used)),
        _ => {}
    }
}

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let each = |(path, methods): (&String, &'_ Value)| -> Vec<(String, String)> {
        methods.as_object().unwrap().keys().map(|method| (method.clone(), path.clone())).collect()
    };
    let names: Vec<(String, String)> = paths.iter().flat_map(each).collect();
    names.into_iter().map(|(method, path)| (method.clone(), path.clone(), &paths[&path][&method])).collect()
}

/// Each documented route is there: without a token it is refused for that, and not because nothing answers.
#[tokio::test]
async fn every_documented_route_answers() {
    let (_store, access) = open(vec![token("root", Role::Admin, None)], Limits::default());
    let server = Server::start_with(access, Peer::local()).await;
    let document = openapi::document();
    for (method, path, operation) in operations(&document) {
        let filled = path.replace("{address}", "127.0.0.1:1").replace(['{', '}'], "");
        let method: Method = method.to_uppercase().parse().unwrap();
        let status = server.send(method.clone(), &filled, None).await.status().as_u16();
        match operation["security"].as_array().unwrap().as_slice() {
            [] => assert!(status == 200 || status == 503, "{method} {path}: {status}"),
            [one, ..] if one["token"].is_array() => assert_eq!(status, 401, "{method} {path}"),
            _ => assert_eq!(status, 400, "{method} {path}"),
        }
    }
}

#[tokio::test]
async fn answers_are_as_documented() {
    let (_store, access) = open(Vec::new(), Limits::default());
    let server = Server::start_with(access, Peer::local()).await;
    let document: Value = server.json("/openapi.json").await;
    let created =
        server.send(Method::POST, "/v1/tokens", Some(json!({"name": "root", "role": "admin", "expires": 9_999_999_999_999_u64}))).await;
    assert_eq!(created.status(), 201);
    conforms(&document, "Secret", &created.json().await.unwrap());
    let get = async |path: &str| server.http.get(server.url(path)).bearer_auth("root").send().await.unwrap().json::<Value>().await.unwrap();
    for (path, schema) in [
        ("/v1/rollouts", "RolloutList"),
        ("/v1/rollouts/shop/checkout", "RolloutStatus"),
        ("/v1/proxies", "ProxyList"),
        ("/v1/policy", "RoutingPolicy"),
        ("/v1/tokens", "TokenList"),
        ("/v1/audit", "Audit"),
        ("/v1/rollouts/shop/nothing", "ProblemBody"),
        ("/v1/nothing", "ProblemBody"),
        ("/openapi.json", "OpenApi"),
    ] {
        let answer = get(path).await;
        conforms(&document, schema, &answer);
        // Of the document its schemas are looked through below: its other names are those of HTTP.
        let wrong = if schema == "OpenApi" { Vec::new() } else { wrong_names(&answer) };
        assert!(wrong.is_empty(), "{path}: {wrong:?}");
    }
    let question = json!({"host": "shop.test", "headers": [["cookie", "shunt-id=u1"]]});
    conforms(&document, "Question", &question);
    let explained = server.http.post(server.url("/v1/explain")).bearer_auth("root").json(&question).send().await.unwrap();
    conforms(&document, "Explanation", &explained.json().await.unwrap());
}

/// One style of names: camelCase for fields and for words, but for phases, which are Kubernetes' words, and methods, which are those of HTTP.
#[test]
fn names_are_camel_case() {
    let document = openapi::document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas.iter().filter(|(name, _)| !["Phase", "Method"].contains(&name.as_str())) {
        camel_case(name, schema);
    }
}

fn camel_case(at: &str, schema: &Value) {
    match schema {
        Value::Object(fields) => {
            let properties = fields.get("properties").and_then(Value::as_object).into_iter().flatten();
            properties.for_each(|(name, _)| assert!(is_camel_case(name), "{at}: field {name}"));
            let words = fields.get("enum").and_then(Value::as_array).into_iter().flatten().chain(fields.get("const"));
            // What manifests say of themselves is as Kubernetes writes it, what HTTP says is as HTTP writes it.
            let others = [".apiVersion", ".kind", ".sameSite"];
            let own = |_: &&Value| !others.iter().any(|end| at.ends_with(end));
            words.filter(own).filter_map(Value::as_str).for_each(|word| assert!(is_camel_case(word), "{at}: word {word}"));
            fields.iter().for_each(|(name, value)| camel_case(&format!("{at}.{name}"), value));
        }
        Value::Array(items) => items.iter().for_each(|item| camel_case(at, item)),
        _ => {}
    }
}

/// Valid by its schema, and nothing in it that the schema does not name (where it names anything).
fn conforms(document: &Value, schema: &str, value: &Value) {
    let mut whole = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": format!("#/components/schemas/{schema}")});
    let mut components = document["components"].clone();
    close(&mut components);
    whole["components"] = components;
    let validator = jsonschema::validator_for(&whole).unwrap();
    let errors: Vec<String> = validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{schema}: {errors:#?}\nDerive it in the type, and name the type in src/openapi/schemas.rs");
}

/// Documented objects have no further properties, unless they say so.
fn close(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("properties") && !fields.contains_key("additionalProperties") {
                fields.insert("additionalProperties".to_owned(), json!(false));
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(items) => items.iter_mut().for_each(close),
        _ => {}
    }
}
