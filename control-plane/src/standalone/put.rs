//! A Rollout's manifest written into the config folder, or taken out of it, whole or not at all; others in the same file stay as
//! they are.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use shunt_filter_core::RolloutId;
use shunt_spec::manifest::{ManifestError, parse, skipped};
use thiserror::Error;

use super::release::replace;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Put {
    /// The file's name in the config folder.
    pub(crate) file: String,
    /// Of the plan that should be in force.
    pub(crate) digest: String,
    /// Whether the file was not there before.
    pub(crate) new: bool,
}

/// Why nothing was written.
#[derive(Debug, Error)]
pub(crate) enum PutError {
    /// There is no manifest of it.
    #[error("{0} has no manifest in the config folder")]
    Unknown(RolloutId),
    /// The manifest is wrong, alone or together with the others.
    #[error("the manifest is refused")]
    Invalid(Vec<ManifestError>),
    /// Another Rollout has its host.
    #[error("it would be conflicted: {0}")]
    Conflicted(String),
    /// The folder is not as it should be.
    #[error("{0}; a manifest written there now would make all others count as deleted")]
    Folder(String),
    /// The file cannot be written.
    #[error("{file} cannot be changed here ({why}): change it where it comes from")]
    ReadOnly {
        /// Its name.
        file: String,
        /// Why.
        why: String,
    },
}

/// The file with this Rollout's document replaced, or taken out (`new`: none), or added at the end. None: nothing is left.
pub(super) fn edited(text: &str, id: &RolloutId, new: Option<&str>) -> Option<String> {
    let mut pieces = documents(text);
    let own = pieces.iter().position(|piece| names(piece, id));
    match (own, new) {
        (Some(own), Some(new)) => {
            let marked = pieces[own].starts_with("---");
            pieces[own] = piece(new, marked);
        }
        (Some(own), None) => drop(pieces.remove(own)),
        (None, Some(new)) => {
            let marked = !pieces.is_empty();
            if let Some(last) = pieces.last_mut().filter(|last| !last.ends_with('\n')) {
                last.push('\n');
            }
            pieces.push(piece(new, marked));
        }
        (None, None) => {}
    }
    let says_something =
        pieces.iter().any(|piece| parse("", piece).map_or(true, |found| !found.is_empty()) || !skipped("", piece).is_empty());
    says_something.then(|| pieces.concat())
}

/// Split before each line that begins a document. `---` at the start of a line never means anything else (YAML 1.2.2, 9.1.2).
fn documents(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        let begins = line.trim_end() == "---" || line.starts_with("--- ");
        match pieces.last_mut() {
            Some(piece) if !begins => piece.push_str(line),
            _ => pieces.push(line.to_owned()),
        }
    }
    pieces
}

/// Whether this document is about that Rollout, right or wrong.
fn names(piece: &str, id: &RolloutId) -> bool {
    match parse("", piece) {
        Ok(found) => found.iter().any(|document| document.id() == Some(id)),
        Err(errors) => errors.iter().any(|error| error.rollout.as_ref() == Some(id)),
    }
}

fn piece(new: &str, marked: bool) -> String {
    let own = new.strip_prefix("---").filter(|rest| rest.starts_with(['\n', '\r', ' '])).map_or(new, str::trim_start);
    let end = if own.ends_with('\n') { "" } else { "\n" };
    format!("{}{own}{end}", if marked { "---\n" } else { "" })
}

/// Writes the file, or removes it when nothing is left.
pub(super) fn write(folder: &Path, file: &str, text: Option<&str>) -> Result<(), PutError> {
    let path = folder.join(file);
    let read_only = |why: String| PutError::ReadOnly { file: file.to_owned(), why };
    if path.is_symlink() {
        return Err(read_only("it is a symbolic link".to_owned()));
    }
    let permissions = match path.metadata() {
        Ok(metadata) if metadata.permissions().readonly() => return Err(read_only("it is read-only".to_owned())),
        Ok(metadata) => metadata.permissions(),
        Err(_) => std::fs::Permissions::from_mode(0o644),
    };
    let written = match text {
        Some(text) => replace(folder, &path, text, permissions),
        None => std::fs::remove_file(&path),
    };
    written.map_err(|error| read_only(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    fn manifest(name: &str, release: &str) -> String {
        format!(
            "apiVersion: shunt.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  service: {{hosts: [{name}.test]}}\n  \
             versions: [{{name: v1, endpoints: ['127.0.0.1:9001']}}]\n  release: {release}\n"
        )
    }

    fn id(name: &str) -> RolloutId {
        RolloutId::new("shop", name).unwrap()
    }

    #[test_case("", "---\n", ""; "first, marked")]
    #[test_case("# ours\n", "---\n", "# the end\n"; "comments")]
    #[test_case("--- # one\n", "--- # two\n", ""; "comments on marks")]
    fn others_in_the_file_stay_as_they_are(head: &str, mark: &str, tail: &str) {
        let (one, two) = (manifest("one", "v1"), manifest("two", "v1"));
        let text = format!("{head}{one}{mark}{two}{tail}");
        let changed = edited(&text, &id("two"), Some(&manifest("two", "v2"))).unwrap();
        assert!(changed.starts_with(&format!("{head}{one}")), "{changed}");
        assert_eq!(parse("", &changed).unwrap().len(), 2);
        assert!(changed.contains("release: v2") && !changed.contains(&two));
        let alone = edited(&text, &id("two"), None).unwrap();
        assert_eq!(alone, format!("{head}{one}"));
        let three = edited(&text, &id("three"), Some(manifest("three", "v1").trim_end())).unwrap();
        assert_eq!(parse("", &three).unwrap().len(), 3, "{three}");
        assert!(three.starts_with(text.trim_end()));
    }

    #[test]
    fn the_last_one_takes_the_file_with_it() {
        assert_eq!(edited(&format!("# only this\n---\n{}", manifest("one", "v1")), &id("one"), None), None);
    }

    #[test]
    fn a_document_that_is_wrong_is_replaced_too() {
        let wrong = manifest("one", "v1").replace("versions:", "versoins:");
        let right = manifest("one", "v1");
        assert_eq!(edited(&wrong, &id("one"), Some(&right)).as_deref(), Some(right.as_str()));
    }

    #[test]
    fn json_and_marked_yaml_are_taken() {
        let text = format!("{}---\n{}", manifest("one", "v1"), manifest("two", "v1"));
        let json = r#"{"apiVersion": "shunt.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": "two", "namespace": "shop"}, "spec": {"service": {"hosts": ["two.test"]}, "versions": [{"name": "v1", "endpoints": ["127.0.0.1:1"]}], "release": "v1"}}"#;
        assert_eq!(parse("", &edited(&text, &id("two"), Some(json)).unwrap()).unwrap().len(), 2);
        let marked = format!("---\n{}", manifest("two", "v2"));
        assert_eq!(parse("", &edited(&text, &id("two"), Some(&marked)).unwrap()).unwrap().len(), 2);
    }

    #[test]
    fn links_and_read_only_files_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("elsewhere", dir.path().join("link.yaml")).unwrap();
        std::fs::write(dir.path().join("fixed.yaml"), "x").unwrap();
        std::fs::set_permissions(dir.path().join("fixed.yaml"), std::fs::Permissions::from_mode(0o444)).unwrap();
        for file in ["link.yaml", "fixed.yaml"] {
            assert!(matches!(write(dir.path(), file, Some("y")), Err(PutError::ReadOnly { .. })), "{file}");
            assert!(matches!(write(dir.path(), file, None), Err(PutError::ReadOnly { .. })), "{file}");
        }
        write(dir.path(), "new.yaml", Some("y")).unwrap();
        let mode = dir.path().join("new.yaml").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        write(dir.path(), "new.yaml", None).unwrap();
        assert!(!dir.path().join("new.yaml").exists());
    }
}
