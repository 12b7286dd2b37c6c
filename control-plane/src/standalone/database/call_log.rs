//! Gates and hooks as people see them: kept when they are over, of the last few releases.

use rusqlite::{Row, Transaction, params};
use shunt_core::call::CallView;
use shunt_filter_core::RolloutId;

use super::{AuxiliaryStore, StoreError, from_json, to_json};
use crate::platform::CALLS_KEPT;

impl AuxiliaryStore {
    /// All of them, oldest first.
    pub(crate) async fn call_log(&self) -> Result<Vec<(RolloutId, CallView)>, StoreError> {
        self.with(|connection| {
            let mut query = connection.prepare("SELECT rollout, view FROM call_log ORDER BY number")?;
            query.query_map([], columns)?.map(|row| read(row?)).collect()
        })
        .await
    }

    /// Those of one Rollout, oldest first, also when it is gone.
    pub(crate) async fn calls_of(&self, rollout: &RolloutId) -> Result<Vec<CallView>, StoreError> {
        let rollout = rollout.to_string();
        self.with(move |connection| {
            let mut query = connection.prepare_cached("SELECT rollout, view FROM call_log WHERE rollout = ? ORDER BY number")?;
            query.query_map([rollout], columns)?.map(|row| Ok(read(row?)?.1)).collect()
        })
        .await
    }

    /// How far one is, in place of what was known before.
    pub(crate) async fn log_call(&self, rollout: &RolloutId, view: CallView) -> Result<(), StoreError> {
        let rollout = rollout.to_string();
        self.with(move |connection| {
            let transaction = connection.transaction()?;
            write(&transaction, &rollout, &view)?;
            Ok(transaction.commit()?)
        })
        .await
    }
}

/// How far one is, in the transaction that records it.
pub(super) fn write(transaction: &Transaction<'_>, rollout: &str, view: &CallView) -> Result<(), StoreError> {
    let text = to_json(view, || format!("call {} of {rollout}", view.id))?;
    transaction.execute(
        "INSERT INTO call_log (rollout, id, since, view) VALUES (?, ?, ?, ?)
         ON CONFLICT (rollout, id, since) DO UPDATE SET view = excluded.view",
        params![rollout, view.id, view.since.0, text],
    )?;
    transaction.execute(
        "DELETE FROM call_log WHERE rollout = ?1 AND number NOT IN
         (SELECT number FROM call_log WHERE rollout = ?1 ORDER BY number DESC LIMIT ?2)",
        params![rollout, i64::try_from(CALLS_KEPT).unwrap_or(i64::MAX)],
    )?;
    Ok(())
}

fn columns(row: &Row<'_>) -> rusqlite::Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}

fn read((rollout, text): (String, String)) -> Result<(RolloutId, CallView), StoreError> {
    let what = || format!("call of {rollout}");
    let view = from_json(&text, what)?;
    let id = rollout
        .parse()
        .map_err(|error: shunt_filter_core::names::NameError| StoreError::Unreadable { what: what(), error: error.to_string() })?;
    Ok((id, view))
}
