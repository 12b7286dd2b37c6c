//! What signs generated keys: must survive a restart, or the ids of all users would be unsigned.

use rusqlite::{OptionalExtension, params};
use shunt_filter_core::signing::{Signing, SigningKey};
use shunt_spec::Time;

use super::{AuxiliaryStore, StoreError};
use crate::platform::SigningRecord;

impl AuxiliaryStore {
    /// As recorded last; none: no key was made yet.
    pub(crate) async fn signing(&self) -> Result<Option<SigningRecord>, StoreError> {
        self.with(|connection| {
            let mut query = connection.prepare("SELECT current, previous, since FROM signing")?;
            let read = |row: &rusqlite::Row<'_>| {
                let (current, previous): ([u8; 32], Option<[u8; 32]>) = (row.get(0)?, row.get(1)?);
                let keys = Signing { current: SigningKey::new(current), previous: previous.map(SigningKey::new) };
                Ok(SigningRecord { keys, since: Time(row.get(2)?) })
            };
            Ok(query.query_row([], read).optional()?)
        })
        .await
    }

    /// A new current key; the one before becomes the previous one. Afterwards, and only then, it signs.
    pub(crate) async fn rotate_signing(&self, current: [u8; 32], since: Time) -> Result<(), StoreError> {
        self.with(move |connection| {
            connection.execute(
                "INSERT INTO signing (one, current, since) VALUES (1, ?1, ?2)
                 ON CONFLICT (one) DO UPDATE SET previous = current, current = ?1, since = ?2",
                params![current, since.0],
            )?;
            Ok(())
        })
        .await
    }
}
