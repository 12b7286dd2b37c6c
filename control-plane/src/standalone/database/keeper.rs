//! The connection, and the space that is kept free for what must be recorded on a full disk.
//!
//! A file of zeros lies beside the store. When a write fails for want of space, what is urgent (a way back, and the generation that it
//! is published as) takes that file away and tries again; everything else is refused until there is room for the file again, so that
//! nothing but the urgent uses it up.

use std::io::Write;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use tokio::sync::watch;

use super::{OpenError, StoreError, unwritable};

/// The file's name in the data folder.
pub(super) const RESERVE: &str = "reserve";

/// Its size: some fifty transitions of a usual Rollout.
pub(super) const RESERVE_BYTES: usize = 1024 * 1024;

/// What must be free beside it before a store that was full is written again.
const MARGIN_BYTES: usize = 128 * 1024;

/// The connection, as the store's thread owns it.
#[derive(Debug)]
pub(super) struct Keeper {
    connection: Connection,
    reserve: PathBuf,
    /// The process before this one used up the space that is kept free: it may have published what it could not record. Until what this
    /// one publishes above that is recorded, the space stays gone, so that a process that dies before is not forgotten.
    owed: bool,
    trouble: watch::Sender<Option<String>>,
}

impl Keeper {
    /// Opens the store in this folder. A full disk is no reason not to start: the space that is kept free is there for this, too.
    pub(super) fn open(
        folder: &Path,
        connect: impl Fn(&Path) -> Result<Connection, OpenError>,
    ) -> Result<(Self, watch::Receiver<Option<String>>), OpenError> {
        let reserve = folder.join(RESERVE);
        let owed = folder.join(super::FILE).exists() && !is_whole(&reserve);
        let connection = match connect(folder) {
            Err(OpenError::Store(StoreError::Unwritable { .. })) if std::fs::remove_file(&reserve).is_ok() => connect(folder)?,
            opened => opened?,
        };
        let (trouble, seen) = watch::channel(None);
        let mut keeper = Self { connection, reserve, owed, trouble };
        if !owed && let Err(error) = keeper.set_aside() {
            keeper.fail(&error.to_string());
        }
        Ok((keeper, seen))
    }

    /// Whether the process before this one may have done urgent things that it could not record: only when this space was used up.
    pub(super) fn may_have_run_out(&self) -> bool {
        self.owed
    }

    /// Everything that is published is recorded: the space may be kept free again.
    pub(super) fn settle(&mut self) -> Result<(), StoreError> {
        if std::mem::take(&mut self.owed)
            && let Err(error) = self.set_aside()
        {
            self.fail(&error.to_string());
        }
        Ok(())
    }

    /// Does one thing; while there is trouble nothing of it may write.
    pub(super) fn ordinary<T>(&mut self, job: impl FnOnce(&mut Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let troubled = self.trouble.borrow().is_some();
        if troubled {
            self.connection.pragma_update(None, "query_only", true)?;
        }
        let result = job(&mut self.connection);
        if troubled {
            self.connection.pragma_update(None, "query_only", false)?;
        }
        if let Err(StoreError::Unwritable { why, .. }) = &result
            && !troubled
        {
            self.fail(why);
        }
        result
    }

    /// Does one thing that must be recorded, with all space that there is.
    pub(super) fn urgent<T>(&mut self, job: &mut dyn FnMut(&mut Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let result = job(&mut self.connection);
        let Err(StoreError::Unwritable { why, .. }) = &result else { return result };
        self.fail(why);
        if self.shrink().is_ok() {
            let again = job(&mut self.connection);
            if !matches!(again, Err(StoreError::Unwritable { .. })) {
                return again;
            }
        }
        if std::fs::remove_file(&self.reserve).is_err() {
            return result;
        }
        tracing::warn!("the space that was kept free is used");
        job(&mut self.connection)
    }

    /// Past all this.
    #[cfg(test)]
    pub(super) fn bare<T>(&mut self, job: impl FnOnce(&mut Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        job(&mut self.connection)
    }

    /// Whether there is room again: for a write, and for the space to be kept free.
    pub(super) fn probe(&mut self) -> Result<(), StoreError> {
        if self.trouble.borrow().is_none() {
            return Ok(());
        }
        // The file first: a write that fits would use up what is left for the urgent.
        let room = if self.owed { Ok(()) } else { self.set_aside() }.and_then(|()| self.has_margin());
        let done = room.map_err(|error| unwritable(&error)).and_then(|()| {
            let written = self.connection.execute("UPDATE store SET settled = settled", []);
            Ok(written.map(drop)?)
        });
        match &done {
            Ok(()) => {
                tracing::info!("the store can be written again");
                self.trouble.send_replace(None);
            }
            Err(error) => tracing::debug!("{error}"),
        }
        done
    }

    fn fail(&mut self, error: &str) {
        self.trouble.send_if_modified(|trouble| {
            let new = trouble.is_none();
            if new {
                tracing::error!("the store cannot be written ({error}): nothing goes forward until there is room on the disk of --data");
                *trouble = Some(error.to_owned());
            }
            new
        });
    }

    /// The log's content goes into the file, and its space is free.
    fn shrink(&mut self) -> Result<(), StoreError> {
        Ok(self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
    }

    /// Whether a few transitions fit, and not just one small write: without a margin a disk at its limit is full and not full by turns.
    fn has_margin(&self) -> std::io::Result<()> {
        let path = self.reserve.with_extension("margin");
        let written = std::fs::write(&path, vec![0; MARGIN_BYTES]);
        std::fs::remove_file(&path).and(written)
    }

    /// Writes the file unless it is there, whole. Zeros are written, because a file that is only made longer takes no space.
    fn set_aside(&mut self) -> std::io::Result<()> {
        if is_whole(&self.reserve) {
            return Ok(());
        }
        let written = std::fs::File::create(&self.reserve).and_then(|mut file| {
            file.write_all(&vec![0; RESERVE_BYTES])?;
            file.sync_all()
        });
        if written.is_err() {
            // Half of it would keep others from writing.
            drop(std::fs::remove_file(&self.reserve));
        }
        written
    }
}

fn is_whole(reserve: &Path) -> bool {
    reserve.metadata().is_ok_and(|meta| meta.len() == RESERVE_BYTES as u64)
}
