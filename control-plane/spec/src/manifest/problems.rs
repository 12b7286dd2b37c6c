//! Collects what is wrong, by path, so that a user sees all of it at once.

use std::fmt::Display;

use super::ManifestError;
use super::origin::Origin;

/// What is wrong so far: (path of the field, message), in the order found.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<(String, String)>,
}

impl Problems {
    /// None so far.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One more; a second one with the same text at the same field is dropped.
    pub(crate) fn add(&mut self, path: impl Into<String>, message: impl Display) {
        let problem = (path.into(), message.to_string());
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    /// In place of whatever was said about this very field before.
    pub(crate) fn replace(&mut self, path: &str, message: impl Display) {
        self.found.retain(|(found, _)| found != path);
        self.add(path, message);
    }

    /// The value, or its error noted.
    pub(crate) fn take<T, E: Display>(&mut self, path: &str, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(path, error)).ok()
    }

    /// True when nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// True when something is wrong at this field or below it.
    pub(crate) fn within(&self, path: &str) -> bool {
        self.found.iter().any(|(found, _)| found.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])))
    }

    /// All of it: (path of the field, message).
    pub(crate) fn into_found(self) -> Vec<(String, String)> {
        self.found
    }

    /// All of it with lines, in the order of the file.
    pub(crate) fn locate(self, origin: &Origin) -> Vec<ManifestError> {
        let mut errors: Vec<_> = self.found.into_iter().map(|(path, message)| origin.error(&path, message)).collect();
        errors.sort_by_key(|error| (error.line, error.column));
        errors
    }
}
