//! Rollouts: what each should do, where it is, and what is asked of it.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use shunt_core::Command;
use shunt_core::advance::Next;
use shunt_core::event::OutboxMessage;
use shunt_filter_core::RolloutId;
use shunt_spec::{Plan, Time};

use super::{Store, StoreError, from_json, journal, outbox, to_json};
use crate::platform::{NewCommand, Posted, Stored, Urgency};

impl Store {
    /// All Rollouts, in order of id.
    pub(crate) async fn rollouts(&self) -> Result<Vec<Stored>, StoreError> {
        self.with(|connection| {
            let mut query = connection.prepare(
                "SELECT r.id, r.first_seen, r.gone, r.state, p.plan
                 FROM rollouts r JOIN plans p ON p.rollout = r.id AND p.digest = r.digest ORDER BY r.id",
            )?;
            let mut rows = query.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let id: String = row.get(0)?;
                let plan: Plan = from_json(&row.get::<_, String>(4)?, || format!("plan of {id}"))?;
                all.push(Stored {
                    plan: Arc::new(Plan { gone: row.get(2)?, ..plan }),
                    first_seen: Time(row.get(1)?),
                    state: from_json(&row.get::<_, String>(3)?, || format!("state of {id}"))?,
                    commands: commands(connection, &id)?,
                });
            }
            Ok(all)
        })
        .await
    }

    /// A Rollout that was not there before, with its first state.
    pub(crate) async fn admit(&self, stored: Stored) -> Result<(), StoreError> {
        self.with(move |connection| {
            let id = stored.plan.id.to_string();
            let state = to_json(&stored.state, || format!("state of {id}"))?;
            let transaction = connection.transaction()?;
            keep_plan(&transaction, &stored.plan)?;
            transaction.execute(
                "INSERT INTO rollouts (id, first_seen, digest, gone, revision, state) VALUES (?, ?, ?, ?, ?, ?)",
                params![id, stored.first_seen.0, stored.plan.digest, stored.plan.gone, stored.state.revision, state],
            )?;
            Ok(transaction.commit()?)
        })
        .await
    }

    /// Another version of a Rollout's manifest was accepted, or it is gone.
    pub(crate) async fn replan(&self, plan: Arc<Plan>) -> Result<(), StoreError> {
        self.with(move |connection| {
            let transaction = connection.transaction()?;
            keep_plan(&transaction, &plan)?;
            transaction
                .execute("UPDATE rollouts SET digest = ?, gone = ? WHERE id = ?", params![plan.digest, plan.gone, plan.id.to_string()])?;
            Ok(transaction.commit()?)
        })
        .await
    }

    /// Records a transition: state, journal entry, the outbox messages that tell of it and the commands it answered, all or nothing.
    /// [`StoreError::Conflict`] when the recorded revision is not `revision` any more.
    pub(crate) async fn record(
        &self,
        id: &RolloutId,
        revision: u64,
        next: Next,
        messages: Vec<OutboxMessage>,
        urgency: Urgency,
    ) -> Result<Vec<Posted>, StoreError> {
        let id = id.clone();
        let write = move |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            let mut posted = Vec::new();
            if let Some(entry) = &next.entry {
                let state = to_json(&next.state, || format!("state of {id}"))?;
                let changed = transaction.execute(
                    "UPDATE rollouts SET revision = ?, state = ? WHERE id = ? AND revision = ?",
                    params![next.state.revision, state, id.to_string(), revision],
                )?;
                if changed != 1 {
                    return Err(StoreError::Conflict(id.clone()));
                }
                journal::write(&transaction, entry)?;
                posted = outbox::write(&transaction, &id, entry.at, messages.clone())?;
            }
            for answer in &next.answered {
                transaction.execute("DELETE FROM commands WHERE id = ?", [answer.command])?;
            }
            transaction.commit()?;
            Ok(posted)
        };
        match urgency {
            Urgency::MustBeKept => self.with_urgent(write).await,
            Urgency::CanWait => self.with(move |connection| write(connection)).await,
        }
    }

    /// Keeps a command until it is answered, and gives it its id.
    pub(crate) async fn command(&self, id: &RolloutId, new: NewCommand) -> Result<Command, StoreError> {
        let (id, urgency) = (id.to_string(), Urgency::of(new.verb));
        let write = move |connection: &mut Connection| {
            let NewCommand { verb, revision, by, reason, confirm } = new.clone();
            let mut command = Command { id: 0, verb, revision, by, reason, confirm };
            let text = to_json(&command, || format!("command for {id}"))?;
            connection.execute("INSERT INTO commands (rollout, command) VALUES (?, ?)", params![id, text])?;
            command.id = u64::try_from(connection.last_insert_rowid()).unwrap_or_default();
            Ok(command)
        };
        match urgency {
            Urgency::MustBeKept => self.with_urgent(write).await,
            Urgency::CanWait => self.with(move |connection| write(connection)).await,
        }
    }

    /// Forgets a Rollout of which nothing is left; its journal and plans stay.
    pub(crate) async fn forget(&self, id: &RolloutId) -> Result<(), StoreError> {
        let id = id.to_string();
        self.with(move |connection| Ok(connection.execute("DELETE FROM rollouts WHERE id = ?", [id]).map(drop)?)).await
    }
}

fn commands(connection: &Connection, id: &str) -> Result<Vec<Command>, StoreError> {
    let mut query = connection.prepare_cached("SELECT id, command FROM commands WHERE rollout = ? ORDER BY id")?;
    let mut rows = query.query([id])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let command: Command = from_json(&row.get::<_, String>(1)?, || format!("command for {id}"))?;
        all.push(Command { id: row.get(0)?, ..command });
    }
    Ok(all)
}

fn keep_plan(transaction: &Transaction<'_>, plan: &Plan) -> Result<(), StoreError> {
    let rollout = plan.id.to_string();
    let known = transaction
        .query_row("SELECT 1 FROM plans WHERE rollout = ? AND digest = ?", params![rollout, plan.digest], |_| Ok(()))
        .optional()?;
    if known.is_none() {
        let text = to_json(&Plan { gone: false, ..plan.clone() }, || format!("plan of {rollout}"))?;
        transaction.execute("INSERT INTO plans (rollout, digest, plan) VALUES (?, ?, ?)", params![rollout, plan.digest, text])?;
    }
    Ok(())
}
