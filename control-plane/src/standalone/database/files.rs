//! Manifest files as they were when they last could be read.

use std::collections::BTreeMap;

use rusqlite::params;

use super::{Store, StoreError};

impl Store {
    /// Text by file name.
    pub(crate) async fn files(&self) -> Result<BTreeMap<String, String>, StoreError> {
        self.with(|connection| {
            let mut query = connection.prepare("SELECT name, text FROM files")?;
            Ok(query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Replaces them all.
    pub(crate) async fn keep_files(&self, files: BTreeMap<String, String>) -> Result<(), StoreError> {
        self.with(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM files", [])?;
            for (name, text) in &files {
                transaction.execute("INSERT INTO files (name, text) VALUES (?, ?)", params![name, text])?;
            }
            Ok(transaction.commit()?)
        })
        .await
    }
}
