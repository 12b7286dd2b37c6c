//! The newest configuration, for every stream to pick up: never a queue, so a slow proxy costs no memory.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::proxy_config::{NodeInfo, ProxyConfig};
use crate::render::render;
use crate::snapshot::{Inconsistent, Snapshot};

/// A configuration with its sequence number, counted from 1 in this process.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) sequence: u64,
    config: ProxyConfig,
    store: Arc<str>,
    /// By all that rendering looks at in a proxy: alike proxies share one snapshot, so a large fleet costs the memory of one.
    rendered: Mutex<HashMap<Shape, Rendered>>,
}

/// Where its listener should be, and where the module lies on its disk.
type Shape = (Option<SocketAddr>, Option<String>);
type Rendered = Result<Arc<Snapshot>, Inconsistent>;

impl Published {
    /// What this proxy should have.
    pub(crate) fn snapshot(&self, node: &NodeInfo) -> Rendered {
        let mut rendered = self.rendered.lock().unwrap_or_else(PoisonError::into_inner);
        let made = rendered
            .entry((node.listen, node.module.clone()))
            .or_insert_with(|| render(&self.config, node).map(|snapshot| Arc::new(snapshot.marked(&self.store))));
        made.clone()
    }
}

/// Which proxies are answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// None: each keeps what it has.
    Shut,
    /// Those that have nothing yet, or have what this store or one of these others published. The others keep what they have.
    Stores(BTreeSet<String>),
    /// All.
    Open,
}

impl Gate {
    /// Whether a proxy that has what this store published (none: nothing, or this one's) is answered.
    pub(crate) fn lets(&self, foreign: Option<&str>) -> bool {
        match self {
            Gate::Shut => false,
            Gate::Stores(others) => foreign.is_none_or(|store| others.contains(store)),
            Gate::Open => true,
        }
    }
}

/// Hands configurations to the server; a cheap handle.
#[derive(Debug, Clone)]
pub struct Publisher {
    newest: watch::Sender<Option<Arc<Published>>>,
    gate: watch::Sender<Gate>,
    store: Arc<str>,
}

impl Default for Publisher {
    /// Of no store: what proxies have from before is never foreign.
    fn default() -> Self {
        Self::of_store("")
    }
}

impl Publisher {
    /// Marks every version with the store that its content comes from, so that a proxy says on its next connection whose it has.
    pub fn of_store(store: &str) -> Self {
        Self { newest: watch::channel(None).0, gate: watch::channel(Gate::Stores(BTreeSet::new())).0, store: Arc::from(store) }
    }

    /// Who is answered from now on.
    pub fn gate(&self, gate: Gate) {
        self.gate.send_if_modified(|old| {
            let changed = *old != gate;
            *old = gate;
            changed
        });
    }

    pub(crate) fn gates(&self) -> watch::Receiver<Gate> {
        self.gate.subscribe()
    }

    pub(crate) fn lets(&self, foreign: Option<&str>) -> bool {
        self.gate.borrow().lets(foreign)
    }

    pub(crate) fn store(&self) -> &str {
        &self.store
    }

    /// Makes `config` the one that every proxy should have. Returns its sequence number, which [`crate::fleet::NodeStatus`] counts in.
    pub fn publish(&self, config: ProxyConfig) -> u64 {
        let mut sequence = 1;
        self.newest.send_modify(|newest| {
            sequence = newest.as_ref().map_or(1, |old| old.sequence.saturating_add(1));
            *newest = Some(Arc::new(Published { sequence, config, store: self.store.clone(), rendered: Mutex::default() }));
        });
        sequence
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Arc<Published>>> {
        self.newest.subscribe()
    }
}
