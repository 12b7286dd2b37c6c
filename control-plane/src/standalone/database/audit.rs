//! Who did what through the API.

use rusqlite::params;
use shunt_api::desk::{AuditEntry, Deed};

use super::{Shared, StoreError, from_json, to_json};

/// Entries that are kept; older ones go.
const KEPT: u64 = 100_000;

impl Shared {
    /// Keeps what somebody did.
    pub(crate) async fn note(&self, deed: Deed) -> Result<(), StoreError> {
        self.with(move |connection| {
            let text = to_json(&deed, || "audit".to_owned())?;
            connection.execute("INSERT INTO audit (at, deed) VALUES (?, ?)", params![deed.at.0, text])?;
            let last = u64::try_from(connection.last_insert_rowid()).unwrap_or_default();
            connection.execute("DELETE FROM audit WHERE id <= ?", [last.saturating_sub(KEPT)])?;
            Ok(())
        })
        .await
    }

    /// At most `limit` entries before this id, newest first.
    pub(crate) async fn audit(&self, before: Option<u64>, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        self.with(move |connection| {
            let before = before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut query = connection.prepare_cached("SELECT id, deed FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?")?;
            let rows = query.query_map(params![before, limit], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)))?;
            let mut all = Vec::new();
            for row in rows {
                let (id, text) = row?;
                all.push(AuditEntry { id, deed: from_json(&text, || format!("audit {id}"))? });
            }
            Ok(all)
        })
        .await
    }
}
