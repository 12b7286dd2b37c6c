//! Instances of versions: recorded before they are launched, and until nothing of them is left.

use rusqlite::{OptionalExtension, params};
use shunt_core::instance::Instance;
use shunt_filter_core::{RolloutId, VersionName};

use super::{Store, StoreError, from_json, from_name, to_json};

/// One instance and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InstanceRecord {
    /// Whose.
    pub(crate) rollout: RolloutId,
    /// Of which version.
    pub(crate) version: VersionName,
    /// How far it is.
    pub(crate) instance: Instance,
}

impl Store {
    /// All instances in order of id, and the number from which new ones count.
    pub(crate) async fn instances(&self) -> Result<(Vec<InstanceRecord>, u64), StoreError> {
        self.with(|connection| {
            let next = connection.query_row("SELECT next FROM instance_numbers", [], |row| row.get(0)).optional()?;
            let mut query = connection.prepare("SELECT rollout, version, instance FROM instances ORDER BY id")?;
            let mut rows = query.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let (rollout, version): (String, String) = (row.get(0)?, row.get(1)?);
                let what = || format!("instance of {rollout}, version {version}");
                all.push(InstanceRecord {
                    rollout: from_name(&rollout, what)?,
                    version: from_name(&version, what)?,
                    instance: from_json(&row.get::<_, String>(2)?, what)?,
                });
            }
            Ok((all, next.unwrap_or(1)))
        })
        .await
    }

    /// Records instances as they are, forgets those that are gone, and keeps the number from which new ones count.
    pub(crate) async fn keep_instances(&self, there: Vec<InstanceRecord>, gone: Vec<u64>, next: u64) -> Result<(), StoreError> {
        self.with(move |connection| {
            let transaction = connection.transaction()?;
            for InstanceRecord { rollout, version, instance } in &there {
                let text = to_json(instance, || format!("instance of {rollout}, version {version}"))?;
                transaction.execute(
                    "INSERT INTO instances (id, rollout, version, instance) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT (id) DO UPDATE SET instance = ?4",
                    params![instance.id, rollout.to_string(), version.as_str(), text],
                )?;
            }
            for id in gone {
                transaction.execute("DELETE FROM instances WHERE id = ?", [id])?;
            }
            transaction
                .execute("INSERT INTO instance_numbers (one, next) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET next = ?1", [next])?;
            Ok(transaction.commit()?)
        })
        .await
    }
}
