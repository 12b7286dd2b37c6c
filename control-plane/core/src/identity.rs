//! Which proxy a connection speaks for: a certificate names it, and it may report and subscribe only as itself.

use std::fmt::Write;

use thiserror::Error;

/// What a proxy's certificate says in front of its node id, as a URI. The id is percent-encoded (RFC 3986).
pub const PROXY_URI: &str = "spiffe://shunt/proxy/";

/// Names in a verified client certificate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    uris: Vec<String>,
    hosts: Vec<String>,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Caller {
    /// A process on this machine, over a loopback address where no certificates are asked for.
    Local,
    /// It proved to be who its certificate names.
    Certified(Identity),
    /// It showed no certificate, although proxies must.
    #[default]
    Unknown,
}

/// A connection does not speak for this proxy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentityMismatch {
    /// It showed no certificate.
    #[error("a proxy must show a client certificate that names it: make one with `shunt certs proxy {0}`")]
    Uncertified(String),
    /// Its certificate is another proxy's, or none's.
    #[error("the certificate names {names}, not {node}: every proxy speaks for itself only")]
    Other {
        /// Whom it wants to speak for.
        node: String,
        /// Whom its certificate names.
        names: String,
    },
}

impl Identity {
    /// The subject alternative names of a certificate: URIs and host names.
    pub fn new(uris: impl IntoIterator<Item = String>, hosts: impl IntoIterator<Item = String>) -> Self {
        Self { uris: uris.into_iter().collect(), hosts: hosts.into_iter().collect() }
    }

    /// Whether it names the proxy with this node id: by our URI, or by a host name that equals it.
    pub fn names(&self, node: &str) -> bool {
        let uri = proxy_uri(node);
        self.uris.contains(&uri) || self.hosts.iter().any(|host| host == node)
    }

    /// All names, for people, and to tell callers apart.
    pub fn text(&self) -> String {
        let all: Vec<&str> = self.uris.iter().chain(&self.hosts).map(String::as_str).collect();
        if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
    }
}

impl Caller {
    /// Whether it may speak for this proxy.
    pub fn may_be(&self, node: &str) -> Result<(), IdentityMismatch> {
        match self {
            Self::Local => Ok(()),
            Self::Certified(identity) if identity.names(node) => Ok(()),
            Self::Certified(identity) => Err(IdentityMismatch::Other { node: node.to_owned(), names: identity.text() }),
            Self::Unknown => Err(IdentityMismatch::Uncertified(node.to_owned())),
        }
    }
}

/// The URI that names a proxy in its certificate.
pub fn proxy_uri(node: &str) -> String {
    let mut uri = PROXY_URI.to_owned();
    for byte in node.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            uri.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn certified(uris: &[&str], hosts: &[&str]) -> Caller {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Caller::Certified(Identity::new(own(uris), own(hosts)))
    }

    #[test_case("edge-1", "spiffe://shunt/proxy/edge-1")]
    #[test_case("sidecar~10.0.0.1~a/b c", "spiffe://shunt/proxy/sidecar~10.0.0.1~a%2Fb%20c")]
    #[test_case("käse", "spiffe://shunt/proxy/k%C3%A4se")]
    fn uris(node: &str, uri: &str) {
        assert_eq!(proxy_uri(node), uri);
        assert_eq!(certified(&[uri], &[]).may_be(node), Ok(()));
    }

    #[test]
    fn a_host_name_counts_when_it_is_the_node_id() {
        assert_eq!(certified(&[], &["edge-1"]).may_be("edge-1"), Ok(()));
        assert!(certified(&[], &["edge-1.shop.test"]).may_be("edge-1").is_err());
    }

    #[test_case("spiffe://shunt/proxy/edge-10"; "a longer name")]
    #[test_case("spiffe://shunt/proxy/"; "no name")]
    #[test_case("spiffe://other/proxy/edge-1"; "another trust domain")]
    #[test_case("spiffe://shunt/proxy/edge-1/x"; "a deeper path")]
    fn others_are_refused(uri: &str) {
        let error = certified(&[uri], &[]).may_be("edge-1").unwrap_err();
        assert!(error.to_string().contains(uri) && error.to_string().contains("not edge-1"), "{error}");
    }

    #[test]
    fn without_a_certificate_only_this_machine_speaks_for_proxies() {
        assert_eq!(Caller::Local.may_be("edge-1"), Ok(()));
        assert!(Caller::default().may_be("edge-1").unwrap_err().to_string().contains("shunt certs proxy edge-1"));
        assert!(certified(&[], &[]).may_be("edge-1").unwrap_err().to_string().contains("names nothing"));
    }
}
