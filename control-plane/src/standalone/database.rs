//! State, journal, commands and everything else that must survive a crash, in one SQLite file.
//!
//! One thread owns the connection and does one transaction after the other; callers wait without blocking the runtime. A
//! transition is one transaction: the state (compare-and-swap on its revision), its journal entry, and the commands it used up.

mod audit;
mod call_log;
mod calls;
mod files;
mod freeze;
mod idempotency;
mod identity;
mod instances;
mod journal;
mod keeper;
mod measurements;
mod outbox;
mod policy;
mod proxies;
mod release_log;
mod rollouts;
mod schema;
mod signing;
mod tokens;

use std::fs::{File, TryLockError};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode};
use shunt_core::stored;
use shunt_filter_core::names::NameError;
use thiserror::Error;
use tokio::sync::{oneshot, watch};

use super::private;
use crate::platform::StoreError;

pub(crate) use instances::InstanceRecord;
use keeper::Keeper;

/// The file's name in the data folder.
const FILE: &str = "shunt.db";

/// Held while a process uses the folder; two would publish against each other.
const LOCK: &str = "lock";

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub(crate) enum OpenError {
    /// Another process serves from the same folder.
    #[error("{} is in use by another `shunt serve`: stop that one, or use another --data folder", .0.display())]
    InUse(PathBuf),
    /// The folder cannot be made or written.
    #[error("data folder {}: {error}", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It has no content: it is not a new one.
    #[error(
        "{} has 0 bytes: the store was cut off, and a control plane that took it for a new one would move every user. Put a copy of it \
         back; without one, move the file and those beside it whose names begin with it away, start again and run `shunt recover`",
        .0.display()
    )]
    CutOff(PathBuf),
    /// Made by a newer program.
    #[error("the store has schema {found}, this program knows {known}: it was made by a newer shunt, use that one")]
    Newer {
        /// In the file.
        found: u32,
        /// In this program.
        known: u32,
    },
    /// As any other use of it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What helps when the store cannot be written.
const REMEDY: &str = "free space on the disk of --data";

fn unwritable(why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unwritable { why: format!("{why}"), remedy: REMEDY }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // Read-only is what a full store is made until there is room again.
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::ReadOnly) => unwritable(&error),
            _ => Self::Failed(error.to_string()),
        }
    }
}

type Work = Box<dyn FnOnce(&mut Keeper) + Send>;

/// Opens the file, or makes it. A new one is made aside and renamed when it is whole, so that one without content is never new: it
/// was cut off, and a control plane that takes it for a new one loses what every user was sent to.
fn connect(folder: &Path) -> Result<Connection, OpenError> {
    let failed = |error| OpenError::Folder { path: folder.to_owned(), error };
    let path = folder.join(FILE);
    match std::fs::metadata(&path) {
        Ok(meta) if meta.len() == 0 => return Err(OpenError::CutOff(path)),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let new = folder.join(format!("{FILE}.new"));
            for leftover in [new.clone(), folder.join(format!("{FILE}.new-wal")), folder.join(format!("{FILE}.new-shm"))] {
                if leftover.exists() {
                    std::fs::remove_file(leftover).map_err(failed)?;
                }
            }
            let mut connection = Connection::open(&new)?;
            schema::prepare(&mut connection)?;
            // The last connection to go moves what is in the log into the file.
            connection.close().map_err(|(_, error)| error)?;
            std::fs::rename(&new, &path).map_err(failed)?;
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Err(error) => return Err(failed(error)),
    }
    let mut connection = Connection::open(path)?;
    schema::prepare(&mut connection)?;
    Ok(connection)
}

/// What the store's thread is told.
enum Job {
    Do(Work),
    End,
}

/// The store of this process. Dropping it, or [`Database::close`], ends its thread after what was asked before.
#[derive(Debug)]
pub(crate) struct Database {
    store: Store,
    thread: Option<JoinHandle<()>>,
    _lock: File,
}

/// The store, as all use it; clones are the same. It ends with its [`Database`]: then nothing is done any more.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    jobs: mpsc::Sender<Job>,
    trouble: watch::Receiver<Option<String>>,
    /// See [`Keeper::may_have_run_out`].
    may_have_run_out: bool,
}

/// The part of the store that Rollouts do not depend on: tokens, audit, repeated requests, calls, messages, measurements, signing keys.
#[derive(Debug, Clone)]
pub(crate) struct AuxiliaryStore(Store);

impl Database {
    /// Whether this folder has a store.
    pub(crate) fn exists(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Opens or makes the store in this folder. Errors: see [`OpenError`]; blocks while it brings the schema up to date.
    pub(crate) fn open(folder: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Folder { path: folder.to_owned(), error };
        private::make(folder).and_then(|()| private::close(folder)).map_err(failed)?;
        let lock = File::create(folder.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(folder.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let (mut keeper, trouble) = Keeper::open(folder, connect)?;
        let may_have_run_out = keeper.may_have_run_out();
        // SQLite gives the files that it makes later the mode of this one.
        private::close_new(folder).map_err(failed)?;
        let (jobs, todo) = mpsc::channel::<Job>();
        let work = move || {
            while let Ok(Job::Do(work)) = todo.recv() {
                work(&mut keeper);
            }
        };
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(work).map_err(failed)?;
        Ok(Self { store: Store { jobs, trouble, may_have_run_out }, thread: Some(thread), _lock: lock })
    }

    /// Ends the store's thread after all that was asked before, and closes the file.
    pub(crate) fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // What others still send after this is not done.
        drop(self.store.jobs.send(Job::End));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Deref for Database {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.end();
    }
}

impl Store {
    /// What is kept beside Rollouts.
    pub(crate) fn auxiliary(&self) -> AuxiliaryStore {
        AuxiliaryStore(self.clone())
    }

    /// Does one thing on the store's thread, whole or not at all.
    async fn with<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.ask(move |keeper| keeper.ordinary(job)).await
    }

    /// As [`Store::with`], for what must be recorded also on a full disk: it may use the space that is kept free for it.
    async fn with_urgent<T, F>(&self, mut job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.ask(move |keeper| keeper.urgent(&mut job)).await
    }

    /// Why nothing can be written now; none: it can.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    /// Looks whether it can be written again, after it could not.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        self.ask(Keeper::probe).await
    }

    /// Lets the file grow by no page, or without limit: what a full disk does.
    #[cfg(test)]
    pub(crate) async fn room(&self, room: bool) {
        let limit = move |connection: &mut Connection| {
            let pages: u32 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            let most = if room { 1_000_000 } else { pages };
            Ok(connection.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))?)
        };
        self.ask(move |keeper| keeper.bare(limit)).await.unwrap();
    }

    async fn ask<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Keeper) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |keeper| drop(reply.send(job(keeper))));
        self.jobs.send(Job::Do(work)).map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

impl AuxiliaryStore {
    /// As [`Store::with`].
    async fn with<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.0.with(job).await
    }
}

/// Reads a JSON column, in the format that its number says.
fn from_json<T: serde::de::DeserializeOwned>(text: &str, what: impl FnOnce() -> String) -> Result<T, StoreError> {
    stored::read(text).map_err(|error| StoreError::Unreadable { what: what(), error: error.to_string() })
}

/// Reads a name that is a column of its own.
fn from_name<T: FromStr<Err = NameError>>(text: &str, what: impl FnOnce() -> String) -> Result<T, StoreError> {
    text.parse().map_err(|error: NameError| StoreError::Unreadable { what: what(), error: error.to_string() })
}

/// Makes a JSON column, with the number of its format. What is recorded consists of our own types with string keys, so this fails only by a defect of ours.
fn to_json<T: serde::Serialize>(value: &T, what: impl FnOnce() -> String) -> Result<String, StoreError> {
    stored::write(value).map_err(|error| StoreError::Unreadable { what: what(), error: error.to_string() })
}

#[cfg(test)]
mod tests;
