//! One resource of Envoy's, ready to be sent.

use std::sync::Arc;

use envoy_types::pb::google::protobuf::Any;
use prost::{Message, Name};
use sha2::{Digest, Sha256};

/// Types of resources, in the order in which additions are sent: what is named comes before what names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// CDS.
    Cluster,
    /// EDS.
    Endpoints,
    /// LDS.
    Listener,
    /// RDS.
    Routes,
    /// ECDS.
    Extension,
}

impl Kind {
    /// All, in order.
    pub const ALL: [Kind; 5] = [Kind::Cluster, Kind::Endpoints, Kind::Listener, Kind::Routes, Kind::Extension];

    /// Envoy's name of it.
    pub fn type_url(self) -> &'static str {
        match self {
            Kind::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Kind::Endpoints => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            Kind::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Kind::Routes => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            Kind::Extension => "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        }
    }

    /// The type of that URL, if it is one of ours.
    pub fn of(type_url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.type_url() == type_url)
    }

    /// Whether a state-of-the-world response must hold all resources, and a first request without names means all of them.
    pub fn whole(self) -> bool {
        matches!(self, Kind::Cluster | Kind::Listener)
    }
}

/// One resource with its version: a hash of its content, so that a restarted server recognises what a proxy has.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its name.
    pub name: String,
    /// First 16 hex characters of the SHA-256 of its bytes; behind them, where it is served, a dot and the name of the store.
    pub version: String,
    /// The message.
    pub body: Any,
}

impl Resource {
    /// Encodes a message.
    pub fn new<M: Message + Name>(name: &str, message: &M) -> Arc<Self> {
        let body = any(message);
        Arc::new(Self { name: name.to_owned(), version: digest(&body.value), body })
    }
}

/// Stands between a version's hash and the name of the store that its content comes from.
pub(crate) const MARK: char = '.';

/// The name of the store in a version; none: it has none.
pub(crate) fn store_of(version: &str) -> Option<&str> {
    version.split_once(MARK).map(|(_, store)| store)
}

/// The message as `Any`, with Envoy's type URL.
pub fn any<M: Message + Name>(message: &M) -> Any {
    Any { type_url: format!("type.googleapis.com/{}", M::full_name()), value: message.encode_to_vec() }
}

/// First 16 hex characters of the SHA-256.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
