//! The state folder is its owner's only: it has tokens' hashes, journals, and what instances write.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// What everybody but the owner may do.
const OTHERS: u32 = 0o077;

/// Makes a folder, and those above it that are missing, for its owner only.
pub(crate) fn make(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Takes from everybody but the owner what they may do with this folder and all in it. Links are left alone, and not followed.
/// Says once in the log when that changed anything.
pub(crate) fn close(folder: &Path) -> io::Result<()> {
    let closed = close_all(folder)?;
    if closed > 0 {
        let folder = folder.display();
        tracing::info!("{folder}: other users of this machine could use {closed} files and folders of the state; now only their owner can");
    }
    Ok(())
}

/// The same for what was made just now, which is nothing to say.
pub(crate) fn close_new(folder: &Path) -> io::Result<()> {
    close_all(folder).map(drop)
}

fn close_all(path: &Path) -> io::Result<usize> {
    // What is gone meanwhile needs no closing.
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    if metadata.is_symlink() {
        return Ok(0);
    }
    let mode = metadata.permissions().mode();
    let mut closed = 0;
    if mode & OTHERS != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(mode & !OTHERS))?;
        closed += 1;
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            closed += close_all(&entry?.path())?;
        }
    }
    Ok(closed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_may_use_what_was_open_to_others() {
        let dir = tempfile::tempdir().unwrap();
        let (state, outside) = (dir.path().join("a/state"), dir.path().join("outside"));
        make(&state.join("logs")).unwrap();
        assert_eq!((mode(&dir.path().join("a")), mode(&state)), (0o700, 0o700));
        for (path, wide) in [(state.join("shunt.db"), 0o644), (state.join("logs/run.sh"), 0o755), (outside.clone(), 0o644)] {
            fs::write(&path, "x").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(wide)).unwrap();
        }
        fs::set_permissions(&state, fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink(&outside, state.join("link")).unwrap();
        assert_eq!(close_all(&state).unwrap(), 3);
        assert_eq!((mode(&state), mode(&state.join("shunt.db")), mode(&state.join("logs/run.sh"))), (0o700, 0o600, 0o700));
        assert_eq!(mode(&outside), 0o644, "a link leads elsewhere");
        assert_eq!(close_all(&state).unwrap(), 0);
    }
}
