//! `prometheus` and `web`: who is asked, and what.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Around;
use crate::plan::external_metrics::{
    Check, Connection, Header, HeaderValue, Method, OF_ARM, OF_TEST, PROVIDED, PrometheusSource, Source, WebSource, check_path, is_time,
    placeholders,
};
use crate::problems::Problems;
use crate::time::Span;

/// An instant query of Prometheus, or of anything that speaks its HTTP API.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrometheusSpec {
    /// Its base URL: `/api/v1/query` is added. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub address: Option<String>,
    /// PromQL. Required in a metric; a goal has it in `users` and what goes with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// PromQL of `baseline` in conditions. Default: `query`, with `{{version}}` and `{{cluster}}` of stable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
    /// Further headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Headers whose values stand in files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_files: Option<BTreeMap<String, String>>,
    /// File with a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<String>,
    /// PEM file with further certificate authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Longest time of one measurement. Default: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// One request, and a place in its JSON answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebSpec {
    /// Where. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub url: Option<String>,
    /// `GET`, `POST` or `PUT`. Default: GET, or POST with a body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Headers whose values stand in files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_files: Option<BTreeMap<String, String>>,
    /// Body, sent as it is. With one, `content-type: application/json` is added unless `headers` say another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// RFC 9535. Default: `$`, the whole answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json_path: Option<String>,
    /// File with a bearer token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<String>,
    /// PEM file with further certificate authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// Longest time of one measurement. Default: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
}

/// Default of `timeout`.
const TIMEOUT: Span = Span::seconds(10);
/// A source that needs longer would be measured late.
const TIMEOUT_MAX: Span = Span::seconds(120);
/// Longer queries and bodies are a mistake.
const TEXT_MAX: usize = 16 * 1024;

impl PrometheusSpec {
    pub(super) fn source(&self, path: &str, check: &Check, around: &Around<'_>, problems: &mut Problems) -> Option<Source> {
        let mut texts = Texts { around, problems, of_arm: false };
        let address = texts.url(self.address.as_deref(), &format!("{path}.address"), "http://prometheus:9090");
        let query = texts.required(self.query.as_deref(), &format!("{path}.query"), "the PromQL of one number");
        if let Some(baseline) = &self.baseline {
            texts.text(baseline, &format!("{path}.baseline"));
        }
        let headers = texts.headers(path, self.headers.as_ref(), self.header_files.as_ref(), self.token_file.as_ref());
        let of_arm = texts.of_arm;
        let connection = connection(path, self.timeout, self.ca_file.clone(), problems);
        match (check.compares(), &self.baseline) {
            (true, None) if !of_arm => problems.add(
                path,
                "has no baseline to compare with: write {{version}} or {{clusters}} in query, which is asked for stable too, or write baseline with its own query",
            ),
            (false, Some(_)) => {
                problems.add(format!("{path}.baseline"), "is never looked at: write baseline in success or failure, or remove it");
            }
            (true, _) | (false, None) => {}
        }
        Some(Source::Prometheus(PrometheusSource {
            address: address?,
            query: query?,
            baseline: self.baseline.clone(),
            headers,
            connection,
        }))
    }
}

impl WebSpec {
    pub(super) fn source(&self, path: &str, check: &Check, around: &Around<'_>, problems: &mut Problems) -> Option<Source> {
        let mut texts = Texts { around, problems, of_arm: false };
        let url = texts.url(self.url.as_deref(), &format!("{path}.url"), "https://metrics.example/api?version={{version}}");
        if let Some(body) = &self.body {
            texts.text(body, &format!("{path}.body"));
        }
        let mut headers = texts.headers(path, self.headers.as_ref(), self.header_files.as_ref(), self.token_file.as_ref());
        let of_arm = texts.of_arm;
        let json_path = self.json_path.clone().unwrap_or_else(|| "$".to_owned());
        if let Err(error) = check_path(&json_path) {
            problems.add(format!("{path}.jsonPath"), error);
        }
        let connection = connection(path, self.timeout, self.ca_file.clone(), problems);
        if check.compares() && !of_arm {
            problems
                .add(path, "has no baseline to compare with: write {{version}} in url, body or a header, which is asked for stable too");
        }
        let method = self.method.unwrap_or(if self.body.is_some() { Method::Post } else { Method::Get });
        if self.body.is_some() && method == Method::Get {
            problems.add(format!("{path}.method"), "GET has no body: write POST, or remove body");
        }
        if self.body.is_some() && headers.iter().all(|header| !header.name.eq_ignore_ascii_case("content-type")) {
            headers.push(Header { name: "content-type".to_owned(), value: HeaderValue::Text("application/json".to_owned()) });
        }
        Some(Source::Web(WebSource { url: url?, method, headers, body: self.body.clone(), json_path, connection }))
    }
}

fn connection(path: &str, timeout: Option<Span>, ca_file: Option<String>, problems: &mut Problems) -> Connection {
    let timeout = timeout.unwrap_or(TIMEOUT);
    if timeout == Span::millis(0) || timeout > TIMEOUT_MAX {
        problems.add(format!("{path}.timeout"), format!("{timeout} is not possible: write 1ms to {TIMEOUT_MAX}"));
    }
    Connection { timeout, ca_file }
}

/// Whether a text differs from version to version, every problem in it noted.
pub(super) fn differs(text: &str, path: &str, around: &Around<'_>, problems: &mut Problems) -> bool {
    let mut texts = Texts { around, problems, of_arm: false };
    texts.text(text, path);
    texts.of_arm
}

/// Checks texts, and remembers whether any differs between candidate and stable.
struct Texts<'a, 'p> {
    around: &'a Around<'a>,
    problems: &'p mut Problems,
    of_arm: bool,
}

impl Texts<'_, '_> {
    fn text(&mut self, text: &str, path: &str) {
        if text.len() > TEXT_MAX {
            self.problems.add(path, format!("has {} characters: at most {TEXT_MAX} are allowed", text.len()));
        }
        for name in placeholders(text) {
            self.of_arm |= OF_ARM.contains(&name);
            let wrong = match name {
                "cluster" | "clusters" => self.around.no_cluster.map(|why| format!("{{{{{name}}}}} means nothing here: {why}")),
                "shadowCluster" => self.around.no_shadow.map(|why| format!("{{{{shadowCluster}}}} means nothing here: {why}")),
                name if PROVIDED.contains(&name) || is_time(name) => None,
                name if OF_TEST.contains(&name) && self.around.in_test => None,
                name if OF_TEST.contains(&name) => Some(format!("{{{{{name}}}}} is for goals of an A/B test")),
                name if name.starts_with("args.") => Some(format!("{{{{{name}}}}} is no argument of a template")),
                name => Some(format!("{{{{{name}}}}} is not known: there are {}", known())),
            };
            if let Some(wrong) = wrong {
                self.problems.add(path, wrong);
            }
        }
    }

    fn required(&mut self, text: Option<&str>, path: &str, what: &str) -> Option<String> {
        match text.map(str::trim) {
            None | Some("") => {
                self.problems.add(path, format!("is missing: write {what}"));
                None
            }
            Some(text) => {
                self.text(text, path);
                Some(text.to_owned())
            }
        }
    }

    fn url(&mut self, url: Option<&str>, path: &str, example: &str) -> Option<String> {
        let url = self.required(url, path, &format!("a URL, for example {example}"))?;
        let host =
            url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).map(|rest| rest.split(['/', '?']).next().unwrap_or(""));
        match host {
            Some(host) if !host.is_empty() && !host.contains('@') && !url.contains(char::is_whitespace) => return Some(url),
            Some(host) if host.contains('@') => {
                self.problems.add(path, "has a password in it: write headerFiles: {authorization: FILE}, with `Basic ...` in the file");
            }
            _ => self.problems.add(path, format!("{url:?} is no URL: write for example {example}")),
        }
        None
    }

    fn headers(
        &mut self,
        path: &str,
        texts: Option<&BTreeMap<String, String>>,
        files: Option<&BTreeMap<String, String>>,
        token: Option<&String>,
    ) -> Vec<Header> {
        let texts = texts.into_iter().flatten().map(|(name, text)| ("headers", name, HeaderValue::Text(text.clone())));
        let files = files.into_iter().flatten().map(|(name, file)| ("headerFiles", name, HeaderValue::File(file.clone())));
        let authorization = "authorization".to_owned();
        let token = token.into_iter().map(|file| ("tokenFile", &authorization, HeaderValue::Bearer(file.clone())));
        let mut headers: Vec<Header> = Vec::new();
        for (field, name, value) in texts.chain(files).chain(token) {
            let at = if field == "tokenFile" { format!("{path}.{field}") } else { format!("{path}.{field}.{name}") };
            if let HeaderValue::Text(text) = &value {
                self.text(text, &at);
                if text.contains(|c: char| c.is_control() && c != '\t') {
                    self.problems.add(&at, "has a control character: a header is one line");
                }
            }
            if !is_token(name) {
                self.problems.add(&at, format!("{name:?} is no name of a header"));
            }
            if headers.iter().any(|header| header.name.eq_ignore_ascii_case(name)) {
                self.problems.add(&at, format!("{name} is written twice: remove one"));
            }
            headers.push(Header { name: name.clone(), value });
        }
        headers
    }
}

/// RFC 9110, `token`.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn known() -> String {
    format!("{}, and times such as {{{{now-5m}}}}", PROVIDED.map(|name| format!("{{{{{name}}}}}")).join(", "))
}
