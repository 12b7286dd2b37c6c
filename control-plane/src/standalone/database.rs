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
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode};
use shunt_core::stored;
use shunt_filter_core::RolloutId;
use shunt_filter_core::names::NameError;
use thiserror::Error;
use tokio::sync::{oneshot, watch};

use super::private;

pub(crate) use call_log::KEPT as CALLS_KEPT;
pub(crate) use calls::CallRecord;
pub(crate) use identity::Identity;
pub(crate) use instances::InstanceRecord;
use keeper::Keeper;
pub(crate) use measurements::MeasurementKey;
pub(crate) use outbox::Posted;
pub(crate) use policy::UNRECORDED_MAX;
pub(crate) use policy::{ContributionRecord, PolicyRecord};
pub(crate) use rollouts::{NewCommand, Stored, Urgency};
pub(crate) use signing::SigningRecord;

/// The file's name in the data folder.
const FILE: &str = "shunt.db";

/// Held while a process uses the folder; two would publish against each other.
const LOCK: &str = "lock";

/// Why the store did not do what was asked. Nothing of it was done then.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
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
    /// Another process recorded a transition of this Rollout meanwhile.
    #[error("{0} was recorded by another process meanwhile; nothing was written")]
    Moved(RolloutId),
    /// What is recorded cannot be read by this program.
    #[error("what is recorded as {what} cannot be read: {error}")]
    Unreadable {
        /// For example `state of shop/checkout`.
        what: String,
        /// Why.
        error: String,
    },
    /// It cannot be written now: the disk is full, or fails.
    #[error("the store cannot be written ({0}): free space on the disk of --data")]
    Full(String),
    /// SQLite's own words.
    #[error("store: {0}")]
    Sqlite(rusqlite::Error),
    /// A key cannot be made.
    #[error("no random numbers for a signing key: {0}")]
    Random(String),
    /// The thread that owns the connection has ended.
    #[error("the store is closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // Read-only is what a full store is made until there is room again.
            Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::ReadOnly) => Self::Full(error.to_string()),
            _ => Self::Sqlite(error),
        }
    }
}

type Work = Box<dyn FnOnce(&mut Keeper) + Send>;

/// Opens the file, or makes it. A new one is made aside and renamed when it is whole, so that one without content is never new: it
/// was cut off, and a control plane that takes it for a new one loses what every user was sent to.
fn connect(folder: &Path) -> Result<Connection, StoreError> {
    let failed = |error| StoreError::Folder { path: folder.to_owned(), error };
    let path = folder.join(FILE);
    match std::fs::metadata(&path) {
        Ok(meta) if meta.len() == 0 => return Err(StoreError::CutOff(path)),
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

/// The store. Dropping it, or [`Database::close`], ends its thread after what was asked before.
#[derive(Debug)]
pub(crate) struct Database {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    trouble: watch::Receiver<Option<String>>,
    /// See [`Keeper::may_have_run_out`].
    may_have_run_out: bool,
    _lock: File,
}

impl Database {
    /// Whether this folder has a store.
    pub(crate) fn exists(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Opens or makes the store in this folder. Errors: see [`StoreError`]; blocks while it brings the schema up to date.
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        let failed = |error| StoreError::Folder { path: folder.to_owned(), error };
        private::make(folder).and_then(|()| private::close(folder)).map_err(failed)?;
        let lock = File::create(folder.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(folder.to_owned())),
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
        Ok(Self { jobs: Some(jobs), thread: Some(thread), trouble, may_have_run_out, _lock: lock })
    }

    /// Does one thing on the store's thread, whole or not at all.
    async fn with<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        with(jobs, job).await
    }

    /// As [`Database::with`], for what must be recorded also on a full disk: it may use the space that is kept free for it.
    async fn with_urgent<T, F>(&self, mut job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        ask(jobs, move |keeper| keeper.urgent(&mut job)).await
    }

    /// Why nothing can be written now; none: it can.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    /// Looks whether it can be written again, after it could not.
    pub(crate) async fn probe(&self) -> Result<(), StoreError> {
        let jobs = self.jobs.as_ref().ok_or(StoreError::Closed)?;
        ask(jobs, Keeper::probe).await
    }

    /// Lets the file grow by no page, or without limit: what a full disk does.
    #[cfg(test)]
    pub(crate) async fn room(&self, room: bool) {
        let jobs = self.jobs.as_ref().unwrap();
        let limit = move |connection: &mut Connection| {
            let pages: u32 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            let most = if room { 1_000_000 } else { pages };
            Ok(connection.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))?)
        };
        ask(jobs, move |keeper| keeper.bare(limit)).await.unwrap();
    }

    /// For others who use the store beside its owner. It ends with the owner: then nothing is done any more.
    pub(crate) fn share(&self) -> Shared {
        Shared { jobs: self.jobs.clone() }
    }

    /// Ends the store's thread after all that was asked before, and closes the file.
    pub(crate) fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        if let Some(jobs) = self.jobs.take() {
            // What others still send after this is not done.
            drop(jobs.send(Job::End));
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.end();
    }
}

/// The store, used beside its owner; clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    jobs: Option<mpsc::Sender<Job>>,
}

impl Shared {
    async fn with<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    {
        with(self.jobs.as_ref().ok_or(StoreError::Closed)?, job).await
    }
}

async fn with<T, F>(jobs: &mpsc::Sender<Job>, job: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
{
    ask(jobs, move |keeper| keeper.ordinary(job)).await
}

async fn ask<T, F>(jobs: &mpsc::Sender<Job>, job: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce(&mut Keeper) -> Result<T, StoreError> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    let work: Work = Box::new(move |keeper| drop(reply.send(job(keeper))));
    jobs.send(Job::Do(work)).map_err(|_| StoreError::Closed)?;
    answer.await.map_err(|_| StoreError::Closed)?
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
