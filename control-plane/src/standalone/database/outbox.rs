//! Messages that are not delivered yet, written with the transition that they tell of.

use rusqlite::{Transaction, params};
use shunt_core::event::OutboxMessage;
use shunt_filter_core::RolloutId;
use shunt_spec::Time;

use super::{AuxiliaryStore, StoreError, from_json, from_name, to_json};
use crate::platform::Posted;

/// Given up messages that are kept, for people to look at.
const DEAD_MAX: u32 = 100;

impl AuxiliaryStore {
    /// All messages, oldest first.
    pub(crate) async fn outbox(&self) -> Result<Vec<Posted>, StoreError> {
        self.with(|connection| {
            let mut query = connection.prepare("SELECT number, rollout, at, message, tries, next, dead FROM outbox ORDER BY number")?;
            let mut rows = query.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let (number, rollout): (u64, String) = (row.get(0)?, row.get(1)?);
                let what = || format!("outbox message {number} of {rollout}");
                let message = from_json(&row.get::<_, String>(3)?, what)?;
                let rollout = from_name(&rollout, what)?;
                let (at, next) = (Time(row.get(2)?), Time(row.get(5)?));
                all.push(Posted { number, rollout, at, message, tries: row.get(4)?, next, dead: row.get(6)? });
            }
            Ok(all)
        })
        .await
    }

    /// It was tried without success and waits.
    pub(crate) async fn message_waits(&self, number: u64, tries: u32, next: Time) -> Result<(), StoreError> {
        self.with(move |connection| {
            Ok(connection.execute("UPDATE outbox SET tries = ?, next = ? WHERE number = ?", params![tries, next.0, number]).map(drop)?)
        })
        .await
    }

    /// It arrived; earlier ones of its lane that were given up are no trouble any more.
    pub(crate) async fn message_arrived(&self, number: u64) -> Result<(), StoreError> {
        self.with(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute(
                "DELETE FROM outbox WHERE dead IS NOT NULL AND (rollout, lane) IN (SELECT rollout, lane FROM outbox WHERE number = ?)",
                [number],
            )?;
            transaction.execute("DELETE FROM outbox WHERE number = ?", [number])?;
            Ok(transaction.commit()?)
        })
        .await
    }

    /// It is given up, and kept for people to look at.
    pub(crate) async fn message_given_up(&self, number: u64, tries: u32, why: String) -> Result<(), StoreError> {
        self.with(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute("UPDATE outbox SET tries = ?, dead = ? WHERE number = ?", params![tries, why, number])?;
            transaction.execute(
                "DELETE FROM outbox WHERE dead IS NOT NULL AND number NOT IN
                 (SELECT number FROM outbox WHERE dead IS NOT NULL ORDER BY number DESC LIMIT ?)",
                [DEAD_MAX],
            )?;
            Ok(transaction.commit()?)
        })
        .await
    }
}

/// Appends messages to the transaction that records what they tell of.
pub(super) fn write(
    transaction: &Transaction<'_>,
    rollout: &RolloutId,
    at: Time,
    messages: Vec<OutboxMessage>,
) -> Result<Vec<Posted>, StoreError> {
    let mut posted = Vec::new();
    for message in messages {
        let text = to_json(&message, || format!("outbox message of {rollout}"))?;
        transaction.execute(
            "INSERT INTO outbox (rollout, lane, at, message) VALUES (?, ?, ?, ?)",
            params![rollout.to_string(), message.lane(), at.0, text],
        )?;
        let number = u64::try_from(transaction.last_insert_rowid()).unwrap_or_default();
        posted.push(Posted { number, rollout: rollout.clone(), at, message, tries: 0, next: Time(0), dead: None });
    }
    Ok(posted)
}
