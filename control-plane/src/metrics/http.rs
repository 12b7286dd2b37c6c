//! One HTTP request to a source, with its secrets from files, a time-out, and a bound on the answer.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::Value;
use shunt_spec::plan::external_metrics::{self, Connection, Header};

/// Longest answer that is read, bytes.
const ANSWER_MAX: usize = 1024 * 1024;
/// So much of an answer that is an error is shown.
const SHOWN: usize = 200;

/// What all sources share.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: Client,
}

/// A request with all placeholders filled in.
#[derive(Debug)]
pub(super) struct Request<'r> {
    pub(super) url: String,
    pub(super) method: Method,
    pub(super) headers: Vec<(&'r Header, String)>,
    pub(super) body: Body,
    pub(super) connection: &'r Connection,
}

/// What is sent.
#[derive(Debug)]
pub(super) enum Body {
    Nothing,
    /// Fields of a form, encoded.
    Form(String),
    /// As it is; a header says of what type.
    Text(String),
}

/// An answer that is JSON.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) json: Value,
}

impl Http {
    /// Errors when TLS does not work at all.
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self { client: builder().build()? })
    }

    /// Sends it. Errors are sentences for people, and never have a secret in them.
    pub(super) async fn send(&self, request: Request<'_>) -> Result<Answer, String> {
        let timeout = request.connection.timeout;
        match tokio::time::timeout(Duration::from_millis(timeout.0), self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {timeout}")),
        }
    }

    async fn exchange(&self, request: Request<'_>) -> Result<Answer, String> {
        let client = match &request.connection.ca_file {
            Some(file) => trusting(file).await?,
            None => self.client.clone(),
        };
        let mut asked = client.request(request.method, &request.url).headers(headers(&request.headers).await?);
        asked = match request.body {
            Body::Nothing => asked,
            Body::Form(form) => asked.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form),
            Body::Text(text) => asked.body(text),
        };
        let mut response = asked.send().await.map_err(causes)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(causes)? {
            if body.len() + chunk.len() > ANSWER_MAX {
                return Err(format!("the answer is longer than {ANSWER_MAX} bytes: ask for less"));
            }
            body.extend_from_slice(&chunk);
        }
        read(status, &body)
    }
}

fn read(status: StatusCode, body: &[u8]) -> Result<Answer, String> {
    let parsed = serde_json::from_slice(body);
    match parsed {
        Ok(json) => Ok(Answer { status, json }),
        Err(_) if status.is_redirection() => Err(format!("answered {status}: redirects are not followed, write the address it leads to")),
        Err(_) if !status.is_success() => Err(format!("answered {status}: {}", shown(body))),
        Err(error) => Err(format!("answered no JSON ({error}): {}", shown(body))),
    }
}

/// The beginning of an answer, on one line.
pub(super) fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    if line.is_empty() { "nothing more".to_owned() } else { line }
}

fn builder() -> reqwest::ClientBuilder {
    // A header with a secret in it must not follow a redirect to another server.
    Client::builder().user_agent(concat!("shunt/", env!("CARGO_PKG_VERSION"))).redirect(reqwest::redirect::Policy::none())
}

async fn trusting(file: &str) -> Result<Client, String> {
    let pem = tokio::fs::read(file).await.map_err(|error| format!("caFile {file}: {error}"))?;
    let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| format!("caFile {file}: {}", causes(error)))?;
    let builder = authorities.into_iter().fold(builder(), reqwest::ClientBuilder::add_root_certificate);
    builder.build().map_err(causes)
}

/// `text` of each header has its placeholders filled in already.
async fn headers(all: &[(&Header, String)]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (header, text) in all {
        let said = match &header.value {
            external_metrics::HeaderValue::Text(_) => text.clone(),
            external_metrics::HeaderValue::File(file) => secret(file).await?,
            external_metrics::HeaderValue::Bearer(file) => format!("Bearer {}", secret(file).await?),
        };
        let name = HeaderName::try_from(&header.name).map_err(|_| format!("{:?} is no name of a header", header.name))?;
        let mut value =
            HeaderValue::try_from(said).map_err(|_| format!("header {} has characters that no header may have", header.name))?;
        value.set_sensitive(!matches!(header.value, external_metrics::HeaderValue::Text(_)));
        map.insert(name, value);
    }
    Ok(map)
}

async fn secret(file: &str) -> Result<String, String> {
    let text = tokio::fs::read_to_string(file).await.map_err(|error| format!("{file}: {error}"))?;
    let text = text.trim();
    if text.is_empty() { Err(format!("{file} is empty")) } else { Ok(text.to_owned()) }
}

/// An error with what caused it, without its URL: that may carry a key.
fn causes(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}
