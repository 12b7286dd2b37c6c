//! The server over a real socket: what the fleet knows of streams, slow proxies, configurations that are withheld, streams of ECDS alone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse};
use envoy_types::pb::envoy::service::extension::v3::extension_config_discovery_service_client::ExtensionConfigDiscoveryServiceClient;
use envoy_types::pb::google::rpc::Status as Refusal;
use futures::FutureExt;
use shunt_core::desired::Routes;
use shunt_spec::Time;
use shunt_spec::plan::{Backend, Protocol, Version};
use shunt_xds::resource::Kind;
use shunt_xds::{Fleet, Gate, NodeStatus, ProxyConfig, Publisher, serve};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

static CLOCK: AtomicU64 = AtomicU64::new(1_000);

fn now() -> Time {
    Time(CLOCK.fetch_add(1, Ordering::Relaxed))
}

/// A running server.
struct Server {
    address: SocketAddr,
    publisher: Publisher,
    fleet: Fleet,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

async fn start() -> Server {
    start_of(Publisher::default()).await
}

async fn start_of(publisher: Publisher) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fleet = Fleet::default();
    let (stop, stopped) = oneshot::channel::<()>();
    let address = listener.local_addr().unwrap();
    let served = serve(listener, publisher.clone(), fleet.clone(), now, async move { drop(stopped.await) });
    let task = tokio::spawn(async move { served.await.unwrap() });
    Server { address, publisher, fleet, stop, task }
}

impl Server {
    fn node(&self, id: &str) -> Option<NodeStatus> {
        self.fleet.nodes().into_iter().find(|node| node.node == id)
    }

    /// Waits until what the fleet knows of a node fulfils a condition.
    async fn until(&self, id: &str, condition: impl Fn(&NodeStatus) -> bool) -> NodeStatus {
        let mut changed = self.fleet.changed();
        let waited = tokio::time::timeout(std::time::Duration::from_secs(20), async {
            loop {
                changed.borrow_and_update();
                if let Some(node) = self.node(id).filter(|node| condition(node)) {
                    return node;
                }
                changed.changed().await.unwrap();
            }
        });
        waited.await.unwrap_or_else(|_| panic!("in vain: {:?}", self.fleet.nodes()))
    }
}

/// One stream of a proxy that wants the policy only.
struct Proxy {
    asks: mpsc::Sender<DeltaDiscoveryRequest>,
    answers: Streaming<DeltaDiscoveryResponse>,
}

fn first(node: &str) -> DeltaDiscoveryRequest {
    DeltaDiscoveryRequest {
        node: Some(Node { id: node.to_owned(), ..Node::default() }),
        type_url: Kind::Extension.type_url().to_owned(),
        resource_names_subscribe: vec!["shunt".to_owned()],
        ..DeltaDiscoveryRequest::default()
    }
}

/// Subscribes on an aggregated stream.
async fn aggregated(address: SocketAddr, node: &str) -> Result<Proxy, Status> {
    let mut client = AggregatedDiscoveryServiceClient::connect(format!("http://{address}")).await.unwrap();
    let (asks, stream) = mpsc::channel(4);
    asks.send(first(node)).await.unwrap();
    let answers = client.delta_aggregated_resources(ReceiverStream::new(stream)).await?.into_inner();
    Ok(Proxy { asks, answers })
}

impl Proxy {
    async fn hear(&mut self) -> DeltaDiscoveryResponse {
        self.answers.message().await.unwrap().expect("an answer")
    }

    async fn answer(&self, to: &DeltaDiscoveryResponse, error: Option<&str>) {
        let refusal = error.map(|message| Refusal { code: 3, message: message.to_owned(), details: Vec::new() });
        let ask = DeltaDiscoveryRequest {
            type_url: to.type_url.clone(),
            response_nonce: to.nonce.clone(),
            error_detail: refusal,
            ..DeltaDiscoveryRequest::default()
        };
        self.asks.send(ask).await.unwrap();
    }
}

fn config(policy: &str) -> ProxyConfig {
    ProxyConfig { routes: Vec::new(), policy: format!("{policy};"), module: Arc::from(b"wasm".as_slice()) }
}

/// The policy in a response.
fn policy(response: &DeltaDiscoveryResponse) -> String {
    let bytes = &response.resources[0].resource.as_ref().unwrap().value;
    let text = String::from_utf8_lossy(bytes);
    text[text.find("policy-").expect("a policy")..].chars().take_while(|c| *c != ';').collect()
}

/// Subscribes as a proxy that has the policy from an earlier stream, in this version.
async fn returning(address: SocketAddr, node: &str, version: &str) -> Proxy {
    let mut client = AggregatedDiscoveryServiceClient::connect(format!("http://{address}")).await.unwrap();
    let (asks, stream) = mpsc::channel(4);
    let known = [("shunt".to_owned(), version.to_owned())].into_iter().collect();
    asks.send(DeltaDiscoveryRequest { initial_resource_versions: known, ..first(node) }).await.unwrap();
    let answers = client.delta_aggregated_resources(ReceiverStream::new(stream)).await.unwrap().into_inner();
    Proxy { asks, answers }
}

#[tokio::test]
async fn a_proxy_that_has_what_another_store_published_keeps_it_until_the_gate_lets_it_through() {
    let server = start_of(Publisher::of_store("new")).await;
    server.publisher.publish(config("policy-1"));
    let mut fresh = aggregated(server.address, "fresh").await.unwrap();
    let response = fresh.hear().await;
    assert!(response.resources[0].version.ends_with(".new"), "{}", response.resources[0].version);
    for (name, version) in [("marked", "0123456789abcdef.old"), ("unmarked", "0123456789abcdef")] {
        let mut foreign = returning(server.address, name, version).await;
        let status = server.until(name, |node| node.foreign.is_some()).await;
        assert_eq!(status.foreign.as_deref(), Some(version.split_once('.').map_or("", |(_, store)| store)));
        server.publisher.publish(config("policy-2"));
        // By the time another stream is answered with the new configuration, this one had the same chance.
        server.publisher.gate(Gate::Stores(["another".to_owned()].into()));
        let mut own = returning(server.address, "own", &response.resources[0].version).await;
        own.hear().await;
        assert_eq!(server.node(name).unwrap().acked_sequence, 0);
        let silent = foreign.answers.message();
        assert!(silent.now_or_never().is_none(), "nothing was said");
        server.publisher.gate(Gate::Open);
        assert_eq!(policy(&foreign.hear().await), "policy-2");
        server.publisher.gate(Gate::Shut);
    }
}

#[tokio::test]
async fn streams_are_known_from_beginning_to_end() {
    let server = start().await;
    server.publisher.publish(config("policy-1"));
    let mut proxy = aggregated(server.address, "edge-1").await.unwrap();
    let response = proxy.hear().await;
    let connected = server.node("edge-1").unwrap();
    assert_eq!((connected.connected, connected.acked_sequence), (true, 0));
    proxy.answer(&response, None).await;
    server.until("edge-1", |node| node.acked_sequence == 1).await;

    assert_eq!(server.publisher.publish(config("policy-1")), 2);
    server.until("edge-1", |node| node.acked_sequence == 2).await;

    assert_eq!(server.publisher.publish(config("policy-3")), 3);
    let response = proxy.hear().await;
    proxy.answer(&response, Some("it is bad")).await;
    let refused = server.until("edge-1", |node| node.nack.is_some()).await;
    let nack = refused.nack.unwrap();
    assert_eq!((refused.acked_sequence, nack.sequence, nack.error.as_str()), (2, 3, "it is bad"));
    assert_eq!(nack.type_url, Kind::Extension.type_url());

    drop(proxy);
    let gone = server.until("edge-1", |node| !node.connected).await;
    assert!(gone.since > connected.since, "with the time");
}

#[tokio::test]
async fn of_two_streams_with_one_id_the_newer_counts() {
    let server = start().await;
    server.publisher.publish(config("policy-1"));
    let mut old = aggregated(server.address, "edge-1").await.unwrap();
    let response = old.hear().await;
    old.answer(&response, None).await;
    server.until("edge-1", |node| node.acked_sequence == 1).await;
    let mut new = aggregated(server.address, "edge-1").await.unwrap();
    let response = new.hear().await;
    assert_eq!(server.node("edge-1").unwrap().acked_sequence, 0, "the proxy may have started anew");
    drop(old);
    new.answer(&response, None).await;
    let both = server.until("edge-1", |node| node.acked_sequence == 1).await;
    assert!(both.connected);
    assert_eq!(server.fleet.nodes().len(), 1);
}

#[tokio::test]
async fn a_slow_proxy_gets_the_newest_configuration_next() {
    let server = start().await;
    server.publisher.publish(config("policy-1"));
    let mut slow = aggregated(server.address, "slow").await.unwrap();
    let response = slow.hear().await;
    let mut fast = aggregated(server.address, "fast").await.unwrap();
    let seen = fast.hear().await;
    fast.answer(&seen, None).await;
    for number in 2..=200 {
        server.publisher.publish(config(&format!("policy-{number}")));
        let seen = fast.hear().await;
        assert_eq!(policy(&seen), format!("policy-{number}"));
        fast.answer(&seen, None).await;
    }
    server.until("fast", |node| node.acked_sequence == 200).await;
    assert_eq!(server.node("slow").unwrap().acked_sequence, 0);
    assert_eq!(policy(&response), "policy-1");
    slow.answer(&response, None).await;
    let next = slow.hear().await;
    assert_eq!(policy(&next), "policy-200", "nothing has queued up");
    slow.answer(&next, None).await;
    server.until("slow", |node| node.acked_sequence == 200).await;
}

#[tokio::test]
async fn a_configuration_that_would_break_requests_is_withheld_and_shown() {
    let server = start().await;
    let routes = |versions: Vec<Version>| Routes {
        id: "shop/checkout".parse().unwrap(),
        hosts: vec!["shop.test".to_owned()],
        port: None,
        default: "v1".parse().unwrap(),
        versions,
        held: false,
        mirrors: Vec::new(),
        protocol: Protocol::Http1,
        health: None,
        timeout: None,
        timeouts: Default::default(),
    };
    server.publisher.publish(ProxyConfig { routes: vec![routes(Vec::new())], ..config("policy-1") });
    let mut client = AggregatedDiscoveryServiceClient::connect(format!("http://{}", server.address)).await.unwrap();
    let (asks, stream) = mpsc::channel(4);
    let mut ask = first("edge-1");
    ask.type_url = Kind::Cluster.type_url().to_owned();
    ask.resource_names_subscribe = Vec::new();
    let text = |text: &str| envoy_types::pb::google::protobuf::Value {
        kind: Some(envoy_types::pb::google::protobuf::value::Kind::StringValue(text.to_owned())),
    };
    let wrap = |name: &str, value| envoy_types::pb::google::protobuf::Struct { fields: [(name.to_owned(), value)].into() };
    let ours = envoy_types::pb::google::protobuf::Value {
        kind: Some(envoy_types::pb::google::protobuf::value::Kind::StructValue(wrap("listen", text("127.0.0.1:10000")))),
    };
    ask.node.as_mut().unwrap().metadata = Some(wrap("shunt", ours));
    asks.send(ask).await.unwrap();
    let mut answers = client.delta_aggregated_resources(ReceiverStream::new(stream)).await.unwrap().into_inner();
    let shown = server.until("edge-1", |node| node.nack.is_some()).await.nack.unwrap();
    assert!(shown.error.contains("names the cluster shunt/shop/checkout/v1, which is not there"), "{shown:?}");
    assert_eq!(shown.sequence, 1);

    let version = Version { name: "v1".parse().unwrap(), backend: Backend::at(vec!["127.0.0.1:1".to_owned()]) };
    server.publisher.publish(ProxyConfig { routes: vec![routes(vec![version])], ..config("policy-2") });
    let clusters = answers.message().await.unwrap().unwrap();
    assert_eq!(clusters.resources[0].name, "shunt/shop/checkout/v1");
    server.until("edge-1", |node| node.nack.is_none()).await;
}

#[tokio::test]
async fn ecds_alone_is_served_too() {
    let server = start().await;
    server.publisher.publish(config("policy-1"));
    let mut client = ExtensionConfigDiscoveryServiceClient::connect(format!("http://{}", server.address)).await.unwrap();
    let (asks, stream) = mpsc::channel(4);
    asks.send(first("own-routes")).await.unwrap();
    let answers = client.delta_extension_configs(ReceiverStream::new(stream)).await.unwrap().into_inner();
    let mut proxy = Proxy { asks, answers };
    let response = proxy.hear().await;
    assert_eq!(policy(&response), "policy-1");
    proxy.answer(&response, None).await;
    server.until("own-routes", |node| node.acked_sequence == 1).await;
}

#[tokio::test]
async fn a_proxy_without_a_name_is_refused() {
    let server = start().await;
    server.publisher.publish(config("policy-1"));
    let refused = match aggregated(server.address, "").await {
        Ok(mut proxy) => proxy.answers.message().await.unwrap_err(),
        Err(status) => status,
    };
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("node.id is empty"), "{refused}");
    assert!(server.fleet.nodes().is_empty());
}

#[tokio::test]
async fn shutting_down_ends_all_streams() {
    let server = start().await;
    server.publisher.publish(config("policy-1"));
    let mut proxy = aggregated(server.address, "edge-1").await.unwrap();
    proxy.hear().await;
    server.stop.send(()).unwrap();
    assert!(!matches!(proxy.answers.message().await, Ok(Some(_))));
    drop(proxy);
    server.task.await.unwrap();
    assert!(server.fleet.nodes().iter().all(|node| !node.connected));
}
