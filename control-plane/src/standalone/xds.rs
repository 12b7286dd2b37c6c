//! Proxies that get clusters, routes and policy from this process, through xDS.

use std::sync::Arc;

use shunt_core::desired::Routes;
use shunt_xds::resource::Kind;
use shunt_xds::{Fleet, Gate, Nack, NodeStatus, ProxyConfig, Publisher};
use tokio::sync::watch;

use crate::platform::{Audience, Concerns, Presence, Refused, RouteEvidence, Sequence};

/// The server of proxies.
#[derive(Debug)]
pub(crate) struct Xds {
    publisher: Publisher,
    fleet: Fleet,
    module: Arc<[u8]>,
}

impl Xds {
    /// `module` is the filter.
    pub(crate) fn new(publisher: Publisher, fleet: Fleet, module: Arc<[u8]>) -> Self {
        Self { publisher, fleet, module }
    }

    /// Changes whenever a proxy comes, goes, acknowledges or refuses.
    pub(super) fn changed(&self) -> watch::Receiver<u64> {
        self.fleet.changed()
    }

    /// How often connections of proxies changed.
    pub(crate) fn revision(&self) -> u64 {
        self.fleet.changes()
    }

    /// Every proxy that was connected to this process.
    pub(crate) fn presences(&self) -> Vec<Presence> {
        self.fleet.nodes().into_iter().map(presence).collect()
    }

    /// Hands this to every proxy that may have it.
    pub(crate) fn publish(&self, routes: Vec<Routes>, policy: String) -> Sequence {
        self.publisher.publish(ProxyConfig { routes, policy, module: self.module.clone() })
    }

    /// Who gets what is published.
    pub(crate) fn audience(&self, audience: Audience) {
        self.publisher.gate(match audience {
            Audience::Nobody => Gate::Shut,
            Audience::Stores(stores) => Gate::Stores(stores),
            Audience::Everybody => Gate::Open,
        });
    }
}

fn presence(status: NodeStatus) -> Presence {
    let NodeStatus { node, connected, since, acked_sequence, nack, foreign } = status;
    Presence { node, connected, since, routes: RouteEvidence::Acknowledged(acked_sequence), refusal: nack.map(refused), foreign }
}

fn refused(nack: Nack) -> Refused {
    let Nack { type_url, resources, error, sequence } = nack;
    let (kind, concerns) = match Kind::of(&type_url) {
        Some(Kind::Cluster) => ("clusters", Concerns::Routes),
        Some(Kind::Endpoints) => ("endpoints", Concerns::Routes),
        Some(Kind::Routes) => ("routes", Concerns::Routes),
        Some(Kind::Listener) => ("listeners", Concerns::Listener),
        Some(Kind::Extension) => ("extensions", Concerns::Policy),
        None => (type_url.as_str(), Concerns::Unknown),
    };
    Refused { kind: kind.to_owned(), concerns, resources, error, sequence }
}
