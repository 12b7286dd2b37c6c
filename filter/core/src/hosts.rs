//! From an authority to what is decided there: the service that claims it, and the flags.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::Ipv6Addr;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A port that a host is claimed at; none: any.
pub(crate) type Port = Option<u16>;

/// Longest host that is looked up, bytes (RFC 1035 §2.3.4, and room for an address in brackets).
const HOST_MAX: usize = 255;

/// Ports that an authority without one may mean, in this order (RFC 9110 §4.2).
const DEFAULT_PORTS: [u16; 2] = [80, 443];

/// Everything decided at the hosts of a policy: a position among its sites, found in the same time however many there are.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hosts {
    exact: Map,
    /// Under the suffix with its leading dot.
    wildcard: Map,
    answers: Vec<Answers>,
}

/// Hosts by who claims them. A service claims under the name "", a flag under its own: only equal names are rivals.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims<'p> {
    exact: Map,
    wildcard: Map,
    all: Vec<Vec<Claim<'p>>>,
}

#[derive(Debug, Clone, Copy)]
struct Claim<'p> {
    name: &'p str,
    port: Port,
    by: usize,
}

/// The site of one host by port; those of wildcards above it are included.
#[derive(Debug, Clone, Default)]
struct Answers {
    /// For these ports.
    at: Vec<(u16, Option<usize>)>,
    /// For an authority without a port.
    unsaid: Option<usize>,
    /// For all other ports.
    other: Option<usize>,
}

/// What an authority says about its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// This one.
    Port(u16),
    /// Nothing.
    Nothing,
    /// One that no claim names, or none that is written as a port is.
    Another,
}

/// Positions in a list; one kind of map for all, because each kind is some kilobytes of code.
type Map = HashMap<String, usize, BuildHasherDefault<HostHasher>>;

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
            (name, Said::Nothing) if !name.is_empty() && name.bytes().all(in_host) && !name.starts_with('.') && !name.contains("..") => {
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

impl<'p> Claims<'p> {
    /// Which one claims a pattern under this name already, otherwise none and the pattern is now claimed.
    pub(crate) fn claim(&mut self, name: &'p str, pattern: Pattern, port: Port, by: usize) -> Option<usize> {
        let claims = self.of(pattern)?;
        let taken = claims.iter().find(|claim| claim.port == port && claim.name == name).map(|claim| claim.by);
        if taken.is_none() {
            claims.push(Claim { name, port, by });
        }
        taken
    }

    /// As [`Claims::claim`] for a host of one namespace's callers: it wins over everybody else's host of that name.
    pub(crate) fn override_exact(&mut self, name: &'p str, host: String, port: Port, by: usize) {
        let Some(claims) = self.of(Pattern::Exact(host)) else { return };
        claims.retain(|claim| claim.port != port || claim.name != name);
        claims.push(Claim { name, port, by });
    }

    /// The claims of a pattern, which is known from now on; never none.
    fn of(&mut self, pattern: Pattern) -> Option<&mut Vec<Claim<'p>>> {
        let next = self.all.len();
        let position = match pattern {
            Pattern::Exact(host) => *self.exact.entry(host).or_insert(next),
            Pattern::Suffix(suffix) => *self.wildcard.entry(suffix).or_insert(next),
        };
        if position == next {
            self.all.push(Vec::new());
        }
        self.all.get_mut(position)
    }

    /// Claims of wildcards that cover a host, longest first.
    fn covering(&self, host: &str) -> impl Iterator<Item = &[Claim<'p>]> {
        suffixes(host).filter_map(|suffix| self.all.get(*self.wildcard.get(suffix)?)).map(Vec::as_slice)
    }

    /// Whose requests to a host are, one for each name, the longest pattern first, and of one pattern the port before any port.
    fn owners(&self, host: &str, said: Said, own: &[Claim<'p>]) -> Vec<Claim<'p>> {
        let mut owners: Vec<Claim<'p>> = Vec::new();
        for claims in [own].into_iter().chain(self.covering(host)) {
            for claim in claims {
                if !owners.iter().any(|owner| owner.name == claim.name) {
                    owners.extend(choose(claims, claim.name, said));
                }
            }
        }
        owners
    }

    /// Looks all of it up beforehand. `site` turns who owns the requests of a host into a position among sites.
    pub(crate) fn resolve(&self, mut site: impl FnMut(&[(&'p str, usize)]) -> Option<usize>) -> Hosts {
        let mut answers: Vec<Answers> = vec![Answers::default(); self.all.len()];
        for (host, position) in self.exact.iter().chain(&self.wildcard) {
            let Some(own) = self.all.get(*position) else { continue };
            let mut of = |said: Said| {
                let owners: Vec<_> = self.owners(host, said, own).into_iter().map(|claim| (claim.name, claim.by)).collect();
                site(&owners)
            };
            let at = self.ports(host, own).into_iter().map(|port| (port, of(Said::Port(port)))).collect();
            if let Some(answer) = answers.get_mut(*position) {
                *answer = Answers { at, unsaid: of(Said::Nothing), other: of(Said::Another) };
            }
        }
        Hosts { exact: self.exact.clone(), wildcard: self.wildcard.clone(), answers }
    }

    /// Ports at which any claim names the host, each once.
    fn ports(&self, host: &str, own: &[Claim<'p>]) -> Vec<u16> {
        let mut ports = Vec::new();
        for port in [own].into_iter().chain(self.covering(host)).flatten().filter_map(|claim| claim.port) {
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
        ports
    }
}

impl Hosts {
    /// The site of an authority.
    #[inline(never)]
    pub(crate) fn find(&self, authority: &str) -> Option<usize> {
        let (host, said) = split(authority)?;
        let position = self.exact.get(host.as_ref()).or_else(|| {
            if self.wildcard.is_empty() {
                return None;
            }
            suffixes(&host).find_map(|suffix| self.wildcard.get(suffix))
        })?;
        let answers = self.answers.get(*position)?;
        match said {
            Said::Nothing => answers.unsaid,
            Said::Port(port) => answers.at.iter().find(|(at, _)| *at == port).map_or(answers.other, |(_, site)| *site),
            Said::Another => answers.other,
        }
    }
}

/// What wildcards may cover a host with, longest first; a suffix of its own (`.shop.test`) is not among them.
fn suffixes(host: &str) -> impl Iterator<Item = &str> {
    host.bytes().enumerate().skip(1).filter(|(_, byte)| *byte == b'.').filter_map(|(at, _)| host.get(at..))
}

/// The claim of that name at the port, else the one at any port.
fn choose<'p>(claims: &[Claim<'p>], name: &str, said: Said) -> Option<Claim<'p>> {
    let at = |wanted: Port| claims.iter().find(|claim| claim.name == name && claim.port == wanted).copied();
    match said {
        Said::Port(port) => at(Some(port)),
        Said::Nothing => DEFAULT_PORTS.iter().find_map(|port| at(Some(*port))),
        Said::Another => None,
    }
    .or_else(|| at(None))
}

/// Host in its one written form (lower case, no trailing dot, shortest form of an IPv6 address in brackets) and port. None when it
/// cannot be an authority.
///
/// Envoy takes what follows the last colon for the port, whatever it is, when it looks for the virtual host, and our routes compare a
/// port as text. So here too `028100`, `0`, `99999` and `80a` are ports that no claim names: a service that names its port does not
/// get them, one at any port does.
fn split(authority: &str) -> Option<(Cow<'_, str>, Said)> {
    if authority.len() > HOST_MAX {
        return None;
    }
    if let Some(inner) = authority.strip_prefix('[') {
        let (address, rest) = inner.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let port = if rest.is_empty() { "" } else { rest.strip_prefix(':').filter(|port| !port.contains(':'))? };
        return Some((Cow::Owned(format!("[{address}]")), Said::parse(port)));
    }
    let (host, said) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, Said::parse(port)),
        None => (authority, Said::Nothing),
    };
    if host.contains(':') {
        return None;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let upper = host.bytes().any(|byte| byte.is_ascii_uppercase());
    Some((if upper { Cow::Owned(host.to_ascii_lowercase()) } else { Cow::Borrowed(host) }, said))
}

impl Said {
    /// `shop.test:` means the default port too (RFC 3986 §3.2.3).
    fn parse(text: &str) -> Self {
        let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
        match text.parse() {
            _ if text.is_empty() => Self::Nothing,
            Ok(port) if canonical => Self::Port(port),
            Ok(_) | Err(_) => Self::Another,
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    // What Envoy makes of each, with our routes: `tests/envoy/xds_ports.rs`.
    #[test_case("shop.test", Some(("shop.test", Said::Nothing)))]
    #[test_case("shop.test:", Some(("shop.test", Said::Nothing)); "an empty port")]
    #[test_case("shop.test:8080", Some(("shop.test", Said::Port(8080))))]
    #[test_case("Shop.Test.:8080", Some(("shop.test", Said::Port(8080))); "a trailing dot")]
    #[test_case("shop.test:08080", Some(("shop.test", Said::Another)); "a leading zero")]
    #[test_case("shop.test:080", Some(("shop.test", Said::Another)); "a leading zero before a default port")]
    #[test_case("shop.test:0", Some(("shop.test", Said::Another)))]
    #[test_case("shop.test:00", Some(("shop.test", Said::Another)))]
    #[test_case("shop.test:65535", Some(("shop.test", Said::Port(65_535))))]
    #[test_case("shop.test:65536", Some(("shop.test", Said::Another)))]
    #[test_case("shop.test:99999", Some(("shop.test", Said::Another)))]
    #[test_case("shop.test:80a", Some(("shop.test", Said::Another)))]
    #[test_case("shop.test:+80", Some(("shop.test", Said::Another)))]
    #[test_case("shop.test:-1", Some(("shop.test", Said::Another)))]
    #[test_case("shop.test:80:80", None; "two ports")]
    #[test_case("shop.test::80", None; "two colons")]
    #[test_case("[::1]", Some(("[::1]", Said::Nothing)))]
    #[test_case("[::1]:", Some(("[::1]", Said::Nothing)))]
    #[test_case("[0:0::1]:8080", Some(("[::1]", Said::Port(8080))))]
    #[test_case("[::1]:08080", Some(("[::1]", Said::Another)))]
    #[test_case("[::1]:80:80", None)]
    #[test_case("[::1]::80", None)]
    #[test_case("[::1]80", None)]
    #[test_case("::1", None; "an address without brackets")]
    fn authorities(authority: &str, expected: Option<(&str, Said)>) {
        assert_eq!(split(authority).map(|(host, said)| (host.into_owned(), said)), expected.map(|(host, said)| (host.to_owned(), said)));
    }
}
