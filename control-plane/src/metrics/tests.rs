//! What sources answer, from a server in this process.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Redirect};
use axum::routing::{any, get};
use serde_json::json;
use shunt_core::State;
use shunt_spec::Span;
use shunt_spec::plan::external_metrics::{Connection, Header, HeaderValue, Method, PrometheusSource, Value, WebSource};
use test_case::test_case;

use super::*;
use crate::sample;

/// What a server was asked last: method and path, headers, body.
type Seen = Arc<Mutex<(String, HeaderMap, String)>>;

async fn echo(Shared(seen): Shared<Seen>, method: axum::http::Method, uri: Uri, headers: HeaderMap, body: Bytes) -> impl IntoResponse {
    *seen.lock().unwrap() = (format!("{method} {uri}"), headers, String::from_utf8_lossy(&body).into_owned());
    axum::Json(json!({"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1.5, "0.25"]}]}}))
}

async fn server() -> (String, Seen) {
    let seen = Seen::default();
    let router = Router::new()
        .route("/hang", get(|| async { tokio::time::sleep(std::time::Duration::from_secs(60)).await }))
        .route("/down", get(|| async { (StatusCode::SERVICE_UNAVAILABLE, "the disk is\nfull") }))
        .route("/html", get(|| async { "<html>log in</html>" }))
        .route("/long", get(|| async { "1".repeat(2 * 1024 * 1024) }))
        .route("/moved", get(|| async { Redirect::temporary("/echo") }))
        .route("/wrong", any(|| async { (StatusCode::BAD_REQUEST, axum::Json(json!({"status": "error", "error": "parse error"}))) }))
        .fallback(echo)
        .with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), seen)
}

fn connection() -> Connection {
    Connection { timeout: Span::seconds(5), ca_file: None }
}

fn web_source(url: String) -> WebSource {
    WebSource { url, method: Method::Get, headers: Vec::new(), body: None, json_path: "$".to_owned(), connection: connection() }
}

fn prometheus_source(address: String) -> PrometheusSource {
    PrometheusSource {
        address,
        query: "up{version=\"{{version}}\"} > 0".to_owned(),
        baseline: None,
        headers: Vec::new(),
        connection: connection(),
    }
}

/// v2 on its way beside v1.
fn plan_and_subject() -> (Plan, Subject) {
    let plan = sample::plan("");
    let state = State::initial(&plan);
    let subject = Subject { candidate: "v2".parse().unwrap(), stable: state.stable };
    (plan, subject)
}

fn filled(arm: &str) -> impl Fn(&str) -> String + use<> {
    let (plan, subject) = plan_and_subject();
    let version: VersionName = arm.parse().unwrap();
    move |text| {
        shunt_spec::plan::external_metrics::fill(text, |placeholder| subject.value(&plan, &version, Time(1_700_000_000_000), placeholder))
    }
}

#[tokio::test]
async fn prometheus_is_asked_by_a_form_with_the_version_filled_in() {
    let (address, seen) = server().await;
    let source = prometheus_source(format!("{address}/prom/"));
    let value = prometheus::ask(&Http::new().unwrap(), &source, &source.query, &filled("v1")).await;
    assert_eq!(value, Ok(Value::Number(0.25)));
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.0, "POST /prom/api/v1/query");
    assert_eq!(seen.2, "query=up%7Bversion%3D%22v1%22%7D%20%3E%200");
}

#[tokio::test]
async fn prometheus_own_words_are_told() {
    let (address, _) = server().await;
    let http = Http::new().unwrap();
    let source = web_source(format!("{address}/wrong"));
    let error = web::ask(&http, &source, &filled("v2")).await.unwrap_err();
    assert!(error.contains("400 Bad Request") && error.contains("parse error"), "{error}");
    let answer = json!({"status": "error", "errorType": "bad_data", "error": "parse error at char 3"});
    assert_eq!(prometheus::read(&answer), Err("parse error at char 3".to_owned()));
}

#[test_case(&json!({"status": "success", "data": {"resultType": "vector", "result": []}}), Value::Nothing; "empty")]
#[test_case(&json!({"status": "success", "data": {"resultType": "scalar", "result": [1, "NaN"]}}), Value::Nothing; "not a number")]
#[test_case(&json!({"status": "success", "data": {"resultType": "scalar", "result": [1, "+Inf"]}}), Value::Number(f64::INFINITY); "infinite")]
#[test_case(&json!({"status": "success", "data": {"resultType": "vector", "result": [{"value": [1, "1"]}, {"value": [1, "2"]}]}}), Value::Numbers(vec![1.0, 2.0]); "two series")]
fn answers_of_prometheus(answer: &serde_json::Value, value: Value) {
    assert_eq!(prometheus::read(answer), Ok(value));
}

#[test_case(&json!({"status": "success", "data": {"resultType": "matrix", "result": []}}), "asks for a range"; "matrix")]
#[test_case(&json!({"status": "success", "data": {"resultType": "vector", "result": [{"histogram": [1, {}]}]}}), "histogram_quantile"; "native histogram")]
#[test_case(&json!({"hello": "world"}), "none of Prometheus' HTTP API"; "something else")]
fn answers_that_are_none(answer: &serde_json::Value, part: &str) {
    let error = prometheus::read(answer).unwrap_err();
    assert!(error.contains(part), "{error}");
}

#[tokio::test]
async fn a_web_source_gets_its_headers_secrets_and_body() {
    let (address, seen) = server().await;
    let folder = tempfile::tempdir().unwrap();
    let (token, key) = (folder.path().join("token"), folder.path().join("key"));
    std::fs::write(&token, "secret\n").unwrap();
    std::fs::write(&key, " abc ").unwrap();
    let header = |name: &str, value| Header { name: name.to_owned(), value };
    let source = WebSource {
        url: format!("{address}/q/{{{{cluster}}}}?v={{{{version}}}}"),
        method: Method::Post,
        headers: vec![
            header("authorization", HeaderValue::Bearer(token.display().to_string())),
            header("x-key", HeaderValue::File(key.display().to_string())),
            header("x-version", HeaderValue::Text("{{candidate}} over {{stable}}".to_owned())),
        ],
        body: Some("{\"of\": \"{{namespace}}/{{name}}\"}".to_owned()),
        json_path: "$.data.result[0].value[1]".to_owned(),
        connection: connection(),
    };
    let value = web::ask(&Http::new().unwrap(), &source, &filled("v2")).await;
    assert_eq!(value, Ok(Value::Json(json!("0.25"))));
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.0, "POST /q/shunt%2Fshop%2Fcheckout%2Fv2?v=v2");
    assert_eq!((seen.1["authorization"].to_str().unwrap(), seen.1["x-key"].to_str().unwrap()), ("Bearer secret", "abc"));
    assert_eq!((seen.1["x-version"].to_str().unwrap(), seen.2.as_str()), ("v2 over v1", "{\"of\": \"shop/checkout\"}"));
}

#[test_case("/down", "answered 503 Service Unavailable: the disk is full"; "down")]
#[test_case("/html", "answered no JSON"; "a page")]
#[test_case("/long", "longer than 1048576 bytes"; "too long")]
#[test_case("/moved", "redirects are not followed"; "redirect")]
#[test_case("/hang", "no answer within 200ms"; "hanging")]
#[tokio::test]
async fn a_source_that_does_not_answer_is_an_error(path: &str, part: &str) {
    let (address, _) = server().await;
    let mut source = web_source(format!("{address}{path}"));
    source.connection.timeout = Span::millis(if path == "/hang" { 200 } else { 10_000 });
    let error = web::ask(&Http::new().unwrap(), &source, &filled("v2")).await.unwrap_err();
    assert!(error.contains(part), "{error}");
}

#[tokio::test]
async fn an_unused_address_and_a_missing_secret_are_errors_without_the_address_of_a_key() {
    let http = Http::new().unwrap();
    let error = web::ask(&http, &web_source("http://127.0.0.1:1/?key=hidden".to_owned()), &filled("v2")).await.unwrap_err();
    assert!(!error.contains("hidden"), "{error}");
    let mut source = web_source("http://127.0.0.1:1/".to_owned());
    source.headers = vec![Header { name: "authorization".to_owned(), value: HeaderValue::Bearer("/no/such/file".to_owned()) }];
    let error = web::ask(&http, &source, &filled("v2")).await.unwrap_err();
    assert!(error.contains("/no/such/file"), "{error}");
}
