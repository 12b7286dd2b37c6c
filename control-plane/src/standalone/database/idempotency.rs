//! Requests with an idempotency key: begun before anything is done, answered afterwards, forgotten after a day.

use rusqlite::{OptionalExtension, params};
use shunt_api::access_store::{Answer, Begun, Key};
use shunt_spec::{Span, Time};

use super::{AuxiliaryStore, StoreError};

/// How long a key counts.
const KEPT: Span = Span::seconds(24 * 3_600);

impl AuxiliaryStore {
    /// A request with this key is about to be done, if there was none with it.
    pub(crate) async fn begin(&self, key: Key, request: String, now: Time) -> Result<Begun, StoreError> {
        self.with(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM idempotency WHERE at <= ?", [now.0.saturating_sub(KEPT.0)])?;
            let found = transaction
                .query_row(
                    "SELECT request, status, kind, body FROM idempotency WHERE by = ? AND key = ?",
                    params![key.by, key.key],
                    |row| {
                        let (kind, body): (Option<String>, Option<Vec<u8>>) = (row.get(2)?, row.get(3)?);
                        Ok((row.get::<_, String>(0)?, row.get::<_, Option<u16>>(1)?, kind.unwrap_or_default(), body.unwrap_or_default()))
                    },
                )
                .optional()?;
            let begun = match found {
                Some((other, ..)) if other != request => Begun::Other,
                Some((_, Some(status), kind, body)) => Begun::Done(Answer { status, kind, body }),
                Some((_, None, ..)) => Begun::Open,
                None => {
                    let insert = "INSERT INTO idempotency (by, key, at, request) VALUES (?, ?, ?, ?)";
                    transaction.execute(insert, params![key.by, key.key, now.0, request])?;
                    Begun::New
                }
            };
            transaction.commit()?;
            Ok(begun)
        })
        .await
    }

    /// What was answered; or the key is free again, because nothing was done.
    pub(crate) async fn finish(&self, key: Key, answer: Option<Answer>) -> Result<(), StoreError> {
        self.with(move |connection| {
            match answer {
                Some(Answer { status, kind, body }) => connection.execute(
                    "UPDATE idempotency SET status = ?, kind = ?, body = ? WHERE by = ? AND key = ?",
                    params![status, kind, body, key.by, key.key],
                )?,
                None => connection.execute("DELETE FROM idempotency WHERE by = ? AND key = ?", params![key.by, key.key])?,
            };
            Ok(())
        })
        .await
    }
}
