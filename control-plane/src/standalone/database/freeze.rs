//! Whether an operator has frozen all releases: must survive a restart, or one would go on in the middle of the night.

use rusqlite::{OptionalExtension, params};
use shunt_core::observation::Freeze;

use super::{Store, StoreError, from_json, to_json};

impl Store {
    /// As it was set last; off when it never was.
    pub(crate) async fn freeze(&self) -> Result<Freeze, StoreError> {
        self.with(|connection| {
            let text: Option<String> = connection.query_row("SELECT freeze FROM freeze", [], |row| row.get(0)).optional()?;
            text.map_or(Ok(Freeze::Off), |text| from_json(&text, || "freeze".to_owned()))
        })
        .await
    }

    /// Sets it. Afterwards, and only then, it counts.
    pub(crate) async fn set_freeze(&self, freeze: Freeze) -> Result<(), StoreError> {
        self.with(move |connection| {
            let text = to_json(&freeze, || "freeze".to_owned())?;
            connection
                .execute("INSERT INTO freeze (one, freeze) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET freeze = ?1", params![text])?;
            Ok(())
        })
        .await
    }
}
