//! The newest world, for every stream to pick up: never a queue, so a slow proxy costs no memory.

use std::sync::Arc;

use tokio::sync::watch;

use crate::world::World;

/// A world with its sequence number, counted from 1 in this process.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) sequence: u64,
    pub(crate) world: Arc<World>,
}

/// Hands worlds to the server; a cheap handle.
#[derive(Debug, Clone)]
pub struct Publisher {
    newest: watch::Sender<Option<Published>>,
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
            *newest = Some(Published { sequence, world: Arc::new(world) });
        });
        sequence
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Published>> {
        self.newest.subscribe()
    }
}
