//! The newest world, for every stream to pick up: never a queue, so a slow proxy costs no memory.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::render::render;
use crate::snapshot::{Inconsistent, Snapshot};
use crate::world::{NodeInfo, World};

/// A world with its sequence number, counted from 1 in this process.
#[derive(Debug)]
pub(crate) struct Published {
    pub(crate) sequence: u64,
    world: World,
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
        let made = rendered.entry((node.listen, node.module.clone())).or_insert_with(|| render(&self.world, node).map(Arc::new));
        made.clone()
    }
}

/// Hands worlds to the server; a cheap handle.
#[derive(Debug, Clone)]
pub struct Publisher {
    newest: watch::Sender<Option<Arc<Published>>>,
}

impl Default for Publisher {
    fn default() -> Self {
        Self { newest: watch::channel(None).0 }
    }
}

impl Publisher {
    /// Makes `world` the one that every proxy should have. Returns its sequence number, which [`crate::fleet::NodeStatus`] counts in.
    pub fn publish(&self, world: World) -> u64 {
        let mut sequence = 1;
        self.newest.send_modify(|newest| {
            sequence = newest.as_ref().map_or(1, |old| old.sequence.saturating_add(1));
            *newest = Some(Arc::new(Published { sequence, world, rendered: Mutex::default() }));
        });
        sequence
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Arc<Published>>> {
        self.newest.subscribe()
    }
}
