//! Which store this is, and whether any proxy has what it published: what tells a new store from a lost one.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};
use shunt_core::journal::Entry;

use super::{Store, StoreError, from_json, journal, to_json};
use crate::platform::Identity;

impl Store {
    /// As recorded; `name` becomes its name when it has none yet.
    pub(crate) async fn identity(&self, name: String) -> Result<Identity, StoreError> {
        self.with(move |connection| {
            let found = connection
                .query_row("SELECT name, settled, adopted FROM store", [], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)))
                .optional()?;
            let Some((name, settled, adopted)) = found else {
                let adopted = BTreeSet::new();
                let text = to_json(&adopted, || "adopted stores".to_owned())?;
                connection.execute("INSERT INTO store (one, name, settled, adopted) VALUES (1, ?, 0, ?)", params![name, text])?;
                return Ok(Identity { name, settled: false, adopted });
            };
            Ok(Identity { name, settled, adopted: from_json(&adopted, || "adopted stores".to_owned())? })
        })
        .await
    }

    /// Records states that were made anew, all or none, and what was published last as nothing that is known: the highest generation
    /// only.
    pub(crate) async fn recovered(&self, entries: Vec<Entry>, generation: u64, identity: Identity) -> Result<(), StoreError> {
        self.with(move |connection| {
            let transaction = connection.transaction()?;
            for entry in &entries {
                let state = to_json(&entry.next, || format!("state of {}", entry.rollout))?;
                transaction.execute(
                    "UPDATE rollouts SET revision = ?, state = ? WHERE id = ?",
                    params![entry.revision, state, entry.rollout.to_string()],
                )?;
                journal::write(&transaction, entry)?;
            }
            transaction.execute("DELETE FROM contributions", [])?;
            transaction.execute(
                "INSERT INTO policy (one, generation, hash) VALUES (1, ?1, '') ON CONFLICT (one) DO UPDATE SET generation = ?1, hash = ''",
                [generation],
            )?;
            let adopted = to_json(&identity.adopted, || "adopted stores".to_owned())?;
            transaction.execute("UPDATE store SET settled = ?, adopted = ?", params![identity.settled, adopted])?;
            Ok(transaction.commit()?)
        })
        .await
    }

    /// Records what became of it.
    pub(crate) async fn set_identity(&self, identity: &Identity) -> Result<(), StoreError> {
        let Identity { settled, adopted, .. } = identity.clone();
        self.with(move |connection| {
            let adopted = to_json(&adopted, || "adopted stores".to_owned())?;
            connection.execute("UPDATE store SET settled = ?, adopted = ?", params![settled, adopted])?;
            Ok(())
        })
        .await
    }
}
