//! Endpoints of a version, each marked with the version's name, so that the filter can tell who answered.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, Metadata, SocketAddress, address};
use envoy_types::pb::envoy::config::endpoint::v3::cluster_load_assignment::Policy;
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints};
use envoy_types::pb::google::protobuf::value::Kind as ValueKind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use shunt_core::desired::Routes;
use shunt_filter_core::names::{shadow_cluster, version_cluster};
use shunt_spec::plan::{Backend, Version};

use super::number;
use crate::resource::Resource;

/// With the default of 140 one unhealthy host of two would send 30 % to the next priority: the fallback is for when no host is left.
const OVERPROVISIONED: u32 = 100_000;

/// Whether Envoy must resolve names itself.
pub(super) fn by_dns(backend: &Backend) -> bool {
    // Addresses of instances are filled in before a configuration is published; those not filled in have none.
    backend.endpoints().into_iter().flatten().any(|endpoint| split(endpoint).0.parse::<IpAddr>().is_err())
}

/// The endpoints resources of a version: one for its own cluster, one for that of copies.
pub(super) fn endpoints(routes: &Routes, version: &Version) -> Vec<Arc<Resource>> {
    if by_dns(&version.backend) {
        return Vec::new();
    }
    let mut names = vec![version_cluster(&routes.id, &version.name)];
    if routes.mirrors.iter().any(|(_, copy)| *copy == version.name) {
        names.push(shadow_cluster(&routes.id, &version.name));
    }
    names.iter().map(|name| Resource::new(name, &assignment(name, version))).collect()
}

/// Endpoints in the order of the manifest, each marked with the version's name.
pub(super) fn assignment(cluster: &str, version: &Version) -> ClusterLoadAssignment {
    let Some(endpoints) = version.backend.endpoints() else {
        return ClusterLoadAssignment { cluster_name: cluster.to_owned(), ..ClusterLoadAssignment::default() };
    };
    let hosts = endpoints.iter().map(|endpoint| LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(Endpoint { address: Some(address(endpoint)), ..Endpoint::default() })),
        metadata: Some(mark(version.name.as_str())),
        ..LbEndpoint::default()
    });
    ClusterLoadAssignment {
        cluster_name: cluster.to_owned(),
        endpoints: vec![LocalityLbEndpoints { lb_endpoints: hosts.collect(), ..LocalityLbEndpoints::default() }],
        policy: Some(Policy { overprovisioning_factor: number(OVERPROVISIONED), ..Policy::default() }),
        ..ClusterLoadAssignment::default()
    }
}

/// `host:port`, checked by the manifest already.
fn address(endpoint: &str) -> Address {
    let (host, port) = split(endpoint);
    socket(host, port)
}

/// A TCP address.
pub(super) fn socket(host: &str, port: u16) -> Address {
    let socket =
        SocketAddress { address: host.to_owned(), port_specifier: Some(PortSpecifier::PortValue(port.into())), ..SocketAddress::default() };
    Address { address: Some(address::Address::SocketAddress(socket)) }
}

fn split(endpoint: &str) -> (&str, u16) {
    let (host, port) = endpoint.rsplit_once(':').unwrap_or((endpoint, "0"));
    (host.trim_start_matches('[').trim_end_matches(']'), port.parse().unwrap_or(0))
}

fn mark(version: &str) -> Metadata {
    let value = Value { kind: Some(ValueKind::StringValue(version.to_owned())) };
    let fields = Struct { fields: HashMap::from([("version".to_owned(), value)]) };
    Metadata { filter_metadata: HashMap::from([("shunt".to_owned(), fields)]), ..Metadata::default() }
}
