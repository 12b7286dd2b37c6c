//! A request as the shop received it.

use hyper::http::request::Parts;
use serde::{Deserialize, Serialize};

/// One request. Values that are not UTF-8 are given in hex. Headers of one name keep their order and number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seen {
    /// The version that answers.
    pub version: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub protocol: String,
    /// The method.
    pub method: String,
    /// `Host` or `:authority`.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// All headers.
    pub headers: Vec<SeenHeader>,
    /// Length of the body that came with it; 0 in `/admin/requests`, where requests are noted before it is read.
    pub body_bytes: u64,
}

/// One header: `value` or `hex` is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenHeader {
    /// In lower case.
    pub name: String,
    /// The value, if it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value's bytes in hex, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

impl Seen {
    /// The values of one header as text (hex for what is not UTF-8), in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|header| header.name == name);
        named.filter_map(|header| header.value.as_deref().or(header.hex.as_deref())).collect()
    }

    /// The first value of one header; `None` when it is absent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// True when it is a mirrored copy.
    pub fn shadow(&self) -> bool {
        self.header("x-shunt-shadow") == Some("1")
    }

    pub(super) fn new(version: &str, head: &Parts) -> Self {
        let header = |name: &hyper::header::HeaderName, bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
            let hex = if text.is_none() { Some(bytes.iter().map(|b| format!("{b:02x}")).collect()) } else { None };
            SeenHeader { name: name.as_str().to_owned(), value: text, hex }
        };
        let host = head.headers.get("host").map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
        Self {
            version: version.to_owned(),
            protocol: format!("{:?}", head.version),
            method: head.method.to_string(),
            authority: head.uri.authority().map(ToString::to_string).or(host).unwrap_or_default(),
            path: head.uri.path_and_query().map_or_else(|| head.uri.to_string(), ToString::to_string),
            headers: head.headers.iter().map(|(name, value)| header(name, value.as_bytes())).collect(),
            body_bytes: 0,
        }
    }
}
