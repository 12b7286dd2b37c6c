//! What stickiness hashes: the first non-empty entry of a configured chain.

use std::cell::OnceCell;

use crate::at::At;
use crate::compile::{PolicyError, Problem};
use crate::cookie::{CookieAttributes, SameSite};
use crate::decision::Generated;
use crate::fields::{CookieAt, Fields, HeaderAt, QueryAt, Values};
use crate::limits;
use crate::policy::{KeySource, Keyless};
use crate::request::Request;

/// A compiled key chain.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    sources: Vec<Source>,
    keyless: Keyless,
    generate: Option<Generate>,
}

#[derive(Debug, Clone)]
struct Source {
    from: Place,
    /// For people: `cookie shunt-id`.
    label: String,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Cookie(CookieAt),
    Header(HeaderAt),
    Query(QueryAt),
}

#[derive(Debug, Clone)]
struct Generate {
    cookie: String,
    /// For people: `new cookie shunt-id`.
    label: String,
    /// What follows name and value in the `set-cookie`.
    attributes: String,
}

/// The label of keys that are not sticky.
const REQUEST_ID: &str = "request id";

impl Chain {
    /// Checks a chain and notes in `fields` what it reads.
    pub(crate) fn compile(raw: &[KeySource], keyless: Keyless, fields: &mut Fields, at: &At<'_>) -> Result<Self, PolicyError> {
        at.bound(raw.len(), limits::KEYS)?;
        let mut chain = Self { sources: Vec::with_capacity(raw.len()), keyless, generate: None };
        for (index, source) in raw.iter().enumerate() {
            let at = at.index(index);
            let (from, label) = match (&source.cookie, &source.header, &source.query) {
                (Some(name), None, None) => (Place::Cookie(fields.cookie(name, &at.field("cookie"))?), format!("cookie {name}")),
                (None, Some(name), None) => (Place::Header(fields.header(name, &at.field("header"))?), format!("header {name}")),
                (None, None, Some(name)) => (Place::Query(fields.query(name, &at.field("query"))?), format!("query parameter {name}")),
                _ => return Err(at.wrong(Problem::OneOf("cookie, header, query"))),
            };
            chain.sources.push(Source { from, label });
            if let Some(attributes) = &source.generate {
                let at = at.field("generate");
                let cookie = source.cookie.clone().ok_or_else(|| at.wrong(Problem::GenerateWithoutCookie))?;
                if chain.generate.is_some() {
                    return Err(at.wrong(Problem::SecondGenerate));
                }
                check(&cookie, attributes, &at)?;
                let label = format!("new cookie {cookie}");
                chain.generate = Some(Generate { cookie, label, attributes: attributes.to_string() });
            }
        }
        Ok(chain)
    }

    /// True when a key may be the request id.
    pub(crate) fn reads_request_id(&self) -> bool {
        self.generate.is_none() && (self.sources.is_empty() || self.keyless == Keyless::Split)
    }

    /// True when a query parameter may be the key.
    pub(crate) fn reads_query(&self) -> bool {
        self.sources.iter().any(|source| matches!(source.from, Place::Query(_)))
    }
}

fn check(cookie: &str, attributes: &CookieAttributes, at: &At<'_>) -> Result<(), PolicyError> {
    let path = at.field("path");
    path.length(&attributes.path, limits::TEXT)?;
    if !attributes.path.starts_with('/') || !attribute_text(&attributes.path) {
        return Err(path.wrong(Problem::CookiePath(attributes.path.clone())));
    }
    if let Some(domain) = &attributes.domain {
        let at = at.field("domain");
        at.length(domain, limits::TEXT)?;
        if domain.is_empty() || !domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.') {
            return Err(at.wrong(Problem::CookieDomain(domain.clone())));
        }
    }
    if attributes.same_site == SameSite::None && !attributes.secure {
        return Err(at.field("sameSite").wrong(Problem::NeedsSecure("SameSite=None")));
    }
    if attributes.partitioned && !attributes.secure {
        return Err(at.field("partitioned").wrong(Problem::NeedsSecure("Partitioned")));
    }
    prefix(cookie, attributes).map_err(|problem| at.wrong(problem))
}

/// Browsers refuse cookies with these names unless the attributes fit (draft-ietf-httpbis-rfc6265bis §4.1.3).
fn prefix(cookie: &str, attributes: &CookieAttributes) -> Result<(), Problem> {
    let name = cookie.to_ascii_lowercase();
    let host_only = attributes.path == "/" && attributes.domain.is_none();
    if name.starts_with("__host-") && !(attributes.secure && host_only) {
        return Err(Problem::HostPrefix);
    }
    if name.starts_with("__secure-") && !attributes.secure {
        return Err(Problem::NeedsSecure("a name that begins with __Secure-"));
    }
    Ok(())
}

/// `av-octet` of RFC 6265 §4.1.1 as rfc6265bis has it: printable ASCII without `;`.
fn attribute_text(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b';')
}

/// The key of one request.
pub(crate) struct Key<'r, 'q> {
    bytes: Bytes<'q>,
    pub(crate) label: &'r str,
    pub(crate) origin: Origin,
}

enum Bytes<'q> {
    Read(&'q [u8]),
    Made([u8; 32]),
}

/// Where a key comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Of the chain, present in the request.
    Chain,
    /// Of the chain, made now.
    Generated,
    /// The request id, because no chain is configured.
    RequestId,
    /// The request id, because nothing of the chain is present.
    Keyless,
}

impl Key<'_, '_> {
    /// True when the same user has it next time, too.
    pub(crate) fn is_sticky(&self) -> bool {
        matches!(self.origin, Origin::Chain | Origin::Generated)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Read(bytes) => bytes,
            Bytes::Made(id) => id,
        }
    }
}

/// Finds the key when it is first asked for.
pub(crate) struct Keys<'r, 'v, 'q> {
    chain: &'r Chain,
    values: Values<'v, 'q>,
    found: OnceCell<Option<Key<'r, 'v>>>,
}

impl<'r, 'v, 'q> Keys<'r, 'v, 'q> {
    pub(crate) fn new(chain: &'r Chain, values: Values<'v, 'q>) -> Self {
        Self { chain, values, found: OnceCell::new() }
    }

    /// None: a chain is configured, nothing of it is present, and then stable answers.
    pub(crate) fn get(&self) -> Option<&Key<'r, 'v>> {
        self.found.get_or_init(|| self.find()).as_ref()
    }

    fn find(&self) -> Option<Key<'r, 'v>> {
        if self.chain.sources.is_empty() {
            return Some(self.request_id(Origin::RequestId));
        }
        let present = self.chain.sources.iter().find_map(|source| Some((source, self.read(source)?)));
        if let Some((source, bytes)) = present {
            return Some(Key { bytes: Bytes::Read(bytes), label: &source.label, origin: Origin::Chain });
        }
        if let Some(generate) = &self.chain.generate {
            return Some(Key { bytes: Bytes::Made(hex(self.values.request.entropy)), label: &generate.label, origin: Origin::Generated });
        }
        match self.chain.keyless {
            Keyless::Stable => None,
            Keyless::Split => Some(self.request_id(Origin::Keyless)),
        }
    }

    fn read(&self, source: &Source) -> Option<&'v [u8]> {
        let value = match source.from {
            Place::Cookie(at) => self.values.cookie(at),
            Place::Header(at) => self.values.header(at),
            Place::Query(at) => self.values.query(at),
        };
        value.filter(|value| !value.is_empty() && value.len() <= limits::VALUE)
    }

    fn request_id(&self, origin: Origin) -> Key<'r, 'v> {
        Key { bytes: request_id(self.values.request), label: REQUEST_ID, origin }
    }

    /// The cookie to set, if a key was made.
    pub(crate) fn generated(&self) -> Option<Generated<'r>> {
        let key = self.found.get()?.as_ref().filter(|key| key.origin == Origin::Generated)?;
        let generate = self.chain.generate.as_ref()?;
        let value = String::from_utf8_lossy(key.bytes()).into_owned();
        let set_cookie = format!("{}={value}{}", generate.cookie, generate.attributes);
        Some(Generated { cookie: &generate.cookie, value, set_cookie })
    }

    /// True when a chain without `generate` is configured and nothing of it is present, whether or not a key was needed.
    pub(crate) fn keyless(&self) -> bool {
        if self.chain.sources.is_empty() || self.chain.generate.is_some() {
            return false;
        }
        self.get().is_none_or(|key| key.origin == Origin::Keyless)
    }
}

/// The request id as a key by itself: what copies are decided over.
pub(crate) fn request_key(request: &Request) -> Key<'static, '_> {
    Key { bytes: request_id(request), label: REQUEST_ID, origin: Origin::RequestId }
}

/// A request without an id gets a random one, for this decision only.
fn request_id(request: &Request) -> Bytes<'_> {
    let id = request.request_id.as_bytes();
    if id.is_empty() { Bytes::Made(hex(request.entropy)) } else { Bytes::Read(id) }
}

/// 128 bits as 32 lower-case digits.
fn hex(entropy: [u64; 2]) -> [u8; 32] {
    let mut text = [b'0'; 32];
    let [first, second] = entropy.map(u64::to_be_bytes);
    let nibbles = first.into_iter().chain(second).flat_map(|byte| [byte >> 4, byte & 0xf]);
    for (place, nibble) in text.iter_mut().zip(nibbles) {
        *place = char::from_digit(u32::from(nibble), 16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(b'0');
    }
    text
}
