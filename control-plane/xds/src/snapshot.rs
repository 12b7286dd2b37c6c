//! All resources of one proxy, checked for consistency.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType};
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::listener::v3::filter::ConfigType;
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::ClusterSpecifier;
use envoy_types::pb::envoy::extensions::clusters::aggregate::v3::ClusterConfig;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_filter;
use prost::Message;
use thiserror::Error;

use crate::resource::{Kind, MARK, Resource};

/// Everything one proxy should have.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    resources: BTreeMap<Kind, BTreeMap<String, Arc<Resource>>>,
}

/// A snapshot that would break requests; it is never published.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Inconsistent {
    /// A route or aggregate names a cluster that is not there.
    #[error("{from} names the cluster {cluster}, which is not there")]
    Cluster {
        /// Who names it.
        from: String,
        /// The missing one.
        cluster: String,
    },
    /// A cluster has no endpoints resource, or endpoints no cluster.
    #[error("clusters that take endpoints from EDS and endpoints differ: {0}")]
    Endpoints(String),
    /// A listener names a route configuration or filter that is not there.
    #[error("the listener names {0}, which is not there")]
    Listener(String),
    /// A body cannot be decoded.
    #[error("{0} cannot be decoded")]
    Body(String),
}

impl Snapshot {
    /// Adds a resource.
    pub fn add(&mut self, kind: Kind, resource: Arc<Resource>) {
        self.resources.entry(kind).or_default().insert(resource.name.clone(), resource);
    }

    /// All resources of one kind, by name.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.get(&kind).into_iter().flat_map(BTreeMap::values)
    }

    /// One resource.
    pub fn get(&self, kind: Kind, name: &str) -> Option<&Arc<Resource>> {
        self.resources.get(&kind)?.get(name)
    }

    /// The same with the store's name behind every version; see `store_of`.
    pub fn marked(self, store: &str) -> Self {
        if store.is_empty() {
            return self;
        }
        let mark = |resource: Arc<Resource>| {
            let resource = Arc::unwrap_or_clone(resource);
            Arc::new(Resource { version: format!("{}{MARK}{store}", resource.version), ..resource })
        };
        let all = |of: BTreeMap<String, Arc<Resource>>| of.into_iter().map(|(name, resource)| (name, mark(resource))).collect();
        Self { resources: self.resources.into_iter().map(|(kind, of)| (kind, all(of))).collect() }
    }

    /// Refuses what would break requests: names that lead nowhere.
    pub fn consistent(self) -> Result<Self, Inconsistent> {
        let clusters = self.decode::<Cluster>(Kind::Cluster)?;
        let names: BTreeSet<&str> = clusters.iter().map(|cluster| cluster.name.as_str()).collect();
        let eds: BTreeSet<&str> = clusters.iter().filter(|cluster| by_eds(cluster)).map(|cluster| cluster.name.as_str()).collect();
        let endpoints: BTreeSet<&str> = self.of(Kind::Endpoints).map(|resource| resource.name.as_str()).collect();
        if eds != endpoints {
            let odd: Vec<&str> = eds.symmetric_difference(&endpoints).copied().collect();
            return Err(Inconsistent::Endpoints(odd.join(", ")));
        }
        let mut named = Vec::new();
        for cluster in &clusters {
            named.extend(members_of(cluster)?.into_iter().map(|member| (format!("cluster {}", cluster.name), member)));
        }
        for routes in self.decode::<RouteConfiguration>(Kind::Routes)? {
            named.extend(clusters_of(&routes).into_iter().map(|(route, cluster)| (format!("route {route}"), cluster)));
        }
        if let Some((from, cluster)) = named.into_iter().find(|(_, cluster)| !names.contains(cluster.as_str())) {
            return Err(Inconsistent::Cluster { from, cluster });
        }
        for listener in self.decode::<Listener>(Kind::Listener)? {
            self.check_listener(&listener)?;
        }
        Ok(self)
    }

    fn check_listener(&self, listener: &Listener) -> Result<(), Inconsistent> {
        for filter in listener.filter_chains.iter().flat_map(|chain| &chain.filters) {
            let Some(ConfigType::TypedConfig(any)) = &filter.config_type else { continue };
            let manager = HttpConnectionManager::decode(any.value.as_slice()).map_err(|_| Inconsistent::Body(listener.name.clone()))?;
            if let Some(RouteSpecifier::Rds(rds)) = &manager.route_specifier
                && self.get(Kind::Routes, &rds.route_config_name).is_none()
            {
                return Err(Inconsistent::Listener(rds.route_config_name.clone()));
            }
            for filter in &manager.http_filters {
                let discovered = matches!(filter.config_type, Some(http_filter::ConfigType::ConfigDiscovery(_)));
                if discovered && self.get(Kind::Extension, &filter.name).is_none() {
                    return Err(Inconsistent::Listener(filter.name.clone()));
                }
            }
        }
        Ok(())
    }

    fn decode<M: Message + Default>(&self, kind: Kind) -> Result<Vec<M>, Inconsistent> {
        self.of(kind).map(|r| M::decode(r.body.value.as_slice()).map_err(|_| Inconsistent::Body(r.name.clone()))).collect()
    }
}

fn by_eds(cluster: &Cluster) -> bool {
    cluster.cluster_discovery_type == Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into()))
}

/// The clusters that an aggregate is made of; none: it is not an aggregate.
fn members_of(cluster: &Cluster) -> Result<Vec<String>, Inconsistent> {
    let Some(ClusterDiscoveryType::ClusterType(custom)) = &cluster.cluster_discovery_type else {
        return Ok(Vec::new());
    };
    let body = custom.typed_config.as_ref().map(|any| any.value.as_slice()).unwrap_or_default();
    Ok(ClusterConfig::decode(body).map_err(|_| Inconsistent::Body(cluster.name.clone()))?.clusters)
}

/// Every cluster that a route names, mirrors included.
fn clusters_of(routes: &RouteConfiguration) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for route in routes.virtual_hosts.iter().flat_map(|host| &host.routes) {
        let Some(Action::Route(action)) = &route.action else { continue };
        if let Some(ClusterSpecifier::Cluster(cluster)) = &action.cluster_specifier {
            found.push((route.name.clone(), cluster.clone()));
        }
        found.extend(action.request_mirror_policies.iter().map(|mirror| (route.name.clone(), mirror.cluster.clone())));
    }
    found
}
