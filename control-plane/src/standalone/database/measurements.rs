//! What the external metrics said so far, so that limits survive a restart.

use rusqlite::params;
use shunt_core::analysis::external_metrics::{History, Scope};
use shunt_filter_core::RolloutId;

use super::{AuxiliaryStore, StoreError, from_json, to_json};
use crate::platform::MeasurementKey;

impl AuxiliaryStore {
    /// All that is kept.
    pub(crate) async fn measurements(&self) -> Result<Vec<(MeasurementKey, History)>, StoreError> {
        self.with(|connection| {
            let mut query = connection.prepare("SELECT rollout, attempt, step, metric, digest, history FROM measurements")?;
            let mut rows = query.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let (id, metric): (String, String) = (row.get(0)?, row.get(3)?);
                let unreadable = |error: String| StoreError::Unreadable { what: format!("measurements of {id}"), error };
                let step: i64 = row.get(2)?;
                let key = MeasurementKey {
                    rollout: id.parse().map_err(|error| unreadable(format!("{error}")))?,
                    scope: Scope { attempt: row.get(1)?, step: usize::try_from(step).ok() },
                    metric,
                    digest: row.get(4)?,
                };
                all.push((key, from_json(&row.get::<_, String>(5)?, || format!("measurements of {id}"))?));
            }
            Ok(all)
        })
        .await
    }

    /// Keeps these of a Rollout that is recorded, in place of what was kept under the same key.
    pub(crate) async fn keep_measurements(&self, key: MeasurementKey, history: History) -> Result<(), StoreError> {
        self.with(move |connection| {
            let id = key.rollout.to_string();
            let text = to_json(&history, || format!("measurements of {id}"))?;
            let step = key.scope.step.map_or(Ok(-1), i64::try_from).unwrap_or(i64::MAX);
            connection.execute(
                "INSERT OR REPLACE INTO measurements (rollout, attempt, step, metric, digest, history) VALUES (?, ?, ?, ?, ?, ?)",
                params![id, key.scope.attempt, step, key.metric, key.digest, text],
            )?;
            Ok(())
        })
        .await
    }

    /// Forgets what was measured of a Rollout in other attempts than this one.
    pub(crate) async fn forget_measurements(&self, rollout: &RolloutId, but: u64) -> Result<(), StoreError> {
        let id = rollout.to_string();
        self.with(move |connection| {
            connection.execute("DELETE FROM measurements WHERE rollout = ? AND attempt <> ?", params![id, but])?;
            Ok(())
        })
        .await
    }
}
