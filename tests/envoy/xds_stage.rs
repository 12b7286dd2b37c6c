//! The xDS server of the control plane without its core, so that it can be told to publish what the core never would.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::json;
use shunt_core::desired::Routes;
use shunt_spec::Time;
use shunt_spec::plan::{Backend, Protocol, Version};
use shunt_testbed::envoy::listen_address;
use shunt_testbed::{Client, Envoy, EnvoyOptions, LocalShop, free_port, locate, until};
use shunt_xds::fleet::NodeStatus;
use shunt_xds::{Bootstrap, Fleet, ProxyConfig, Publisher, bootstrap, serve};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::xds_rig::{SOON, Variant};

/// The server and one Envoy, `edge-1`.
pub(crate) struct Stage {
    publisher: Publisher,
    fleet: Fleet,
    pub(crate) envoy: Envoy,
    /// Where the Envoy takes requests.
    pub(crate) address: SocketAddr,
    config: ProxyConfig,
    generation: u64,
    xds: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Stage {
    /// Publishes `first`; returns when the Envoy has acknowledged it and is ready.
    pub(crate) async fn start(variant: Variant, first: Vec<Routes>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let xds = listener.local_addr()?;
        let (publisher, fleet) = (Publisher::default(), Fleet::default());
        let (stop, server) = run(listener, &publisher, &fleet);
        let listen = listen_address();
        let of = Bootstrap {
            node: "edge-1".to_owned(),
            listen,
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            xds: xds.to_string(),
            api: format!("127.0.0.1:{}", free_port()),
            module: None,
            state_of_the_world: variant == Variant::StateOfTheWorld,
            tls: None,
        };
        let module = std::fs::read(locate::filter()?)?.into();
        let mut stage = Self {
            envoy: Envoy::launch(&bootstrap(&of), EnvoyOptions::default()).await?,
            address: listen,
            publisher,
            fleet,
            config: ProxyConfig { routes: Vec::new(), policy: String::new(), module },
            generation: 0,
            xds,
            stop: Some(stop),
            server,
        };
        let sequence = stage.publish(first);
        stage.until_acknowledged(sequence).await?;
        stage.envoy.until_ready().await?;
        Ok(stage)
    }

    /// Publishes these routes with a new generation of an empty policy. Returns its sequence number.
    pub(crate) fn publish(&mut self, routes: Vec<Routes>) -> u64 {
        self.generation += 1;
        let policy = json!({"format": 1, "generation": self.generation, "services": []}).to_string();
        self.config = ProxyConfig { routes, policy, module: Arc::clone(&self.config.module) };
        self.publish_again()
    }

    /// Publishes the same configuration once more.
    pub(crate) fn publish_again(&self) -> u64 {
        self.publisher.publish(self.config.clone())
    }

    /// Stops the server and starts one at the same address that knows nothing; returns when the Envoy is connected to it.
    pub(crate) async fn restart_server(&mut self) -> Result<()> {
        drop(self.stop.take());
        (&mut self.server).await?;
        (self.publisher, self.fleet) = (Publisher::default(), Fleet::default());
        let listener = TcpListener::bind(self.xds).await?;
        let (stop, server) = run(listener, &self.publisher, &self.fleet);
        (self.stop, self.server) = (Some(stop), server);
        until("Envoy is connected again", SOON, || async { self.node().is_some_and(|node| node.connected) }).await
    }

    /// What the server knows of the Envoy.
    pub(crate) fn node(&self) -> Option<NodeStatus> {
        self.fleet.nodes().into_iter().find(|node| node.node == "edge-1")
    }

    /// Waits until the Envoy has acknowledged this sequence, or a later one, and refuses nothing.
    pub(crate) async fn until_acknowledged(&self, sequence: u64) -> Result<()> {
        let done = || async { self.node().is_some_and(|node| node.acked_sequence >= sequence && node.nack.is_none()) };
        let waited = until(format!("sequence {sequence} is acknowledged"), SOON, done).await;
        waited.with_context(|| format!("{:?}\n{}", self.node(), self.envoy.log()))
    }

    /// The version that answers for a host.
    pub(crate) async fn answer(&self, host: &str) -> Option<String> {
        Client::new(self.address).host(host).get("/").await.ok()?.version()
    }
}

fn run(listener: TcpListener, publisher: &Publisher, fleet: &Fleet) -> (oneshot::Sender<()>, JoinHandle<()>) {
    let (stop, stopped) = oneshot::channel();
    let served = serve(listener, publisher.clone(), fleet.clone(), || Time(1), async move { drop(stopped.await) });
    (stop, tokio::spawn(async move { served.await.expect("the server runs") }))
}

/// A service with one version, `v1`.
pub(crate) fn service(name: &str, hosts: &[&str], shop: &LocalShop) -> Routes {
    let version = Version { name: "v1".parse().expect("a name"), backend: Backend::at(vec![shop.address().to_string()]) };
    Routes {
        id: format!("shop/{name}").parse().expect("an id"),
        hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
        port: None,
        default: version.name.clone(),
        versions: vec![version],
        held: false,
        mirrors: Vec::new(),
        protocol: Protocol::Http1,
        health: None,
        timeout: None,
        timeouts: Default::default(),
    }
}
