//! Proxies that may hold a policy of ours: recorded when first heard of, dropped when certainly gone.

use std::collections::BTreeSet;

use rusqlite::params;
use shunt_spec::Time;

use super::{Store, StoreError};

impl Store {
    /// Node ids of all expected proxies.
    pub(crate) async fn expected(&self) -> Result<BTreeSet<String>, StoreError> {
        self.with(|connection| {
            let mut query = connection.prepare("SELECT node FROM proxies")?;
            Ok(query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// These are expected from now on.
    pub(crate) async fn expect(&self, nodes: Vec<String>, now: Time) -> Result<(), StoreError> {
        self.with(move |connection| {
            let transaction = connection.transaction()?;
            for node in &nodes {
                transaction.execute("INSERT OR IGNORE INTO proxies (node, first_seen) VALUES (?, ?)", params![node, now.0])?;
            }
            Ok(transaction.commit()?)
        })
        .await
    }

    /// These are not expected any more.
    pub(crate) async fn dismiss(&self, nodes: Vec<String>) -> Result<(), StoreError> {
        self.with(move |connection| {
            let transaction = connection.transaction()?;
            for node in &nodes {
                transaction.execute("DELETE FROM proxies WHERE node = ?", [node])?;
            }
            Ok(transaction.commit()?)
        })
        .await
    }
}
