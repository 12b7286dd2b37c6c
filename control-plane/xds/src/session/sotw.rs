//! The state-of-the-world variant.

use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};

use super::{Ask, Interest, Knows, Push};
use crate::resource::Kind;

/// None: a type that is not ours.
pub(crate) fn ask(request: &DiscoveryRequest) -> Option<Ask> {
    Some(Ask {
        kind: Kind::of(&request.type_url)?,
        nonce: request.response_nonce.clone(),
        error: request.error_detail.as_ref().map(|status| status.message.clone()),
        interest: Interest::Exactly(request.resource_names.clone()),
        knows: Knows::Whole(request.version_info.clone()),
    })
}

pub(crate) fn response(push: &Push) -> DiscoveryResponse {
    let resources = if push.kind.whole() { &push.all } else { &push.changed };
    DiscoveryResponse {
        version_info: push.version.clone(),
        resources: resources.iter().map(|resource| resource.body.clone()).collect(),
        type_url: push.kind.type_url().to_owned(),
        nonce: push.nonce.clone(),
        ..DiscoveryResponse::default()
    }
}
