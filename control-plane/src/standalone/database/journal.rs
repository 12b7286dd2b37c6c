//! The journal of all Rollouts, also of those that are forgotten.

use std::collections::BTreeMap;

use rusqlite::{Transaction, params};
use shunt_core::journal::Entry;
use shunt_core::replay::Incident;
use shunt_filter_core::RolloutId;
use shunt_spec::Plan;

use super::{Store, StoreError, from_json, to_json};

impl Store {
    /// At most `limit` of a Rollout's newest entries, oldest first.
    pub(crate) async fn history(&self, id: &RolloutId, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let id = id.to_string();
        self.with(move |connection| {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut query = connection.prepare_cached("SELECT entry FROM journal WHERE rollout = ? ORDER BY number DESC LIMIT ?")?;
            let texts: Vec<String> = query.query_map(params![id, limit], |row| row.get(0))?.collect::<Result<_, _>>()?;
            texts.iter().rev().map(|text| from_json(text, || format!("journal of {id}"))).collect()
        })
        .await
    }
}

impl Store {
    /// At most `limit` of a Rollout's newest entries with all that is needed to run them again.
    pub(crate) async fn incident(&self, id: &RolloutId, limit: usize) -> Result<Incident, StoreError> {
        // One more: it says what was before the others.
        let entries = self.history(id, limit.saturating_add(1)).await?;
        Ok(Incident::new(self.plans(id).await?, &entries, limit))
    }

    /// Every plan of a Rollout that ever ran, by digest.
    async fn plans(&self, id: &RolloutId) -> Result<BTreeMap<String, Plan>, StoreError> {
        let id = id.to_string();
        self.with(move |connection| {
            let mut query = connection.prepare_cached("SELECT digest, plan FROM plans WHERE rollout = ?")?;
            let rows = query.query_map(params![id], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let texts: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
            texts.into_iter().map(|(digest, text)| Ok((digest, from_json(&text, || format!("plan of {id}"))?))).collect()
        })
        .await
    }
}

/// Appends one entry to the transaction that records its state.
pub(super) fn write(transaction: &Transaction<'_>, entry: &Entry) -> Result<(), StoreError> {
    let text = to_json(entry, || format!("journal of {}", entry.rollout))?;
    transaction.execute(
        "INSERT INTO journal (rollout, revision, at, entry) VALUES (?, ?, ?, ?)",
        params![entry.rollout.to_string(), entry.revision, entry.at.0, text],
    )?;
    Ok(())
}
