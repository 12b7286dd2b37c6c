//! Who asked for which release through the API, and why: the journal knows only that the manifest changed.

use rusqlite::params;
use shunt_core::journal::ReleaseAsked;
use shunt_filter_core::RolloutId;

use super::{AuxiliaryStore, StoreError, from_json, to_json};

/// Entries of one Rollout that are kept; older ones go.
const KEPT: i64 = 1_000;

impl AuxiliaryStore {
    /// One more.
    pub(crate) async fn log_release(&self, rollout: &RolloutId, asked: ReleaseAsked) -> Result<(), StoreError> {
        let rollout = rollout.to_string();
        self.with(move |connection| {
            let text = to_json(&asked, || format!("release of {rollout}"))?;
            connection.execute("INSERT INTO release_log (rollout, at, asked) VALUES (?, ?, ?)", params![rollout, asked.at.0, text])?;
            connection.execute(
                "DELETE FROM release_log WHERE rollout = ?1 AND number NOT IN
                 (SELECT number FROM release_log WHERE rollout = ?1 ORDER BY number DESC LIMIT ?2)",
                params![rollout, KEPT],
            )?;
            Ok(())
        })
        .await
    }

    /// Those of one Rollout, oldest first, also when it is gone.
    pub(crate) async fn releases_of(&self, rollout: &RolloutId) -> Result<Vec<ReleaseAsked>, StoreError> {
        let rollout = rollout.to_string();
        self.with(move |connection| {
            let mut query = connection.prepare_cached("SELECT asked FROM release_log WHERE rollout = ? ORDER BY number")?;
            let rows = query.query_map([&rollout], |row| row.get::<_, String>(0))?;
            rows.map(|text| from_json(&text?, || format!("release of {rollout}"))).collect()
        })
        .await
    }
}
