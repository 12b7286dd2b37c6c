//! Instances that run already: a list of them, or a DNS name.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::INSTANCES_MAX;
use crate::plan::Backend;
use crate::problems::Problems;

pub(super) fn endpoints(written: &[String], path: &str, problems: &mut Problems) -> Option<Backend> {
    if written.is_empty() {
        problems.add(path, "is empty: write host:port of at least one instance; a version without instances is one that is not listed");
        return None;
    }
    if written.len() > INSTANCES_MAX as usize {
        problems.add(path, format!("has {} endpoints: at most {INSTANCES_MAX} are allowed", written.len()));
    }
    let mut seen = BTreeSet::new();
    for (index, text) in written.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if !is_endpoint(text) {
            problems.add(path, format!("{text:?} is not host:port: write for example \"127.0.0.1:9001\" or \"[::1]:9001\""));
        } else if let Some(why) = text.parse().ok().and_then(refuses_requests) {
            problems.add(path, format!("{text:?} {why}: write the address at which the instance answers, for example \"127.0.0.1:9001\""));
        } else if !seen.insert(text) {
            problems.add(path, format!("{text:?} appears twice: remove one"));
        }
    }
    Some(Backend::at(written.to_vec()))
}

/// One name, whose addresses are the instances.
pub(super) fn dns(name: &str, path: &str, problems: &mut Problems) -> Option<Backend> {
    let host = name.rsplit_once(':').map_or(name, |(host, _)| host);
    if !is_endpoint(name) {
        problems.add(path, format!("{name:?} is not host:port: write for example \"checkout-v2.internal:80\""));
        return None;
    }
    if host.starts_with('[') || host.parse::<IpAddr>().is_ok() {
        problems.add(path, format!("{name:?} is an address, not a name: write endpoints: [{name:?}]"));
        return None;
    }
    Some(Backend::at(vec![name.to_owned()]))
}

/// Why requests cannot be sent to an address; none: they can. The same for a manifest and for an instance that registers itself.
pub fn refuses_requests(address: SocketAddr) -> Option<&'static str> {
    // `::ffff:0.0.0.0` is 0.0.0.0.
    let ip = address.ip().to_canonical();
    match ip {
        _ if address.port() == 0 => Some("has port 0, on which nothing can answer"),
        _ if ip.is_unspecified() => Some("means every address of a machine, and none to send to"),
        _ if ip.is_multicast() => Some("is a multicast address, which takes no connections"),
        IpAddr::V4(ip) if ip.is_broadcast() => Some("is the broadcast address, which takes no connections"),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else {
        return false;
    };
    let port_ok = port.parse::<u16>().is_ok_and(|port| port > 0) && port.bytes().all(|b| b.is_ascii_digit());
    let host_ok = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            host.len() <= 253
                && host
                    .split('.')
                    .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')))
        }
    };
    port_ok && host_ok
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("127.0.0.1:9001", true; "IPv4")]
    #[test_case("[::1]:9001", true; "IPv6")]
    #[test_case("checkout-v2.internal:80", true; "DNS name")]
    #[test_case("::1:9001", false; "IPv6 without brackets")]
    #[test_case("checkout", false; "no port")]
    #[test_case("checkout:", false; "empty port")]
    #[test_case("checkout:0", false; "port 0")]
    #[test_case("checkout:+80", false; "signed port")]
    #[test_case("checkout:70000", false; "port too large")]
    #[test_case("http://checkout:80", false; "URL")]
    #[test_case(":80", false; "no host")]
    fn endpoint(text: &str, expected: bool) {
        assert_eq!(is_endpoint(text), expected);
    }
}
