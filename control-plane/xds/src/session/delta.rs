//! The delta variant.

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, Resource};

use super::{Ask, Interest, Knows, Push};
use crate::resource::Kind;

/// None: a type that is not ours.
pub(crate) fn ask(request: &DeltaDiscoveryRequest) -> Option<Ask> {
    Some(Ask {
        kind: Kind::of(&request.type_url)?,
        nonce: request.response_nonce.clone(),
        error: request.error_detail.as_ref().map(|status| status.message.clone()),
        interest: Interest::Change { more: request.resource_names_subscribe.clone(), fewer: request.resource_names_unsubscribe.clone() },
        knows: Knows::Each(request.initial_resource_versions.clone().into_iter().collect()),
    })
}

pub(crate) fn response(push: &Push) -> DeltaDiscoveryResponse {
    let resources = push.changed.iter().map(|resource| Resource {
        name: resource.name.clone(),
        version: resource.version.clone(),
        resource: Some(resource.body.clone()),
        ..Resource::default()
    });
    DeltaDiscoveryResponse {
        system_version_info: push.version.clone(),
        resources: resources.collect(),
        type_url: push.kind.type_url().to_owned(),
        removed_resources: push.removed.clone(),
        nonce: push.nonce.clone(),
        ..DeltaDiscoveryResponse::default()
    }
}
