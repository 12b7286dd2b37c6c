//! How each variant of the protocol says what the session says.

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse};

use crate::session::{Ask, Push, Variant, delta, sotw};

/// What the two variants differ in.
pub(super) trait ProtocolVariant: 'static {
    type Ask: Send + 'static;
    type Answer: Send + 'static;
    const VARIANT: Variant;
    fn node(ask: &Self::Ask) -> Option<&Node>;
    fn ask(ask: &Self::Ask) -> Option<Ask>;
    fn answer(push: &Push) -> Self::Answer;
}

pub(super) struct StateOfTheWorld;

impl ProtocolVariant for StateOfTheWorld {
    type Ask = DiscoveryRequest;
    type Answer = DiscoveryResponse;
    const VARIANT: Variant = Variant::StateOfTheWorld;
    fn node(ask: &DiscoveryRequest) -> Option<&Node> {
        ask.node.as_ref()
    }
    fn ask(ask: &DiscoveryRequest) -> Option<Ask> {
        sotw::ask(ask)
    }
    fn answer(push: &Push) -> DiscoveryResponse {
        sotw::response(push)
    }
}

pub(super) struct Delta;

impl ProtocolVariant for Delta {
    type Ask = DeltaDiscoveryRequest;
    type Answer = DeltaDiscoveryResponse;
    const VARIANT: Variant = Variant::Delta;
    fn node(ask: &DeltaDiscoveryRequest) -> Option<&Node> {
        ask.node.as_ref()
    }
    fn ask(ask: &DeltaDiscoveryRequest) -> Option<Ask> {
        delta::ask(ask)
    }
    fn answer(push: &Push) -> DeltaDiscoveryResponse {
        delta::response(push)
    }
}
