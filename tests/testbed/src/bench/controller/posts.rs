//! Posts the simulated VMs' reports, evenly over each second.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use shunt_filter_core::names::{REPORT_CLUSTER, REPORT_PATH};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::policy::Policy;
use super::vm::Vm;

/// Kept connections; a real proxy has one of its own per worker.
const CONNECTIONS: usize = 32;
/// Loopback addresses that they come from: the API takes 2,000 reports a second from one address.
const ADDRESSES: u8 = 8;
const SECOND: Duration = Duration::from_secs(1);

/// All connections; they end when this is dropped.
pub(super) struct Posts {
    refused: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Posts {
    /// Each of the VMs posts once a second.
    pub(super) fn start(vms: Vec<Vm>, api: SocketAddr, policy: &watch::Receiver<Arc<Policy>>) -> Self {
        let refused = Arc::<AtomicU64>::default();
        let mut tasks = JoinSet::new();
        let mut parts: Vec<Vec<Vm>> = (0..CONNECTIONS).map(|_| Vec::new()).collect();
        for (number, vm) in vms.into_iter().enumerate() {
            parts[number % CONNECTIONS].push(vm);
        }
        for (vms, address) in parts.into_iter().zip((1..=ADDRESSES).cycle()) {
            let from = Ipv4Addr::new(127, 0, 1, address);
            tasks.spawn(run(vms, from, api, policy.clone(), refused.clone()));
        }
        Self { refused, _tasks: tasks }
    }

    /// Reports that were not taken so far.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

async fn run(mut vms: Vec<Vm>, from: Ipv4Addr, api: SocketAddr, policy: watch::Receiver<Arc<Policy>>, refused: Arc<AtomicU64>) {
    if vms.is_empty() {
        return;
    }
    let mut sender = None;
    let number = u32::try_from(vms.len()).unwrap_or(u32::MAX);
    let mut due = Instant::now();
    loop {
        for vm in &mut vms {
            // A connection that is late goes on at once, but does not make up for more than a second.
            due = (due + SECOND / number).max(Instant::now() - SECOND);
            sleep_until(due).await;
            let known = policy.borrow().clone();
            let Ok(body) = serde_json::to_vec(vm.report(&known)) else { continue };
            match post(&mut sender, from, api, body).await {
                Ok(StatusCode::NO_CONTENT) => {}
                Ok(status) => {
                    if refused.fetch_add(1, Ordering::Relaxed) == 0 {
                        eprintln!("a report is refused: {status}; further ones are only counted");
                    }
                }
                Err(_) => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    sender = None;
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn post(connection: &mut Option<SendRequest<Full<Bytes>>>, from: Ipv4Addr, api: SocketAddr, body: Vec<u8>) -> Result<StatusCode> {
    let sender = match connection {
        Some(sender) => sender,
        None => {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from((from, 0)))?;
            let (sender, task) = handshake(TokioIo::new(socket.connect(api).await?)).await?;
            tokio::spawn(task);
            connection.insert(sender)
        }
    };
    sender.ready().await?;
    let request = Request::builder().method(Method::POST).uri(REPORT_PATH).header("host", REPORT_CLUSTER);
    let response = sender.send_request(request.header("content-type", "application/json").body(Full::from(body))?).await?;
    let status = response.status();
    response.into_body().collect().await?;
    Ok(status)
}
