//! The config folder: all manifests as one snapshot, taken again whenever one of them changes.
//!
//! It is polled: that also sees folders whose files are symbolic links that are swapped (Kubernetes ConfigMaps), network file
//! systems, and editors that write a new file and rename it. A change counts once two polls in a row saw the same, so that a
//! half-written file is not read as a whole one.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

/// Time between two polls.
const POLL: Duration = Duration::from_millis(200);

/// A file changed this recently is read again even when its size and time stay: clocks of file systems are coarse.
const RECENT: Duration = Duration::from_secs(2);

/// All manifests at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Files {
    /// Text by file name, or why it could not be read.
    pub(crate) texts: BTreeMap<String, Result<String, String>>,
    /// Why the folder itself cannot be listed now; `texts` are those that were read last.
    pub(crate) fault: Option<String>,
}

/// Reads the folder; files that did not change since are not read again.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    known: BTreeMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    size: u64,
    modified: Option<SystemTime>,
    text: Result<String, String>,
}

impl Folder {
    /// Nothing is read yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, known: BTreeMap::new() }
    }

    /// Everything in it now. Errors when the folder itself cannot be listed: then nothing is known, least of all that manifests
    /// were deleted.
    pub(crate) fn read(&mut self) -> io::Result<Files> {
        let mut known = BTreeMap::new();
        for entry in std::fs::read_dir(&self.path)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().filter(|name| is_manifest(name)).map(str::to_owned) else { continue };
            if let Some(file) = self.file(&name) {
                known.insert(name, file);
            }
        }
        self.known = known;
        Ok(Files { texts: self.known.iter().map(|(name, file)| (name.clone(), file.text.clone())).collect(), fault: None })
    }

    /// The same; when the folder cannot be listed, what was read last, and why.
    pub(crate) fn scan(&mut self, last: &Files) -> Files {
        self.read().unwrap_or_else(|error| Files { fault: Some(error.to_string()), ..last.clone() })
    }

    /// None: it is no file, or was deleted since it was listed.
    fn file(&mut self, name: &str) -> Option<Known> {
        let path = self.path.join(name);
        let meta = match std::fs::metadata(&path) {
            Ok(meta) if meta.is_file() => meta,
            Ok(_) => return None,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => return None,
            Err(error) => return Some(Known { size: 0, modified: None, text: Err(error.to_string()) }),
        };
        let modified = meta.modified().ok();
        let recent = modified.is_none_or(|at| at.elapsed().is_ok_and(|age| age < RECENT));
        match self.known.remove(name) {
            Some(same) if !recent && same.size == meta.len() && same.modified == modified && same.text.is_ok() => Some(same),
            _ => Some(Known { size: meta.len(), modified, text: read_text(&path) }),
        }
    }
}

/// `*.yaml` and `*.yml`; hidden files (editors' backups, the `..data` of a ConfigMap) are not manifests.
fn is_manifest(name: &str) -> bool {
    !name.starts_with('.') && Path::new(name).extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// An empty file says nothing, least of all that what stood in it was deleted: redirections and full disks leave such files.
fn read_text(path: &Path) -> Result<String, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let text = String::from_utf8(bytes).map_err(|error| format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to()))?;
    if text.trim().is_empty() { Err("it is empty".to_owned()) } else { Ok(text) }
}

/// Watches the folder until nothing listens any more. The first snapshot is taken before this returns; one of a folder that cannot
/// be listed says why. Errors when no thread can be started.
pub(crate) fn watch(path: PathBuf) -> io::Result<watch::Receiver<Files>> {
    let mut folder = Folder::new(path);
    let first = folder.scan(&Files::default());
    let (sender, receiver) = watch::channel(first);
    std::thread::Builder::new().name("manifests".to_owned()).spawn(move || poll(folder, &sender))?;
    Ok(receiver)
}

fn poll(mut folder: Folder, sender: &watch::Sender<Files>) {
    let mut before: Option<Files> = None;
    while !sender.is_closed() {
        std::thread::sleep(POLL);
        let now = folder.scan(&sender.borrow());
        if before.as_ref() == Some(&now) {
            sender.send_if_modified(|shown| {
                let changed = *shown != now;
                if changed {
                    shown.clone_from(&now);
                }
                changed
            });
        }
        before = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn folder() -> (TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::new(dir.path().to_owned());
        (dir, folder)
    }

    #[test]
    fn reads_manifests_only_in_order_of_name() {
        let (dir, mut folder) = folder();
        for name in ["b.yaml", "a.yml", "c.txt", ".d.yaml", "e.yaml~"] {
            std::fs::write(dir.path().join(name), name).unwrap();
        }
        std::fs::create_dir(dir.path().join("f.yaml")).unwrap();
        let files = folder.read().unwrap();
        assert_eq!(files.texts.keys().collect::<Vec<_>>(), ["a.yml", "b.yaml"]);
        assert_eq!(files.texts["a.yml"], Ok("a.yml".to_owned()));
    }

    #[test]
    fn sees_a_change_of_the_same_size() {
        let (dir, mut folder) = folder();
        let path = dir.path().join("a.yaml");
        for text in ["one", "two", "six"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(folder.read().unwrap().texts["a.yaml"], Ok(text.to_owned()));
        }
    }

    #[test]
    fn follows_links_that_are_swapped() {
        let (dir, mut folder) = folder();
        let link = |target: &str| {
            let tmp = dir.path().join("..tmp");
            std::os::unix::fs::symlink(target, &tmp).unwrap();
            std::fs::rename(&tmp, dir.path().join("..data")).unwrap();
        };
        for (version, text) in [("..1", "one"), ("..2", "two")] {
            std::fs::create_dir(dir.path().join(version)).unwrap();
            std::fs::write(dir.path().join(version).join("a.yaml"), text).unwrap();
        }
        std::os::unix::fs::symlink("..data/a.yaml", dir.path().join("a.yaml")).unwrap();
        link("..1");
        assert_eq!(folder.read().unwrap().texts["a.yaml"], Ok("one".to_owned()));
        link("..2");
        assert_eq!(folder.read().unwrap().texts["a.yaml"], Ok("two".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_is_said_and_not_taken_for_deleted() {
        let (dir, mut folder) = folder();
        std::fs::write(dir.path().join("a.yaml"), [0x61, 0xff]).unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("b.yaml")).unwrap();
        std::fs::write(dir.path().join("c.yaml"), "").unwrap();
        std::fs::write(dir.path().join("d.yaml"), "\n \n").unwrap();
        let files = folder.read().unwrap();
        assert_eq!(files.texts["a.yaml"], Err("not UTF-8 at byte 1".to_owned()));
        assert!(files.texts["b.yaml"].is_err());
        assert_eq!(files.texts["c.yaml"], Err("it is empty".to_owned()));
        assert_eq!(files.texts["d.yaml"], Err("it is empty".to_owned()));
        assert!(Folder::new(dir.path().join("missing")).read().is_err());
    }

    #[tokio::test]
    async fn a_watched_change_arrives_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yaml");
        std::fs::write(&path, "one").unwrap();
        let mut files = watch(dir.path().to_owned()).unwrap();
        assert_eq!(files.borrow().texts["a.yaml"], Ok("one".to_owned()));
        std::fs::write(&path, "two").unwrap();
        files.changed().await.unwrap();
        assert_eq!(files.borrow().texts["a.yaml"], Ok("two".to_owned()));
        let aside = dir.path().with_extension("aside");
        std::fs::rename(dir.path(), &aside).unwrap();
        files.changed().await.unwrap();
        assert_eq!(files.borrow().texts["a.yaml"], Ok("two".to_owned()), "what was read last");
        assert!(files.borrow().fault.is_some());
        std::fs::rename(&aside, dir.path()).unwrap();
        files.changed().await.unwrap();
        assert_eq!(files.borrow().fault, None);
        std::fs::remove_file(&path).unwrap();
        files.changed().await.unwrap();
        assert!(files.borrow().texts.is_empty());
    }
}
