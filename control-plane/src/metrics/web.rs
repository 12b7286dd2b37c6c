//! Any web API that answers JSON: one request, and a place in the answer.

use reqwest::Method;
use serde_json::Value as Json;
use shunt_spec::plan::external_metrics::{self, Header, HeaderValue, Value, WebSource, select};

use super::http::{Body, Http, Request, shown};

/// The value at the source's path.
pub(super) async fn ask(http: &Http, source: &WebSource, filled: &impl Fn(&str) -> String) -> Result<Value, String> {
    let answer = answer(http, source, filled).await?;
    select(&source.json_path, &answer).map_err(|error| error.to_string())
}

/// The whole answer.
pub(super) async fn answer(http: &Http, source: &WebSource, filled: &impl Fn(&str) -> String) -> Result<Json, String> {
    let request = Request {
        url: address(&source.url, filled),
        method: match source.method {
            external_metrics::Method::Get => Method::GET,
            external_metrics::Method::Post => Method::POST,
            external_metrics::Method::Put => Method::PUT,
        },
        headers: texts(&source.headers, filled),
        body: source.body.as_deref().map_or(Body::Nothing, |body| Body::Text(filled(body))),
        connection: &source.connection,
    };
    let answer = http.send(request).await?;
    if !answer.status.is_success() {
        return Err(format!("answered {}: {}", answer.status, shown(answer.json.to_string().as_bytes())));
    }
    Ok(answer.json)
}

/// Headers with what they say, placeholders filled in.
pub(super) fn texts<'h>(headers: &'h [Header], filled: &impl Fn(&str) -> String) -> Vec<(&'h Header, String)> {
    let text = |header: &Header| match &header.value {
        HeaderValue::Text(text) => filled(text),
        HeaderValue::File(_) | HeaderValue::Bearer(_) => String::new(),
    };
    headers.iter().map(|header| (header, text(header))).collect()
}

/// A URL in which what is filled in may have any characters.
fn address(url: &str, filled: &impl Fn(&str) -> String) -> String {
    external_metrics::fill(url, |name| {
        let placeholder = format!("{{{{{name}}}}}");
        let value = filled(&placeholder);
        (value != placeholder).then(|| encoded(&value))
    })
}

/// Percent-encoded, but for what never needs it (RFC 3986, *unreserved*).
pub(super) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
