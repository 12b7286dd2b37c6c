//! What the simulated proxies know of the policy: its generation, and what is counted of each service.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use shunt_filter_core::policy::ServicePolicy;
use shunt_filter_core::{RolloutId, RoutingPolicy};
use tokio::sync::watch;

use crate::Client;

/// As published last.
#[derive(Debug, Default)]
pub(super) struct Policy {
    pub(super) generation: u64,
    /// Those under analysis.
    pub(super) judged: BTreeMap<RolloutId, ServicePolicy>,
}

/// Reads the policy whenever a proxy got one, until the streams end.
pub(super) async fn follow(api: SocketAddr, mut pushes: watch::Receiver<u64>, published: watch::Sender<Arc<Policy>>) {
    loop {
        pushes.mark_unchanged();
        match read(api).await {
            Ok(policy) if policy.generation >= published.borrow().generation => {
                published.send_replace(Arc::new(policy));
            }
            Ok(_) => {}
            Err(error) => {
                eprintln!("the policy cannot be read yet: {error:#}");
                tokio::time::sleep(Duration::from_millis(500)).await;
                continue;
            }
        }
        // The API may show a policy a moment after the proxies have it.
        if let Ok(Err(_)) = tokio::time::timeout(Duration::from_secs(2), pushes.changed()).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn read(api: SocketAddr) -> anyhow::Result<Policy> {
    let policy: RoutingPolicy = Client::new(api).get("/v1/policy").await?.json()?;
    let judged = policy.services.into_iter().filter(|service| service.analysis).map(|service| (service.name.clone(), service));
    Ok(Policy { generation: policy.generation, judged: judged.collect() })
}
