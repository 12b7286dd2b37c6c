//! The simulated proxies' ECDS streams: each proxy acknowledges what it is sent.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::SinkExt;
use futures::channel::mpsc;
use prost::Message;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use crate::until::until;

/// Streams that share a connection. A real proxy has a connection of its own.
const PER_CONNECTION: usize = 100;
const METHOD: &str = "/envoy.service.extension.v3.ExtensionConfigDiscoveryService/StreamExtensionConfigs";
const TYPE: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
/// The extension configuration that carries the filter and its policy.
const NAME: &str = "shunt";

/// What an ACK needs of `envoy.config.core.v3.Node`.
#[derive(Clone, PartialEq, Message)]
struct Node {
    #[prost(string, tag = "1")]
    id: String,
}

/// The same of `envoy.service.discovery.v3.DiscoveryRequest`.
#[derive(Clone, PartialEq, Message)]
struct Ask {
    #[prost(string, tag = "1")]
    version_info: String,
    #[prost(message, optional, tag = "2")]
    node: Option<Node>,
    #[prost(string, repeated, tag = "3")]
    resource_names: Vec<String>,
    #[prost(string, tag = "4")]
    type_url: String,
    #[prost(string, tag = "5")]
    response_nonce: String,
}

/// The same of `envoy.service.discovery.v3.DiscoveryResponse`; the resources are passed over.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(string, tag = "1")]
    version_info: String,
    #[prost(string, tag = "5")]
    nonce: String,
}

/// All streams; they end when this is dropped.
pub(super) struct Streams {
    answers: watch::Receiver<u64>,
    _tasks: JoinSet<()>,
}

impl Streams {
    /// Changes whenever a proxy got something.
    pub(super) fn pushes(&self) -> watch::Receiver<u64> {
        self.answers.clone()
    }
}

/// The node id of a proxy.
pub(super) fn node(proxy: usize) -> String {
    format!("proxy-{proxy}")
}

/// Opens all streams, and waits until each has its first configuration.
pub(super) async fn connect(proxies: usize, xds: SocketAddr) -> Result<Streams> {
    let (count, answers) = watch::channel(0);
    let mut tasks = JoinSet::new();
    let mut channel = None;
    for proxy in 0..proxies {
        if proxy % PER_CONNECTION == 0 {
            let endpoint = Endpoint::from_shared(format!("http://{xds}"))?;
            channel = Some(endpoint.connect().await.with_context(|| format!("connecting to {xds}"))?);
        }
        let (channel, count) = (channel.clone().context("no connection")?, count.clone());
        tasks.spawn(async move {
            if let Err(error) = acknowledge(node(proxy), channel, &count).await {
                eprintln!("the stream of {} ended: {error:#}", node(proxy));
            }
        });
    }
    let all = u64::try_from(proxies)?;
    until("each proxy has a configuration", Duration::from_secs(120), || async { *answers.borrow() >= all }).await?;
    Ok(Streams { answers, _tasks: tasks })
}

async fn acknowledge(node: String, channel: Channel, count: &watch::Sender<u64>) -> Result<()> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    let ask = Ask { type_url: TYPE.to_owned(), resource_names: vec![NAME.to_owned()], ..Ask::default() };
    let (mut asks, receiver) = mpsc::channel(1);
    asks.send(Ask { node: Some(Node { id: node }), ..ask.clone() }).await?;
    let answer = grpc.streaming(Request::new(receiver), PathAndQuery::from_static(METHOD), ProstCodec::<Ask, Answer>::default()).await?;
    let mut answers = answer.into_inner();
    while let Some(Answer { version_info, nonce }) = answers.message().await? {
        asks.send(Ask { version_info, response_nonce: nonce, ..ask.clone() }).await?;
        count.send_modify(|count| *count += 1);
    }
    Ok(())
}
