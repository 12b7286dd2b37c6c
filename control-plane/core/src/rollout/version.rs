//! `versions`: the named builds of the service.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};
use shunt_filter_core::VersionName;

use crate::manifest::Problems;
use crate::plan::{Backend, Version};

/// A named build and where it runs. Exactly one of `endpoints`, `cluster`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionSpec {
    /// Immutable, for example `v2`; never a role like "candidate". Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<VersionName>,
    /// `host:port` of each instance; clusters and routes are Shunt's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Vec<String>>,
    /// A cluster of the user's own Envoy; routes are the user's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
}

/// Most versions of one Rollout.
const VERSIONS_MAX: usize = 64;
/// Most endpoints of one version.
const ENDPOINTS_MAX: usize = 1_000;

/// All versions, every problem noted.
pub(crate) fn versions(written: Option<&[VersionSpec]>, problems: &mut Problems) -> Vec<Version> {
    let path = "spec.versions";
    let written = written.unwrap_or_default();
    match written.len() {
        0 => problems.add(path, "is missing: write at least one version, for example [{name: v1, endpoints: [\"127.0.0.1:9001\"]}]"),
        n if n > VERSIONS_MAX => problems.add(path, format!("has {n} versions: at most {VERSIONS_MAX} are allowed; remove old ones")),
        _ => {}
    }
    let mut seen = BTreeSet::new();
    let mut versions = Vec::new();
    for (index, spec) in written.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if spec.name.is_none() {
            problems.add(format!("{path}.name"), "is missing: write a name, for example v2");
        }
        let backend = backend(spec, &path, problems);
        let (Some(name), Some(backend)) = (spec.name.clone(), backend) else { continue };
        if seen.insert(name.clone()) {
            versions.push(Version { name, backend });
        } else {
            problems.add(format!("{path}.name"), format!("{:?} names two versions: names must differ", name.as_str()));
        }
    }
    mixed(&versions, written, problems);
    versions
}

fn backend(spec: &VersionSpec, path: &str, problems: &mut Problems) -> Option<Backend> {
    match (&spec.endpoints, &spec.cluster) {
        (Some(_), Some(_)) => {
            problems.add(
                path,
                "has both endpoints and cluster: keep endpoints if Shunt owns the routes, cluster if your own Envoy configuration does",
            );
            None
        }
        (None, None) => {
            problems.add(path, "says not where it runs: write endpoints, for example endpoints: [\"127.0.0.1:9001\"], or cluster with the name of a cluster of your own Envoy");
            None
        }
        (Some(written), None) => endpoints(written, &format!("{path}.endpoints"), problems),
        (None, Some(cluster)) if cluster.trim().is_empty() => {
            problems.add(format!("{path}.cluster"), "is empty: write the name of a cluster of your own Envoy");
            None
        }
        (None, Some(cluster)) => Some(Backend::Cluster(cluster.clone())),
    }
}

fn endpoints(written: &[String], path: &str, problems: &mut Problems) -> Option<Backend> {
    if written.is_empty() {
        problems.add(path, "is empty: write host:port of at least one instance; a version without instances is one that is not listed");
        return None;
    }
    if written.len() > ENDPOINTS_MAX {
        problems.add(path, format!("has {} endpoints: at most {ENDPOINTS_MAX} are allowed", written.len()));
    }
    let mut seen = BTreeSet::new();
    for (index, text) in written.iter().enumerate() {
        let path = format!("{path}[{index}]");
        if !is_endpoint(text) {
            problems.add(path, format!("{text:?} is not host:port: write for example \"127.0.0.1:9001\" or \"[::1]:9001\""));
        } else if !seen.insert(text) {
            problems.add(path, format!("{text:?} appears twice: remove one"));
        }
    }
    Some(Backend::Endpoints(written.to_vec()))
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

/// Routes are either ours or the user's.
fn mixed(versions: &[Version], written: &[VersionSpec], problems: &mut Problems) {
    let external = |version: &Version| matches!(version.backend, Backend::Cluster(_));
    if versions.iter().any(external) && !versions.iter().all(external) {
        let index = written.iter().position(|spec| spec.cluster.is_some()).unwrap_or(0);
        let message = "is a cluster while another version has endpoints: use one kind for all versions of a Rollout";
        problems.add(format!("spec.versions[{index}].cluster"), message);
    }
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
