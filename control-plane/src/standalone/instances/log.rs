//! What instances write: one file each in the data folder, cut when it is large.

pub(super) mod part;

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use shunt_filter_core::{RolloutId, VersionName};

use crate::standalone::private;

/// A log that is larger is copied to `<name>.1` and begins anew. What is written in that very moment may be lost.
pub(super) const SIZE_MAX: u64 = 10 * 1024 * 1024;

/// Logs of instances that are gone are kept so far, per version.
const KEPT: usize = 10;

/// How much of the end is read for the last words.
const TAIL: u64 = 4_096;

/// Longest last words, characters.
const WORDS_MAX: usize = 200;

/// All logs.
#[derive(Debug, Clone)]
pub(super) struct Logs {
    folder: PathBuf,
}

impl Logs {
    /// In this data folder.
    pub(super) fn new(data: &Path) -> Self {
        Self { folder: data.join("logs") }
    }

    /// Of one instance; stdout and stderr in order.
    pub(super) fn path(&self, id: &RolloutId, version: &VersionName, instance: u64) -> PathBuf {
        self.folder.join(id.namespace()).join(id.name()).join(version.as_str()).join(format!("{instance}.log"))
    }

    /// Instances of a version with a log, also those that are gone; ascending.
    pub(super) fn there(&self, id: &RolloutId, version: &VersionName) -> Vec<u64> {
        let path = self.path(id, version, 0);
        let entries = path.parent().and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
        let mut all: Vec<u64> = entries.filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".log")?.parse().ok()).collect();
        all.sort_unstable();
        all
    }

    /// Opens it for a process, made when missing; older logs of the version make room.
    pub(super) fn open(&self, id: &RolloutId, version: &VersionName, instance: u64) -> io::Result<File> {
        let path = self.path(id, version, instance);
        if let Some(folder) = path.parent() {
            private::make(folder)?;
            prune(folder, instance);
        }
        File::options().create(true).append(true).mode(0o600).open(path)
    }

    /// The last line that says something; empty: there is none.
    pub(super) fn last_words(&self, id: &RolloutId, version: &VersionName, instance: u64) -> String {
        tail(&self.path(id, version, instance)).unwrap_or_default()
    }

    /// Cuts it when it is large.
    pub(super) fn rotate(&self, id: &RolloutId, version: &VersionName, instance: u64) {
        let path = self.path(id, version, instance);
        if fs::metadata(&path).is_ok_and(|meta| meta.len() > SIZE_MAX) {
            let cut = fs::copy(&path, path.with_extension("log.1")).and_then(|_| File::options().write(true).open(&path)?.set_len(0));
            if let Err(error) = cut {
                tracing::warn!("{} cannot be cut: {error}", path.display());
            }
        }
    }
}

/// Keeps the newest few logs beside this one's.
fn prune(folder: &Path, instance: u64) {
    let number = |path: &Path| path.file_name()?.to_str()?.split('.').next()?.parse::<u64>().ok();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut old: Vec<(u64, PathBuf)> =
        entries.map(|entry| entry.path()).filter_map(|path| Some((number(&path)?, path))).filter(|(own, _)| *own < instance).collect();
    old.sort();
    let mut numbers: Vec<u64> = old.iter().map(|(number, _)| *number).collect();
    numbers.dedup();
    let gone = numbers.len().saturating_sub(KEPT);
    let Some(first_kept) = numbers.get(gone) else { return };
    for (_, path) in old.iter().filter(|(number, _)| number < first_kept) {
        // An instance that still runs keeps writing into its open file; a log less is no reason to fail.
        drop(fs::remove_file(path));
    }
}

fn tail(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    Ok(last.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS_MAX).collect())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names() -> (RolloutId, VersionName) {
        (RolloutId::new("shop", "checkout").unwrap(), "v1".parse().unwrap())
    }

    #[test]
    fn the_last_words_are_the_last_line_that_says_something() {
        let folder = tempfile::tempdir().unwrap();
        let (logs, (id, version)) = (Logs::new(folder.path()), names());
        assert_eq!(logs.last_words(&id, &version, 1), "");
        let mut file = logs.open(&id, &version, 1).unwrap();
        file.write_all(b"one\n  two \x1b[31m \n\n").unwrap();
        assert_eq!(logs.last_words(&id, &version, 1), "two  [31m");
    }

    #[test]
    fn a_large_log_begins_anew_and_the_writer_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let (logs, (id, version)) = (Logs::new(folder.path()), names());
        let mut file = logs.open(&id, &version, 1).unwrap();
        file.write_all(&vec![b'x'; usize::try_from(SIZE_MAX).unwrap() + 1]).unwrap();
        logs.rotate(&id, &version, 1);
        file.write_all(b"after\n").unwrap();
        assert_eq!(fs::read_to_string(logs.path(&id, &version, 1)).unwrap(), "after\n");
        assert_eq!(fs::metadata(logs.path(&id, &version, 1).with_extension("log.1")).unwrap().len(), SIZE_MAX + 1);
    }

    #[test]
    fn old_logs_make_room() {
        let folder = tempfile::tempdir().unwrap();
        let (logs, (id, version)) = (Logs::new(folder.path()), names());
        for instance in 1..=20 {
            logs.open(&id, &version, instance).unwrap();
        }
        let there: Vec<u64> = (1..=20).filter(|instance| logs.path(&id, &version, *instance).exists()).collect();
        assert_eq!(there, (10..=20).collect::<Vec<_>>());
    }
}
