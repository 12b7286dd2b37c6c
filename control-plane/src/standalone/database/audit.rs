//! Who did what through the API.

use rusqlite::params;
use shunt_api::access_store::{AuditEntry, AuditRecord, AuditWanted};

use super::{AuxiliaryStore, StoreError, from_json, to_json};

/// Entries that are kept; older ones go.
const KEPT: u64 = 100_000;

impl AuxiliaryStore {
    /// Keeps what a client of the API did.
    pub(crate) async fn note(&self, record: AuditRecord) -> Result<(), StoreError> {
        self.with(move |connection| {
            let text = to_json(&record, || "audit".to_owned())?;
            connection.execute("INSERT INTO audit (at, record) VALUES (?, ?)", params![record.at.0, text])?;
            let last = u64::try_from(connection.last_insert_rowid()).unwrap_or_default();
            connection.execute("DELETE FROM audit WHERE id <= ?", [last.saturating_sub(KEPT)])?;
            Ok(())
        })
        .await
    }

    /// Newest first.
    pub(crate) async fn audit(&self, wanted: AuditWanted) -> Result<Vec<AuditEntry>, StoreError> {
        self.with(move |connection| {
            let before = wanted.before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
            let limit = i64::try_from(wanted.limit).unwrap_or(i64::MAX);
            // The path of a Rollout, and all below it.
            let rollout = wanted.rollout.map(|rollout| format!("rollouts/{rollout}/"));
            let mut query = connection.prepare_cached(
                "SELECT id, record FROM audit
                 WHERE id < ?1 AND at >= ?2 AND (?3 IS NULL OR substr(json_extract(record, '$.value.object') || '/', 1, length(?3)) = ?3)
                 ORDER BY id DESC LIMIT ?4",
            )?;
            let since = wanted.since.unwrap_or_default().0;
            let rows =
                query.query_map(params![before, since, rollout, limit], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)))?;
            let mut all = Vec::new();
            for row in rows {
                let (id, text) = row?;
                all.push(AuditEntry { id, record: from_json(&text, || format!("audit {id}"))? });
            }
            Ok(all)
        })
        .await
    }
}
