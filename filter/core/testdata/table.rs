//! The types of `testdata/cases/*.yaml`, shared by the tests that run the table (`#[path]`-included): natively, and through a real Envoy.
//! See `testdata/README.md`.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "shared by two test binaries, each of which uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::string_slice, clippy::indexing_slicing, reason = "only tests include it")]

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use shunt_filter_core::{Request, RoutingPolicy};

/// One file: a policy and the cases that run under it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What is proved, for people.
    pub about: String,
    /// The namespace of the caller's proxy.
    #[serde(default)]
    pub namespace: Option<String>,
    pub policy: RoutingPolicy,
    pub cases: Vec<Case>,
}

/// One request and what comes of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The rule that it proves.
    pub name: String,
    pub request: RawRequest,
    pub expect: Expect,
}

/// A request as a client sends it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRequest {
    #[serde(default = "get")]
    pub method: String,
    #[serde(default = "shop")]
    pub authority: String,
    #[serde(default = "root")]
    pub path: String,
    /// Lines in order, each a map of one name.
    #[serde(default)]
    pub headers: Vec<BTreeMap<String, Bytes>>,
    #[serde(default)]
    pub body: Body,
}

fn get() -> String {
    "GET".to_owned()
}

fn shop() -> String {
    "shop.test".to_owned()
}

fn root() -> String {
    "/".to_owned()
}

/// A header's value.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Bytes {
    Text(String),
    Hex {
        hex: String,
    },
    /// `text`, `times` over.
    Repeat {
        repeat: String,
        times: usize,
    },
}

/// How long a body is, and whether it says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Body {
    #[default]
    None,
    /// With `content-length`.
    Length(usize),
    /// With `transfer-encoding: chunked`.
    Chunked(usize),
}

/// What comes of a request. What is left out is expected to be absent, except where said.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Expect {
    /// `<namespace>/<rollout>` that decides; absent: no service has the host, and only flags may be decided.
    #[serde(default)]
    pub service: Option<String>,
    /// Who answers.
    #[serde(default)]
    pub version: Option<String>,
    /// Pattern of the sentence; absent: not checked.
    #[serde(default)]
    pub reason: Option<String>,
    /// Who gets a copy.
    #[serde(default)]
    pub mirror: Option<String>,
    /// True: counted as keyless.
    #[serde(default)]
    pub keyless: bool,
    /// Pattern of the `set-cookie` on the response.
    #[serde(default)]
    pub set_cookie: Option<String>,
    #[serde(default)]
    pub upstream: Upstream,
}

/// Headers as the upstream gets them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// `x-shunt-route`.
    #[serde(default)]
    pub route: Option<String>,
    /// `x-shunt-flags`, lines joined by `, `.
    #[serde(default)]
    pub flags: Option<String>,
    /// Pattern of all `cookie` lines joined by `; `; absent: not checked.
    #[serde(default)]
    pub cookie: Option<String>,
}

impl Bytes {
    pub fn to_vec(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Hex { hex } => {
                hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
            }
            Self::Repeat { repeat, times } => repeat.repeat(*times).into_bytes(),
        }
    }
}

impl RawRequest {
    /// Header lines as they were sent, names as written.
    pub fn lines(&self) -> impl Iterator<Item = (&str, Vec<u8>)> {
        self.headers.iter().flatten().map(|(name, value)| (name.as_str(), value.to_vec()))
    }

    /// The request as a proxy shows it to the filter.
    pub fn to_request(&self) -> Request {
        let mut headers: Vec<_> = self.lines().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        headers.push((":authority".to_owned(), self.authority.clone().into_bytes()));
        match self.body {
            Body::None => {}
            Body::Length(length) => headers.push(("content-length".to_owned(), length.to_string().into_bytes())),
            Body::Chunked(_) => headers.push(("transfer-encoding".to_owned(), b"chunked".to_vec())),
        }
        let request_id =
            headers.iter().find(|(name, _)| name == "x-request-id").map(|(_, value)| String::from_utf8_lossy(value).into_owned());
        Request {
            method: self.method.clone(),
            path: self.path.clone(),
            headers,
            request_id: request_id.unwrap_or_default(),
            end_of_stream: matches!(self.body, Body::None | Body::Length(0)),
            entropy: [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210],
        }
    }
}

/// Whether a text fits a pattern: literal, but for `{id}` (32 lower-case hex digits), `{tag}` (18 of them) and `{number}` (digits and
/// commas).
pub fn fits(pattern: &str, text: &str) -> bool {
    for (name, length) in [("{id}", 32), ("{tag}", 18)] {
        if let Some(rest) = pattern.strip_prefix(name) {
            let digits = text.as_bytes().iter().take_while(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte)).count();
            return digits == length && fits(rest, &text[digits..]);
        }
    }
    if let Some(rest) = pattern.strip_prefix("{number}") {
        let number = text.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b',').count();
        return number > 0 && fits(rest, &text[number..]);
    }
    match (pattern.chars().next(), text.chars().next()) {
        (None, None) => true,
        (Some(wanted), Some(found)) if wanted == found => fits(&pattern[wanted.len_utf8()..], &text[found.len_utf8()..]),
        _ => false,
    }
}

/// All tables of a folder, by file name.
pub fn load(folder: &Path) -> BTreeMap<String, Table> {
    let files = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let tables = files.map(|file| {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let table = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path.file_stem().unwrap().to_string_lossy().into_owned(), table)
    });
    tables.collect()
}
