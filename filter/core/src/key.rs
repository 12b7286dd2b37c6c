//! What stickiness hashes: the first non-empty entry of a configured chain.

use std::cell::OnceCell;

use crate::at::At;
use crate::compile::{PolicyError, Problem};
use crate::cookie::{CookieAttributes, SameSite};
use crate::decision::{Generated, GeneratedKind};
use crate::fields::{CookieAt, Fields, HeaderAt, QueryAt, Values};
use crate::limits;
use crate::policy::{KeySource, Keyless};
use crate::request::Request;
use crate::signing::{self, Signature, Signer, Signing};

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
    /// True for the cookie whose ids are signed.
    signed: bool,
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
    signing: Signatures,
}

/// Whether ids are signed.
#[derive(Debug, Clone)]
enum Signatures {
    Unwanted,
    /// There are no signing keys: ids have no tag, and none is good.
    Unavailable,
    By(Box<Signer>),
}

/// The label of keys that are not sticky.
const REQUEST_ID: &str = "request id";

impl Chain {
    /// Checks a chain and notes in `fields` what it reads.
    #[inline(never)]
    pub(crate) fn compile(
        raw: &[KeySource],
        keyless: Keyless,
        signing: Option<&Signing>,
        fields: &mut Fields,
        at: &At<'_>,
    ) -> Result<Self, PolicyError> {
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
            let signed = source.generate.as_ref().is_some_and(|attributes| attributes.signed);
            chain.sources.push(Source { from, signed, label });
            if let Some(attributes) = &source.generate {
                let at = at.field("generate");
                let cookie = source.cookie.clone().ok_or_else(|| at.wrong(Problem::GenerateWithoutCookie))?;
                if chain.generate.is_some() {
                    return Err(at.wrong(Problem::SecondGenerate));
                }
                check(&cookie, attributes, &at)?;
                let label = format!("new cookie {cookie}");
                let signing = match signing {
                    _ if !signed => Signatures::Unwanted,
                    None => Signatures::Unavailable,
                    Some(signing) => Signatures::By(Box::new(Signer::new(signing, &cookie))),
                };
                chain.generate = Some(Generate { cookie, label, attributes: attributes.to_string(), signing });
            }
        }
        Ok(chain)
    }

    /// True when a key may be the request id.
    pub(crate) fn reads_request_id(&self) -> bool {
        self.generate.is_none() && (self.sources.is_empty() || self.keyless == Keyless::Split)
    }

    /// Whether only signed keys count in analyses.
    fn is_signed(&self) -> bool {
        self.generate.as_ref().is_some_and(|generate| !matches!(generate.signing, Signatures::Unwanted))
    }

    fn signer(&self) -> Option<&Signer> {
        match &self.generate.as_ref()?.signing {
            Signatures::By(signer) => Some(signer),
            Signatures::Unwanted | Signatures::Unavailable => None,
        }
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
    standing: Standing,
}

/// What a key is worth to an analysis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The chain's keys are not signed: all count.
    Unsigned,
    /// The current key signed it.
    Good,
    /// The previous one did: it is signed anew.
    Aged,
    /// It was made now, or no filter made it: a client can have as many as it likes of either without asking twice.
    Unproved,
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

    /// Whether requests with this key count in analyses.
    pub(crate) fn counts(&self) -> bool {
        match self.standing {
            Standing::Unsigned | Standing::Good | Standing::Aged => true,
            Standing::Unproved => false,
        }
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
        let standing = if self.chain.is_signed() { Standing::Unproved } else { Standing::Unsigned };
        if let Some((source, value)) = present {
            let (bytes, standing) = match source.from {
                Place::Cookie(_) if source.signed => self.checked(value),
                // Others may sign the same cookie: a new tag must not move its user here.
                Place::Cookie(_) => (signing::parts(value).map_or(value, |(id, _)| id), standing),
                Place::Header(_) | Place::Query(_) => (value, standing),
            };
            return Some(Key { bytes: Bytes::Read(bytes), label: &source.label, origin: Origin::Chain, standing });
        }
        if let Some(generate) = &self.chain.generate {
            let bytes = Bytes::Made(hex(self.values.request.entropy));
            return Some(Key { bytes, label: &generate.label, origin: Origin::Generated, standing });
        }
        match self.chain.keyless {
            Keyless::Stable => None,
            Keyless::Split => Some(self.request_id(Origin::Keyless)),
        }
    }

    /// The id, with or without a tag, and what the tag is worth: with a bad one the user keeps their version all the same.
    fn checked(&self, value: &'v [u8]) -> (&'v [u8], Standing) {
        let Some((id, tag)) = signing::parts(value) else { return (value, Standing::Unproved) };
        let signature = self.chain.signer().map_or(Signature::None, |signer| signer.check(id, tag));
        let standing = match signature {
            Signature::Current => Standing::Good,
            Signature::Previous => Standing::Aged,
            Signature::None => Standing::Unproved,
        };
        (id, standing)
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
        Key { bytes: request_id(self.values.request), label: REQUEST_ID, origin, standing: Standing::Unsigned }
    }

    /// The cookie to set, if a key was made, or is to be signed anew.
    pub(crate) fn generated(&self) -> Option<Generated<'r>> {
        let key = self.found.get()?.as_ref()?;
        let kind = match (key.origin, key.standing) {
            (Origin::Generated, _) => GeneratedKind::New,
            (Origin::Chain, Standing::Aged) => GeneratedKind::SignedAnew,
            (Origin::Chain | Origin::RequestId | Origin::Keyless, _) => return None,
        };
        let generate = self.chain.generate.as_ref()?;
        let value = match self.chain.signer() {
            Some(signer) => signer.sign(key.bytes()),
            None => String::from_utf8_lossy(key.bytes()).into_owned(),
        };
        let set_cookie = format!("{}={value}{}", generate.cookie, generate.attributes);
        Some(Generated { kind, cookie: &generate.cookie, value, set_cookie })
    }

    /// True when a chain without `generate` is configured and nothing of it is present, whether or not a key was needed; or when a
    /// key was needed that should be signed and is not.
    pub(crate) fn keyless(&self) -> bool {
        if self.chain.is_signed() {
            let key = self.found.get().and_then(Option::as_ref);
            return key.is_some_and(|key| key.origin == Origin::Chain && !key.counts());
        }
        if self.chain.sources.is_empty() || self.chain.generate.is_some() {
            return false;
        }
        self.get().is_none_or(|key| key.origin == Origin::Keyless)
    }
}

/// The request id as a key by itself: what copies are decided over.
pub(crate) fn request_key(request: &Request) -> Key<'static, '_> {
    Key { bytes: request_id(request), label: REQUEST_ID, origin: Origin::RequestId, standing: Standing::Unsigned }
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
        *place = signing::digit(nibble);
    }
    text
}
