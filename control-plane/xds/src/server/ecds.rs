//! ECDS as a service of its own, for an Envoy whose listeners, routes and clusters are not ours: its one configuration source for ADS
//! may be another control plane's, so the filter's configuration comes over a stream that carries nothing else.

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse};
use envoy_types::pb::envoy::service::extension::v3::extension_config_discovery_service_server::ExtensionConfigDiscoveryService;
use tonic::{Request, Response, Status, Streaming};

use super::{Ads, Delta, Responses, StateOfTheWorld};

#[tonic::async_trait]
impl ExtensionConfigDiscoveryService for Ads {
    type StreamExtensionConfigsStream = Responses<DiscoveryResponse>;
    type DeltaExtensionConfigsStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_extension_configs(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamExtensionConfigsStream>, Status> {
        Ok(Response::new(self.open::<StateOfTheWorld>(request)))
    }

    async fn delta_extension_configs(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaExtensionConfigsStream>, Status> {
        Ok(Response::new(self.open::<Delta>(request)))
    }

    async fn fetch_extension_configs(&self, _: Request<DiscoveryRequest>) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented("polling is not supported: use api_type GRPC or DELTA_GRPC"))
    }
}
