//! `service`: what callers ask for.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shunt_filter_core::VersionName;

use crate::plan::{Protocol, Timeouts};
use crate::problems::Problems;
use crate::schema::filter;
use crate::time::Span;

/// Hosts with a port.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// Host names or IPv4 addresses as callers write them, without port; `*.shop.test` matches every name below `shop.test`. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    #[schemars(length(min = 1, max = 64))]
    pub hosts: Option<Vec<String>>,
    /// Port in the `:authority`. Default: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// What instances speak; `http2` for gRPC. Default: `http1`. With endpoints only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The version that the user's own default route names. Required with `cluster:` versions, only there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<filter::VersionName>")]
    pub default_route: Option<VersionName>,
    /// What ends streams. With Shunt's routes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsSpec>,
}

/// `service.timeouts`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeoutsSpec {
    /// A request, stream or WebSocket ends when nothing has been sent in either direction for so long. Default: 5m; 0s: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Span>,
    /// A request, stream or WebSocket ends so long after it began, whatever is sent. Default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<Span>,
}

/// Longest of both: what is meant to last longer has `0s`, or none.
const TIMEOUT_MAX: Span = Span::seconds(7 * 24 * 3_600);

impl TimeoutsSpec {
    /// Every problem noted.
    pub(crate) fn timeouts(self, problems: &mut Problems) -> Timeouts {
        let path = "spec.service.timeouts";
        if self.stream == Some(Span::millis(0)) {
            problems.add(format!("{path}.stream"), "0s is no time at all: write 1s or more, or leave it out for no limit");
        }
        for (field, written) in [("idle", self.idle), ("stream", self.stream)] {
            if let Some(long) = written.filter(|written| *written > TIMEOUT_MAX) {
                let never = if field == "idle" { "0s" } else { "nothing" };
                problems
                    .add(format!("{path}.{field}"), format!("{long} is too long: write at most {TIMEOUT_MAX}, or {never} for no limit"));
            }
        }
        Timeouts { idle: self.idle, stream: self.stream }
    }
}

/// Most hosts of one Rollout.
const HOSTS_MAX: usize = 64;
/// Longest DNS name, bytes (RFC 1035).
const HOST_MAX: usize = 253;

impl ServiceSpec {
    /// Hosts in lower case without trailing dot, every problem noted.
    pub(crate) fn hosts(&self, problems: &mut Problems) -> Vec<String> {
        let path = "spec.service.hosts";
        let written = self.hosts.as_deref().unwrap_or_default();
        match written.len() {
            0 => problems.add(path, "is missing: write at least one host, for example [checkout]"),
            n if n > HOSTS_MAX => problems.add(path, format!("has {n} hosts: at most {HOSTS_MAX} are allowed in one Rollout")),
            _ => {}
        }
        let mut seen = BTreeSet::new();
        let mut hosts = Vec::new();
        for (index, text) in written.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Some(host) = problems.take(&path, host(text)) else { continue };
            if seen.insert(host.clone()) {
                hosts.push(host);
            } else {
                problems.add(path, format!("{text:?} appears twice: remove one"));
            }
        }
        if self.port == Some(0) {
            problems.add("spec.service.port", "0 is not a port: write 1 to 65535, or leave it out for any");
        }
        hosts
    }
}

/// The host as the filter compares it.
pub(crate) fn host(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    let name = lower.strip_suffix('.').unwrap_or(&lower);
    if let Some((host, scheme_rest)) = name.split_once("://") {
        return Err(format!(
            "{text:?} is a URL ({host}): write the host alone, for example {:?}",
            scheme_rest.split('/').next().unwrap_or_default()
        ));
    }
    if name.starts_with('[') || name.parse::<Ipv6Addr>().is_ok() {
        // Envoy looks a host up as it is written, the filter by the address that it means: `[::1]` and `[0:0::1]` would be one host to
        // the filter and two to the routes.
        return Err(format!(
            "{text:?} is an IPv6 address, which has many spellings, and Envoy would know only this one: write a name instead, for example \"shop.test\""
        ));
    }
    if let Some((host, port)) = name.rsplit_once(':') {
        return Err(match port.parse::<u16>() {
            Ok(port) => format!("{text:?} has a port: write {host:?} here and {port} in service.port"),
            Err(_) => format!("{text:?} is not a host: write letters, digits, '-' and '.'"),
        });
    }
    let labels = name.strip_prefix("*.").unwrap_or(name);
    if labels.contains('*') {
        return Err(format!("{text:?} has a * in the wrong place: only a whole first part can be *, as in \"*.shop.test\""));
    }
    let label =
        |part: &str| !part.is_empty() && part.len() <= 63 && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if name.len() > HOST_MAX || !labels.split('.').all(label) {
        return Err(format!("{text:?} is not a host: write letters, digits, '-' and '.' (international names as xn--...)"));
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("checkout", "checkout"; "short")]
    #[test_case("Shop.Test.", "shop.test"; "case and dot")]
    #[test_case("*.shop.test", "*.shop.test"; "wildcard")]
    #[test_case("127.0.0.1", "127.0.0.1"; "IPv4")]
    fn good(text: &str, expected: &str) {
        assert_eq!(host(text).unwrap(), expected);
    }

    #[test_case("http://shop.test/x", "shop.test"; "URL")]
    #[test_case("shop.test:80", "80 in service.port"; "port")]
    #[test_case("a.*.test", "wrong place"; "inner wildcard")]
    #[test_case("shöp", "xn--"; "not ASCII")]
    #[test_case("a..b", "is not a host"; "empty part")]
    #[test_case("", "is not a host"; "empty")]
    #[test_case("[::1]", "write a name instead"; "IPv6")]
    #[test_case("[0:0::1]", "is an IPv6 address"; "IPv6 in another spelling")]
    #[test_case("::1", "is an IPv6 address"; "IPv6 without brackets")]
    #[test_case("[::1]:80", "is an IPv6 address"; "IPv6 with port")]
    fn bad(text: &str, says: &str) {
        let error = host(text).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}
