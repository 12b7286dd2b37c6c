//! What came of calls: an answer must survive a crash, or somebody would be asked twice.

use rusqlite::params;
use shunt_core::call::Progress;
use shunt_filter_core::RolloutId;

use super::{Database, StoreError, from_json, to_json};

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CallRecord {
    /// Whose.
    pub(crate) rollout: RolloutId,
    /// Which.
    pub(crate) id: String,
    /// How far it is.
    pub(crate) progress: Progress,
}

impl Database {
    /// All calls.
    pub(crate) async fn calls(&self) -> Result<Vec<CallRecord>, StoreError> {
        self.with(|connection| {
            let mut query = connection.prepare("SELECT rollout, id, progress FROM calls")?;
            let mut rows = query.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let (rollout, id): (String, String) = (row.get(0)?, row.get(1)?);
                let progress = from_json(&row.get::<_, String>(2)?, || format!("call {id} of {rollout}"))?;
                let unreadable = |error: shunt_filter_core::names::NameError| StoreError::Unreadable {
                    what: format!("call {id}"),
                    error: error.to_string(),
                };
                all.push(CallRecord { rollout: rollout.parse().map_err(unreadable)?, id, progress });
            }
            Ok(all)
        })
        .await
    }

    /// How far a call is, in place of what was known before. A Rollout that is forgotten has none.
    pub(crate) async fn keep_call(&self, record: CallRecord) -> Result<(), StoreError> {
        self.with(move |connection| {
            let progress = to_json(&record.progress, || format!("call {} of {}", record.id, record.rollout))?;
            connection.execute(
                "INSERT OR REPLACE INTO calls (rollout, id, progress) VALUES (?, ?, ?)",
                params![record.rollout.to_string(), record.id, progress],
            )?;
            Ok(())
        })
        .await
    }

    /// Forgets these calls.
    pub(crate) async fn forget_calls(&self, rollout: &RolloutId, ids: Vec<String>) -> Result<(), StoreError> {
        let rollout = rollout.to_string();
        self.with(move |connection| {
            let transaction = connection.transaction()?;
            for id in ids {
                transaction.execute("DELETE FROM calls WHERE rollout = ? AND id = ?", params![rollout, id])?;
            }
            Ok(transaction.commit()?)
        })
        .await
    }
}
