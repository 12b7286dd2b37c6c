//! Which services a host may mean, in the filter's own order, so that a request is routed by the service that decided it.

use std::collections::BTreeMap;

use shunt_core::desired::Routes;

/// Ports that an authority without one may mean, in this order, as in the filter (RFC 9110 §4.2).
pub(super) const DEFAULT_PORTS: [u16; 2] = [80, 443];

/// Hosts that mean the same, and what they mean.
#[derive(Debug, PartialEq)]
pub(super) struct Group<'w> {
    /// At least one; Envoy's notation of wildcards is ours.
    pub(super) hosts: Vec<&'w str>,
    /// Services in the order in which they are tried; the port of each, none: any.
    pub(super) claims: Vec<(Option<u16>, &'w Routes)>,
}

/// All hosts, each in exactly one group: Envoy refuses a table that names a host twice.
pub(super) fn groups(services: &[Routes]) -> Vec<Group<'_>> {
    let mut claims: BTreeMap<&str, Vec<(Option<u16>, usize)>> = BTreeMap::new();
    for (index, service) in services.iter().enumerate() {
        for host in &service.hosts {
            let of_host = claims.entry(host).or_default();
            if of_host.iter().all(|(port, _)| *port != service.port) {
                of_host.push((service.port, index));
            }
        }
    }
    let mut groups: BTreeMap<Vec<(Option<u16>, usize)>, Vec<&str>> = BTreeMap::new();
    for host in claims.keys() {
        groups.entry(meaning(&claims, host)).or_default().push(host);
    }
    let known = |claims: Vec<(Option<u16>, usize)>| claims.into_iter().filter_map(|(port, index)| Some((port, services.get(index)?)));
    groups.into_iter().map(|(claims, hosts)| Group { hosts, claims: known(claims).collect() }).collect()
}

/// What claims the host at a port comes first, by port, then what claims it at any; then, for the ports that are left, the next wider
/// wildcard, because Envoy looks at one host's routes only.
fn meaning(claims: &BTreeMap<&str, Vec<(Option<u16>, usize)>>, host: &str) -> Vec<(Option<u16>, usize)> {
    let mut found: Vec<(Option<u16>, usize)> = Vec::new();
    let mut wider = Some(host);
    while let Some(pattern) = wider {
        let mut here = claims.get(pattern).cloned().unwrap_or_default();
        here.sort_by_key(|(port, _)| (port.is_none(), *port));
        here.retain(|(port, _)| found.iter().all(|(taken, _)| taken != port));
        found.extend(here);
        if found.iter().any(|(port, _)| port.is_none()) {
            break;
        }
        wider = claims.keys().copied().filter(|other| covers(other, pattern)).max_by_key(|other| other.len());
    }
    found
}

/// Whether the first is a wildcard that holds all hosts of the second, and more.
fn covers(wildcard: &str, pattern: &str) -> bool {
    match wildcard.strip_prefix('*') {
        Some(suffix) => pattern != wildcard && pattern.len() > suffix.len() && pattern.ends_with(suffix),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shunt_spec::plan::Protocol;
    use test_case::test_case;

    fn service(name: &str, hosts: &[&str], port: Option<u16>) -> Routes {
        Routes {
            id: format!("shop/{name}").parse().unwrap(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            port,
            default: "v1".parse().unwrap(),
            held: false,
            versions: Vec::new(),
            mirrors: Vec::new(),
            protocol: Protocol::Http1,
            health: None,
            timeout: None,
            timeouts: Default::default(),
        }
    }

    /// `host,host -> service:port service` per group.
    fn printed(services: &[Routes]) -> Vec<String> {
        let claim = |(port, service): &(Option<u16>, &Routes)| match port {
            Some(port) => format!("{}:{port}", service.id.name()),
            None => service.id.name().to_owned(),
        };
        let one =
            |group: &Group<'_>| format!("{} -> {}", group.hosts.join(","), group.claims.iter().map(claim).collect::<Vec<_>>().join(" "));
        groups(services).iter().map(one).collect()
    }

    #[test_case(&[("a", &["x.test", "y.test"], None)], &["x.test,y.test -> a"]; "hosts of one service are one group")]
    #[test_case(&[("a", &["x.test"], Some(8080)), ("b", &["x.test"], Some(80)), ("c", &["x.test"], None)],
        &["x.test -> b:80 a:8080 c"]; "one host at several ports")]
    #[test_case(&[("a", &["x.test"], Some(8080)), ("b", &["*.test"], None)],
        &["x.test -> a:8080 b", "*.test -> b"]; "other ports of a host are the wildcard's")]
    #[test_case(&[("a", &["x.y.test"], Some(1)), ("b", &["*.y.test"], Some(2)), ("c", &["*.test"], Some(1)), ("d", &["z.test"], None)],
        &["x.y.test -> a:1 b:2", "*.y.test -> b:2 c:1", "*.test -> c:1", "z.test -> d"]; "wildcards from narrow to wide")]
    #[test_case(&[("a", &["x.test"], None), ("b", &["x.test"], None)], &["x.test -> a"]; "a host is never named twice")]
    #[test_case(&[("a", &["test"], Some(1)), ("b", &["*.test"], None)], &["test -> a:1", "*.test -> b"]; "a wildcard does not hold its own suffix")]
    fn hosts(services: &[(&str, &[&str], Option<u16>)], expected: &[&str]) {
        let services: Vec<Routes> = services.iter().map(|(name, hosts, port)| service(name, hosts, *port)).collect();
        let mut groups = printed(&services);
        groups.sort();
        let mut expected: Vec<String> = expected.iter().map(|text| (*text).to_owned()).collect();
        expected.sort();
        assert_eq!(groups, expected);
    }
}
