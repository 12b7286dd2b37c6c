//! From an authority to the service that claims it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::Ipv6Addr;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A port that a service is claimed at; none: any.
pub(crate) type Port = Option<u16>;

/// Longest host that is looked up, bytes (RFC 1035 §2.3.4, and room for an address in brackets).
const HOST_MAX: usize = 255;

/// Ports that an authority without one may mean, in this order (RFC 9110 §4.2).
const DEFAULT_PORTS: [u16; 2] = [80, 443];

/// All hosts of a policy, by what claims them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts {
    exact: Map,
    /// Under the suffix with its leading dot.
    wildcard: Map,
}

type Map = HashMap<String, Vec<(Port, usize)>, BuildHasherDefault<HostHasher>>;

/// A host as a policy writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pattern {
    /// `shop.test`, `[::1]`.
    Exact(String),
    /// `*.shop.test`, kept as `.shop.test`: one label or more in front, so not `shop.test` itself.
    Suffix(String),
}

impl Pattern {
    /// None when the text is neither a host nor a wildcard suffix, or names a port.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (host, wildcard) = match text.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let bracketed = host.parse::<Ipv6Addr>().map(|address| format!("[{address}]"));
        let host = bracketed.as_deref().unwrap_or(host);
        match split(host)? {
            (name, None) if !name.is_empty() && name.bytes().all(in_host) && !name.starts_with('.') && !name.contains("..") => {
                Some(if wildcard && !name.starts_with('[') {
                    Self::Suffix(format!(".{name}"))
                } else if wildcard {
                    return None;
                } else {
                    Self::Exact(name.into_owned())
                })
            }
            _ => None,
        }
    }
}

/// Letters, digits and `-._` of names, `[]:` of addresses.
fn in_host(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'[' | b']' | b':')
}

impl Hosts {
    /// Whoever claims a pattern already, otherwise none and the pattern is now claimed.
    pub(crate) fn claim(&mut self, pattern: Pattern, port: Port, service: usize) -> Option<usize> {
        let claims = match pattern {
            Pattern::Exact(host) => self.exact.entry(host),
            Pattern::Suffix(suffix) => self.wildcard.entry(suffix),
        }
        .or_default();
        let taken = claims.iter().find(|(at, _)| *at == port).map(|(_, by)| *by);
        if taken.is_none() {
            claims.push((port, service));
        }
        taken
    }

    /// As [`Hosts::claim`] for a host of one namespace's callers: it wins over everybody else's host of that name.
    pub(crate) fn override_exact(&mut self, host: String, port: Port, service: usize) {
        let claims = self.exact.entry(host).or_default();
        claims.retain(|(at, _)| *at != port);
        claims.push((port, service));
    }

    /// The service of an authority.
    pub(crate) fn find(&self, authority: &str) -> Option<usize> {
        let (host, port) = split(authority)?;
        if let Some(service) = self.exact.get(host.as_ref()).and_then(|claims| choose(claims, port)) {
            return Some(service);
        }
        if self.wildcard.is_empty() {
            return None;
        }
        let dots = host.bytes().enumerate().skip(1).filter(|(_, byte)| *byte == b'.');
        let mut suffixes = dots.filter_map(|(at, _)| host.get(at..));
        suffixes.find_map(|suffix| choose(self.wildcard.get(suffix)?, port))
    }
}

/// The claim at the port, else the one at any port.
fn choose(claims: &[(Port, usize)], port: Port) -> Option<usize> {
    let at = |wanted: Port| claims.iter().find(|(port, _)| *port == wanted).map(|(_, service)| *service);
    match port {
        Some(port) => at(Some(port)),
        None => DEFAULT_PORTS.iter().find_map(|port| at(Some(*port))),
    }
    .or_else(|| at(None))
}

/// Host in its one written form (lower case, no trailing dot, shortest form of an IPv6 address in brackets) and port. None when it
/// cannot be an authority.
fn split(authority: &str) -> Option<(Cow<'_, str>, Port)> {
    if authority.len() > HOST_MAX {
        return None;
    }
    if let Some(inner) = authority.strip_prefix('[') {
        let (address, rest) = inner.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let port = if rest.is_empty() { None } else { parse_port(rest.strip_prefix(':')?)? };
        return Some((Cow::Owned(format!("[{address}]")), port));
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, parse_port(port)?),
        None => (authority, None),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    let upper = host.bytes().any(|byte| byte.is_ascii_uppercase());
    Some((if upper { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) }, port))
}

/// `shop.test:` means the default port too (RFC 3986 §3.2.3).
fn parse_port(text: &str) -> Option<Port> {
    if text.is_empty() {
        return Some(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().map(Some)
}

/// XXH3 over the host. The table holds only names of the policy, so requests cannot make its entries collide, and a random seed
/// would only make the filter impure.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct HostHasher(u64);

impl Hasher for HostHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// The end mark of a `str`: nothing follows it here.
    fn write_u8(&mut self, _end: u8) {}
}
