//! `shunt release`: changes the one line `release:` of a manifest's file, whole or not at all.

use std::io::Write;
use std::path::Path;

use shunt_filter_core::{RolloutId, VersionName};
use shunt_spec::manifest::{EditError, edit_release};
use thiserror::Error;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written {
    /// The file says it now.
    Changed {
        /// Its name in the config folder.
        file: String,
        /// The changed line, counted from 1.
        line: usize,
    },
    /// It said so before.
    Already,
}

/// Why the manifest was not changed; it is as it was.
#[derive(Debug, Error)]
pub(crate) enum ReleaseError {
    /// Its manifest is gone, or was never read.
    #[error("{0} has no manifest in the config folder")]
    NoManifest(RolloutId),
    /// The text does not allow it.
    #[error("{file}: {error}")]
    Edit {
        /// The file's name.
        file: String,
        /// Why.
        error: EditError,
    },
    /// It can be read but not written.
    #[error("{file} cannot be changed here ({why}): write `{line}` in line {number} where it comes from")]
    ReadOnly {
        /// The file's name.
        file: String,
        /// Why.
        why: String,
        /// The line as it should be.
        line: String,
        /// Its number, counted from 1.
        number: usize,
    },
    /// It cannot even be read.
    #[error("{file} cannot be read: {error}")]
    Unreadable {
        /// The file's name.
        file: String,
        /// Why.
        error: std::io::Error,
    },
}

/// Makes `spec.release` of the Rollout name `version`: a new file beside the old one, with the same permissions, then renamed
/// over it. A symbolic link (a ConfigMap's) or a folder that cannot be written is [`ReleaseError::ReadOnly`].
pub(crate) fn write(folder: &Path, file: &str, id: &RolloutId, version: &VersionName) -> Result<Written, ReleaseError> {
    let path = folder.join(file);
    let named = || file.to_owned();
    let text = std::fs::read_to_string(&path).map_err(|error| ReleaseError::Unreadable { file: named(), error })?;
    let edited = edit_release(&text, id, version).map_err(|error| ReleaseError::Edit { file: named(), error })?;
    let Some((number, line)) = changed_line(&text, &edited) else {
        return Ok(Written::Already);
    };
    let read_only = |why: String| ReleaseError::ReadOnly { file: named(), why, line: line.trim().to_owned(), number };
    if path.is_symlink() {
        return Err(read_only("it is a symbolic link".to_owned()));
    }
    let permissions = path.metadata().map_err(|error| read_only(error.to_string()))?.permissions();
    if permissions.readonly() {
        return Err(read_only("it is read-only".to_owned()));
    }
    replace(folder, &path, &edited, permissions).map_err(|error| read_only(error.to_string()))?;
    Ok(Written::Changed { file: named(), line: number })
}

/// Writes a new file beside the old one and renames it over it.
pub(super) fn replace(folder: &Path, path: &Path, text: &str, permissions: std::fs::Permissions) -> std::io::Result<()> {
    // Its name starts with a dot, so that the watcher does not take it for a manifest.
    let mut new = tempfile::Builder::new().prefix(".shunt-").suffix(".tmp").tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().set_permissions(permissions)?;
    new.as_file().sync_all()?;
    new.persist(path).map_err(|failed| failed.error)?;
    std::fs::File::open(folder)?.sync_all()
}

/// Number and new text of the first line that differs.
fn changed_line<'t>(old: &str, new: &'t str) -> Option<(usize, &'t str)> {
    let differs = |(number, (old, new)): (usize, (&str, &'t str))| (old != new).then_some((number + 1, new));
    old.lines().zip(new.lines()).enumerate().find_map(differs)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const TEXT: &str = "apiVersion: shunt.dev/v1alpha1
kind: Rollout
metadata: {name: checkout, namespace: shop}
spec:
  service: {hosts: [shop.test]}
  versions: [{name: v1, endpoints: ['127.0.0.1:9001']}, {name: v2, endpoints: ['127.0.0.1:9002']}]
  release: v1  # bump me
";

    fn names() -> (RolloutId, VersionName) {
        ("shop/checkout".parse().unwrap(), "v2".parse().unwrap())
    }

    #[test]
    fn one_line_changes_and_permissions_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yaml");
        std::fs::write(&path, TEXT).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let (id, version) = names();
        let written = write(dir.path(), "a.yaml", &id, &version).unwrap();
        assert_eq!(written, Written::Changed { file: "a.yaml".to_owned(), line: 7 });
        assert_eq!(std::fs::read_to_string(&path).unwrap(), TEXT.replace("release: v1", "release: v2"));
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        assert_eq!(write(dir.path(), "a.yaml", &id, &version).unwrap(), Written::Already);
    }

    #[test]
    fn a_link_is_refused_with_the_line_to_change() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("real"), TEXT).unwrap();
        std::os::unix::fs::symlink("real", dir.path().join("a.yaml")).unwrap();
        let (id, version) = names();
        let error = write(dir.path(), "a.yaml", &id, &version).unwrap_err().to_string();
        assert_eq!(
            error,
            "a.yaml cannot be changed here (it is a symbolic link): write `release: v2  # bump me` in line 7 where it comes from"
        );
        assert_eq!(std::fs::read_to_string(dir.path().join("real")).unwrap(), TEXT);
    }

    #[test]
    fn a_read_only_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yaml");
        std::fs::write(&path, TEXT).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
        let (id, version) = names();
        assert!(matches!(write(dir.path(), "a.yaml", &id, &version), Err(ReleaseError::ReadOnly { number: 7, .. })));
    }
}
