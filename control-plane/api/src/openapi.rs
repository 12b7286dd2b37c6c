//! The OpenAPI 3.1 document, made of the table of routes and of the schemas of its types.

mod schemas;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::access::Role;
use crate::authorize::Needs;
use crate::routes::{Gives, Route, Takes, all};

const ABOUT: &str = "Progressive delivery for Envoy: deploy a candidate, release it, watch it, promote it, go back. \
    Errors are application/problem+json with what to do next. A POST with an idempotency-key acts once, however often it is sent.";

/// `GET /openapi.json`
pub(crate) async fn serve() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text()).into_response()
}

/// The document as it is committed and served.
pub fn text() -> String {
    format!("{:#}\n", document())
}

/// The document.
pub fn document() -> Value {
    let mut paths = Map::new();
    for route in all() {
        let at = paths.entry(route.path).or_insert_with(|| json!({}));
        at[route.method.as_str().to_ascii_lowercase()] = operation(&route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Shunt", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "servers": [{"url": "http://127.0.0.1:18080"}],
        "paths": paths,
        "components": {
            "schemas": schemas::schemas(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`shunt token create`; needed as soon as there is one"},
                "certificate": {"type": "mutualTLS", "description": "`shunt certs proxy`: names the node that it speaks for"},
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "parameters": parameters(route),
        "responses": responses(route),
    });
    if let Some(body) = body(route.takes) {
        operation["requestBody"] = body;
    }
    match route.needs {
        Needs::Nothing => operation["security"] = json!([]),
        Needs::Proxy => operation["security"] = json!([{"certificate": []}]),
        Needs::Role(role) | Needs::Instance(role) => {
            let bound = matches!(route.needs, Needs::Instance(_)).then(|| json!({"token": [Role::Register]}));
            operation["security"] = [json!({"token": [role]})].into_iter().chain(bound).collect();
            let role = match role {
                Role::Register => "register",
                Role::Read => "read",
                Role::Operate => "operate",
                Role::Admin => "admin",
            };
            operation["x-shunt-role"] = json!(role);
        }
    }
    operation
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let in_query = route
        .query
        .iter()
        .map(|(name, kind, meaning)| json!({"name": name, "in": "query", "description": meaning, "schema": {"type": kind}}));
    let mut all: Vec<Value> = in_path.chain(in_query).collect();
    if route.once() {
        let meaning = "The same key with the same request acts once within 24 hours, and is answered the same";
        all.push(
            json!({"name": "idempotency-key", "in": "header", "description": meaning, "schema": {"type": "string", "maxLength": 200}}),
        );
    }
    all
}

fn body(takes: Takes) -> Option<Value> {
    match takes {
        Takes::Nothing => None,
        Takes::Json(schema) => Some(json!({"required": true, "content": {"application/json": {"schema": reference(schema)}}})),
        Takes::Manifest => {
            let schema = reference("Manifest");
            Some(json!({"required": true, "content": {"application/yaml": {"schema": schema}, "application/json": {"schema": schema}}}))
        }
    }
}

fn responses(route: &Route) -> Value {
    let content = |kind: &str, schema: Value| json!({kind: {"schema": schema}});
    let (status, good) = match route.gives {
        Gives::Nothing => ("204", json!({"description": "Done"})),
        Gives::Json(schema) => ("200", json!({"description": "Done", "content": content("application/json", reference(schema))})),
        Gives::Created(schema) => ("201", json!({"description": "Made", "content": content("application/json", reference(schema))})),
        Gives::Later(schema) => ("202", json!({"description": "Begun", "content": content("application/json", reference(schema))})),
        Gives::Events(schema) => {
            let text = format!("Events; the data of each is a {schema}");
            ("200", json!({"description": text, "content": content("text/event-stream", json!({"type": "string"}))}))
        }
        Gives::Text(kind) => ("200", json!({"description": "Text", "content": content(kind, json!({"type": "string"}))})),
    };
    let problem = json!({"description": "Not done: why, and what to do next", "content": content("application/problem+json", reference("ProblemBody"))});
    json!({status: good, "default": problem})
}

fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}
