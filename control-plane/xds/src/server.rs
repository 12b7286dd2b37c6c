//! The ADS server: one task per stream, which speaks what its session says. ECDS alone is served too.

mod ecds;
mod local;
mod protocol_variant;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse};
use envoy_types::pb::envoy::service::extension::v3::extension_config_discovery_service_server::ExtensionConfigDiscoveryServiceServer;
use envoy_types::pb::google::protobuf::value::Kind as ValueKind;
use futures::{Stream, StreamExt};
use shunt_core::identity::Caller;
use shunt_spec::Time;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::server::Connected;
use tonic::{Request, Response, Status, Streaming};
use tracing::{debug, info, warn};

use crate::fleet::{Fleet, Nack};
use crate::proxy_config::NodeInfo;
use crate::publisher::{Published, Publisher};
use crate::session::{Push, Session};
use local::Local;
use protocol_variant::{Delta, ProtocolVariant, StateOfTheWorld};

/// Longest request of a proxy, bytes. A proxy of 5,000 services names some 20,000 clusters.
const REQUEST_MAX: usize = 16 * 1024 * 1024;

/// Stands for the type in a [`Nack`] of our own: a configuration that is withheld, because it is inconsistent.
const WITHHELD: &str = "configuration";

/// What a stream needs.
#[derive(Debug, Clone)]
struct Server {
    publisher: Publisher,
    fleet: Fleet,
    now: fn() -> Time,
}

/// Hands out what `publisher` publishes and tells `fleet` what became of it, until `shutdown` ends; then closes all streams.
/// `now` is the clock. Errors when the transport fails. In clear text, to every client that connects: for loopback addresses.
pub async fn serve(
    listener: TcpListener,
    publisher: Publisher,
    fleet: Fleet,
    now: fn() -> Time,
    shutdown: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let incoming = TcpListenerStream::new(listener).map(|stream| stream.map(Local));
    serve_on(incoming, publisher, fleet, now, shutdown).await
}

/// As [`serve`], on connections that say who is at their other end: a proxy whose node id is not its own is refused.
pub async fn serve_on<IO>(
    incoming: impl Stream<Item = std::io::Result<IO>>,
    publisher: Publisher,
    fleet: Fleet,
    now: fn() -> Time,
    shutdown: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error>
where
    IO: AsyncRead + AsyncWrite + Connected<ConnectInfo = Caller> + Unpin + Send + 'static,
{
    let server = Server { publisher, fleet, now };
    let (closing, closed) = watch::channel(false);
    let ads = Ads { server, streams: Arc::default(), closed };
    let alone = ExtensionConfigDiscoveryServiceServer::new(ads.clone());
    let alone = alone.max_decoding_message_size(REQUEST_MAX).max_encoding_message_size(usize::MAX);
    let all = AggregatedDiscoveryServiceServer::new(ads).max_decoding_message_size(REQUEST_MAX).max_encoding_message_size(usize::MAX);
    let shutdown = async move {
        shutdown.await;
        closing.send_replace(true);
    };
    tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(std::time::Duration::from_secs(10)))
        .http2_keepalive_timeout(Some(std::time::Duration::from_secs(5)))
        .add_service(all)
        .add_service(alone)
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await
}

#[derive(Clone)]
struct Ads {
    server: Server,
    streams: Arc<AtomicU64>,
    closed: watch::Receiver<bool>,
}

type Responses<R> = Pin<Box<dyn Stream<Item = Result<R, Status>> + Send>>;

#[tonic::async_trait]
impl AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream = Responses<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        Ok(Response::new(self.open::<StateOfTheWorld>(request)))
    }

    async fn delta_aggregated_resources(
        &self,
        request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        Ok(Response::new(self.open::<Delta>(request)))
    }
}

impl Ads {
    fn open<S: ProtocolVariant>(&self, request: Request<Streaming<S::Ask>>) -> Responses<S::Answer> {
        let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
        let asks = request.into_inner();
        // One response is enough of a buffer: the session never has more than one unanswered per kind.
        let (answers, stream) = mpsc::channel(1);
        let mut closed = self.closed.clone();
        let xds_stream = XdsStream::<S> {
            server: self.server.clone(),
            stream: self.streams.fetch_add(1, Ordering::Relaxed),
            caller,
            answers,
            node: None,
            foreign: None,
            withheld: None,
        };
        tokio::spawn(async move {
            tokio::select! {
                () = xds_stream.run(asks) => {}
                _ = closed.wait_for(|closed| *closed) => {}
            }
        });
        Box::pin(ReceiverStream::new(stream))
    }
}

struct XdsStream<S: ProtocolVariant> {
    server: Server,
    stream: u64,
    caller: Caller,
    answers: mpsc::Sender<Result<S::Answer, Status>>,
    node: Option<NodeInfo>,
    /// Whose resources the proxy has from an earlier stream, when they are not of this store.
    foreign: Option<String>,
    /// The newest configuration, when it is inconsistent.
    withheld: Option<Nack>,
}

impl<S: ProtocolVariant> Drop for XdsStream<S> {
    fn drop(&mut self) {
        if let Some(node) = &self.node {
            info!(node = node.id, "a proxy disconnected");
            self.server.fleet.disconnected(&node.id, self.stream, (self.server.now)());
        }
    }
}

impl<S: ProtocolVariant> XdsStream<S> {
    async fn run(mut self, mut asks: Streaming<S::Ask>) {
        let mut session = Session::new(S::VARIANT);
        let mut configs = self.server.publisher.subscribe();
        let mut gates = self.server.publisher.gates();
        loop {
            let pushes = tokio::select! {
                ask = asks.next() => match ask {
                    Some(Ok(ask)) => match self.hear(&mut session, &ask, &mut configs) {
                        Ok(pushes) => pushes,
                        Err(status) => {
                            warn!(%status, "a proxy is refused");
                            // The stream ends either way; a proxy that is gone already needs no answer.
                            let _gone = self.answers.send(Err(status)).await;
                            return;
                        }
                    },
                    Some(Err(_)) | None => return,
                },
                changed = configs.changed(), if self.node.is_some() => match changed {
                    Ok(()) => self.set_target(&mut session, &mut configs),
                    Err(_) => return,
                },
                changed = gates.changed(), if self.node.is_some() => match changed {
                    Ok(()) => self.set_target(&mut session, &mut configs),
                    Err(_) => return,
                },
            };
            if let Some(node) = &self.node {
                self.server.fleet.progress(
                    &node.id,
                    self.stream,
                    session.acked_sequence(),
                    self.withheld.clone().or_else(|| session.nack()),
                );
            }
            for push in pushes {
                debug!(node = self.node_id(), %push, "said");
                if self.answers.send(Ok(S::answer(&push))).await.is_err() {
                    return;
                }
            }
        }
    }

    fn hear(
        &mut self,
        session: &mut Session,
        ask: &S::Ask,
        configs: &mut watch::Receiver<Option<Arc<Published>>>,
    ) -> Result<Vec<Push>, Status> {
        let mut pushes = Vec::new();
        let said = S::ask(ask);
        if let Some(store) = said.as_ref().and_then(|said| said.foreign(self.server.publisher.store())) {
            let known = self.foreign.replace(store).is_some();
            if !known && !self.server.publisher.lets(self.foreign.as_deref()) {
                // Nothing more is said, also of kinds that were asked for before. What is asked from now on is remembered, all kinds of it.
                *session = Session::new(S::VARIANT);
            }
        }
        if self.node.is_none() {
            let node = info_of(S::node(ask)).map_err(Status::invalid_argument)?;
            self.caller.may_be(&node.id).map_err(|error| Status::permission_denied(error.to_string()))?;
            info!(node = node.id, variant = ?S::VARIANT, "a proxy connected");
            self.server.fleet.connected(&node.id, self.stream, (self.server.now)());
            self.node = Some(node);
            if let Some(node) = self.node.as_ref().filter(|_| self.foreign.is_some()) {
                warn!(node = node.id, "the proxy has what another store published");
            }
            pushes.extend(self.set_target(session, configs));
        }
        if let (Some(store), Some(node)) = (&self.foreign, &self.node) {
            self.server.fleet.foreign(&node.id, self.stream, store);
        }
        if let Some(ask) = said {
            if let (Some(error), Some(node)) = (&ask.error, &self.node) {
                warn!(node = node.id, kind = ?ask.kind, error, "a proxy refuses its configuration");
            }
            debug!(node = self.node_id(), ?ask, "heard");
            pushes.extend(session.hear(&ask));
        }
        Ok(pushes)
    }

    fn node_id(&self) -> &str {
        self.node.as_ref().map_or("", |node| &node.id)
    }

    fn set_target(&mut self, session: &mut Session, configs: &mut watch::Receiver<Option<Arc<Published>>>) -> Vec<Push> {
        if !self.server.publisher.lets(self.foreign.as_deref()) {
            // It keeps what it has. What it said is remembered, so that it is compared once the gate lets it through.
            return Vec::new();
        }
        let newest = configs.borrow_and_update().clone();
        let (Some(published), Some(node)) = (newest, &self.node) else {
            return Vec::new();
        };
        match published.snapshot(node) {
            Ok(snapshot) => {
                self.withheld = None;
                session.set_target(published.sequence, snapshot)
            }
            Err(error) => {
                // The proxy keeps what it has; the configuration is never acknowledged, so no step completes on it.
                warn!(node = node.id, %error, "not published: it would break requests");
                let error = format!("not published, because it would break requests: {error}");
                let type_url = WITHHELD.to_owned();
                self.withheld = Some(Nack { type_url, resources: Vec::new(), error, sequence: published.sequence });
                Vec::new()
            }
        }
    }
}

/// What the bootstrap says in `node`.
fn info_of(node: Option<&Node>) -> Result<NodeInfo, String> {
    let node = node.filter(|node| !node.id.is_empty()).ok_or("the bootstrap must name the proxy: node.id is empty")?;
    let ours = node.metadata.as_ref().and_then(|metadata| metadata.fields.get("shunt")).and_then(|value| value.kind.as_ref());
    let text = |name: &str| match ours {
        Some(ValueKind::StructValue(ours)) => match ours.fields.get(name).and_then(|value| value.kind.as_ref()) {
            Some(ValueKind::StringValue(text)) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    };
    let listen = text("listen").map(|text| text.parse().map_err(|_| format!("node.metadata.shunt.listen: {text:?} is not IP:port")));
    Ok(NodeInfo { id: node.id.clone(), listen: listen.transpose()?, module: text("module") })
}
