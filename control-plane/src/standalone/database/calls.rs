//! What came of calls: an answer must survive a crash, or a receiver would be asked twice.

use rusqlite::params;
use shunt_core::call::CallView;
use shunt_filter_core::RolloutId;

use super::{AuxiliaryStore, StoreError, call_log, from_json, to_json};
use crate::platform::CallRecord;

impl AuxiliaryStore {
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

    /// How far a call is, in place of what was known before, and how that is shown. A Rollout that is forgotten has none.
    pub(crate) async fn keep_call(&self, record: CallRecord, view: Option<CallView>) -> Result<(), StoreError> {
        self.with(move |connection| {
            let progress = to_json(&record.progress, || format!("call {} of {}", record.id, record.rollout))?;
            let (transaction, rollout) = (connection.transaction()?, record.rollout.to_string());
            transaction
                .execute("INSERT OR REPLACE INTO calls (rollout, id, progress) VALUES (?, ?, ?)", params![rollout, record.id, progress])?;
            if let Some(view) = view {
                call_log::write(&transaction, &rollout, &view)?;
            }
            Ok(transaction.commit()?)
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
