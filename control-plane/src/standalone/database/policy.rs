//! What was published last, so that a restart publishes the same and a generation is never used twice.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};
use shunt_core::desired::Routes;
use shunt_filter_core::RolloutId;

use super::{Keeper, Store, StoreError, from_json, from_name, to_json};
use crate::platform::{ContributionRecord, PolicyRecord};

impl Store {
    /// The policy published last, and what it was made of.
    pub(crate) async fn policy(&self) -> Result<(PolicyRecord, BTreeMap<RolloutId, ContributionRecord>), StoreError> {
        let complete = !self.may_have_run_out;
        self.with(move |connection| {
            let policy = connection
                .query_row("SELECT generation, hash, ceiling FROM policy", [], |row| {
                    Ok(PolicyRecord { generation: row.get(0)?, hash: row.get(1)?, ceiling: row.get(2)? })
                })
                .optional()?;
            let policy = policy.map(|policy| if complete { PolicyRecord { ceiling: policy.generation, ..policy } } else { policy });
            let mut query = connection.prepare("SELECT rollout, service, generation, routes, proof FROM contributions")?;
            let mut rows = query.query([])?;
            let mut all = BTreeMap::new();
            while let Some(row) = rows.next()? {
                let id: String = row.get(0)?;
                let id: RolloutId = from_name(&id, || format!("contribution of {id}"))?;
                let record = ContributionRecord { service: row.get(1)?, generation: row.get(2)?, routes: row.get(3)?, proof: row.get(4)? };
                all.insert(id, record);
            }
            Ok((policy.unwrap_or_default(), all))
        })
        .await
    }

    /// Routes that every connected proxy acknowledged last.
    pub(crate) async fn accepted(&self) -> Result<BTreeMap<RolloutId, Routes>, StoreError> {
        self.with(|connection| {
            let mut query = connection.prepare("SELECT routes FROM accepted_routes")?;
            let mut rows = query.query([])?;
            let mut all = BTreeMap::new();
            while let Some(row) = rows.next()? {
                let routes: Routes = from_json(&row.get::<_, String>(0)?, || "accepted routes".to_owned())?;
                all.insert(routes.id.clone(), routes);
            }
            Ok(all)
        })
        .await
    }

    /// Records what is about to be published, and which routes were accepted since the last time (none: they are gone). Afterwards, and
    /// only then, it may be.
    pub(crate) async fn publishing(
        &self,
        policy: PolicyRecord,
        changed: Vec<(RolloutId, ContributionRecord)>,
        accepted: Vec<(RolloutId, Option<Routes>)>,
    ) -> Result<(), StoreError> {
        self.with_urgent(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute(
                "INSERT INTO policy (one, generation, hash, ceiling) VALUES (1, ?1, ?2, ?3)
                 ON CONFLICT (one) DO UPDATE SET generation = ?1, hash = ?2, ceiling = ?3",
                params![policy.generation, policy.hash, policy.ceiling],
            )?;
            for (id, record) in &changed {
                transaction.execute(
                    "INSERT INTO contributions (rollout, service, generation, routes, proof) VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (rollout) DO UPDATE SET service = ?2, generation = ?3, routes = ?4, proof = ?5",
                    params![id.to_string(), record.service, record.generation, record.routes, record.proof],
                )?;
            }
            for (id, routes) in &accepted {
                match routes {
                    Some(routes) => transaction.execute(
                        "INSERT INTO accepted_routes (rollout, routes) SELECT id, ?2 FROM rollouts WHERE id = ?1
                         ON CONFLICT (rollout) DO UPDATE SET routes = ?2",
                        params![id.to_string(), to_json(routes, || format!("accepted routes of {id}"))?],
                    )?,
                    None => transaction.execute("DELETE FROM accepted_routes WHERE rollout = ?1", params![id.to_string()])?,
                };
            }
            Ok(transaction.commit()?)
        })
        .await?;
        self.ask(Keeper::settle).await
    }
}
