//! Which proxies are connected, what they acknowledged and what they refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use shunt_spec::Time;
use tokio::sync::watch;

/// Most node ids that are remembered; the longest disconnected one is forgotten first.
pub const NODES_MAX: usize = 10_000;

/// One proxy as its stream shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Node id.
    pub node: String,
    /// Whether its stream is open.
    pub connected: bool,
    /// Since when it is, or is not.
    pub since: Time,
    /// The highest sequence of which it has acknowledged everything on this stream, as of it or of a later one; 0 before the first.
    pub acked_sequence: u64,
    /// What it refuses at the moment.
    pub nack: Option<Nack>,
    /// The store that published what it had when it connected, when it was not this one; empty: one that marks nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign: Option<String>,
}

/// A refused configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Nack {
    /// Envoy's type URL.
    pub type_url: String,
    /// Names of resources that were refused alone; empty: it is not known which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// The proxy's own words.
    pub error: String,
    /// The sequence of the configuration that was refused.
    pub sequence: u64,
}

/// The proxies seen by this process; a cheap handle to shared state.
#[derive(Debug, Clone)]
pub struct Fleet {
    nodes: Arc<Mutex<BTreeMap<String, Entry>>>,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Entry {
    /// Of two streams with one node id the newer one counts.
    stream: u64,
    status: NodeStatus,
}

impl Default for Fleet {
    fn default() -> Self {
        Self { nodes: Arc::default(), changed: watch::channel(0).0 }
    }
}

impl Fleet {
    /// All proxies, by node id.
    pub fn nodes(&self) -> Vec<NodeStatus> {
        self.lock().values().map(|entry| entry.status.clone()).collect()
    }

    /// How often anything has changed: while it is the same, so are all proxies.
    pub fn changes(&self) -> u64 {
        *self.changed.borrow()
    }

    /// Wakes whenever anything changes.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn connected(&self, node: &str, stream: u64, now: Time) {
        let mut nodes = self.lock();
        // What an earlier stream acknowledged proves nothing: the proxy may have started anew.
        let status = NodeStatus { node: node.to_owned(), connected: true, since: now, acked_sequence: 0, nack: None, foreign: None };
        nodes.insert(node.to_owned(), Entry { stream, status });
        forget_oldest(&mut nodes);
        drop(nodes);
        self.wake();
    }

    pub(crate) fn progress(&self, node: &str, stream: u64, acked_sequence: u64, nack: Option<Nack>) {
        let mut nodes = self.lock();
        let Some(entry) = nodes.get_mut(node).filter(|entry| entry.stream == stream) else {
            return;
        };
        if entry.status.acked_sequence == acked_sequence && entry.status.nack == nack {
            return;
        }
        entry.status.acked_sequence = acked_sequence;
        entry.status.nack = nack;
        drop(nodes);
        self.wake();
    }

    pub(crate) fn foreign(&self, node: &str, stream: u64, store: &str) {
        let mut nodes = self.lock();
        let Some(entry) = nodes.get_mut(node).filter(|entry| entry.stream == stream && entry.status.foreign.as_deref() != Some(store))
        else {
            return;
        };
        entry.status.foreign = Some(store.to_owned());
        drop(nodes);
        self.wake();
    }

    pub(crate) fn disconnected(&self, node: &str, stream: u64, now: Time) {
        let mut nodes = self.lock();
        let Some(entry) = nodes.get_mut(node).filter(|entry| entry.stream == stream) else {
            return;
        };
        entry.status.connected = false;
        entry.status.since = now;
        drop(nodes);
        self.wake();
    }

    fn wake(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Entry>> {
        // Every change is a plain assignment, so a panic elsewhere leaves nothing half done.
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn forget_oldest(nodes: &mut BTreeMap<String, Entry>) {
    if nodes.len() <= NODES_MAX {
        return;
    }
    let gone = nodes.values().filter(|entry| !entry.status.connected).min_by_key(|entry| entry.status.since);
    if let Some(node) = gone.map(|entry| entry.status.node.clone()) {
        nodes.remove(&node);
    }
}
