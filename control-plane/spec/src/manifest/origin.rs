//! Where each field of a document stands in its file.

use std::collections::{BTreeMap, BTreeSet};

use shunt_filter_core::RolloutId;

use super::ManifestError;
use super::tree::{Node, Position, Value, field, item};
use crate::problems::FieldError;

/// File, and the position of every field of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    file: String,
    start: Position,
    places: BTreeMap<String, Position>,
    rollout: Option<RolloutId>,
}

impl Origin {
    /// A place in a file before anything of it could be read.
    pub(super) fn at(file: &str, start: Position) -> Self {
        Self { file: file.to_owned(), start, places: BTreeMap::new(), rollout: None }
    }

    /// The first character of a file.
    pub(super) fn start_of(file: &str) -> Self {
        Self::at(file, Position { line: 1, column: 1 })
    }

    /// All fields of a document.
    pub(super) fn of(file: &str, node: &Node) -> Self {
        let mut origin = Self::at(file, node.at);
        origin.rollout = rollout_id(node);
        origin.note("", node);
        origin
    }

    fn note(&mut self, path: &str, node: &Node) {
        match &node.value {
            Value::Scalar(_) => {}
            Value::Map(entries) => {
                for entry in entries {
                    let path = field(path, &entry.key);
                    self.note(&path, &entry.value);
                    self.places.insert(path, entry.at);
                }
            }
            Value::List(items) => {
                for (index, node) in items.iter().enumerate() {
                    let path = item(path, index);
                    self.note(&path, node);
                    self.places.insert(path, node.at);
                }
            }
        }
    }

    /// The file, as the caller of [`super::parse`] named it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Line of the document's first field, counted from 1.
    pub fn line(&self) -> usize {
        self.start.line
    }

    /// The path of each field that the manifest says.
    pub(super) fn fields(&self) -> BTreeSet<String> {
        self.places.keys().cloned().collect()
    }

    /// An error at the field of that path, or, when it is not there, at the nearest one around it.
    pub fn error(&self, path: &str, message: impl Into<String>) -> ManifestError {
        let at = self.place(path);
        ManifestError {
            file: self.file.clone(),
            line: at.line,
            column: at.column,
            path: path.to_owned(),
            message: message.into(),
            rollout: self.rollout.clone(),
        }
    }

    /// The same with all of these, in the order of the file.
    pub(super) fn locate(&self, errors: Vec<FieldError>) -> Vec<ManifestError> {
        let mut located: Vec<_> = errors.into_iter().map(|error| self.error(&error.path, error.message)).collect();
        located.sort_by_key(|error| (error.line, error.column));
        located
    }

    fn place(&self, path: &str) -> Position {
        let mut path = path;
        loop {
            if let Some(at) = self.places.get(path) {
                return *at;
            }
            match path.rfind(['.', '[']).and_then(|end| path.get(..end)) {
                Some(parent) => path = parent,
                None => return self.start,
            }
        }
    }
}

/// Read from the tree itself, so that it is known although something else in the document is wrong.
pub(super) fn rollout_id(node: &Node) -> Option<RolloutId> {
    let metadata = node.get("metadata")?;
    if node.get("kind")?.text()? != "Rollout" {
        return None;
    }
    let namespace = metadata.get("namespace").and_then(Node::text).unwrap_or("default");
    RolloutId::new(namespace, metadata.get("name")?.text()?).ok()
}
