//! Collects what is wrong, by path, so that a user sees all of it at once.

use std::fmt::Display;

/// One thing that is wrong, or a warning, at one field of a resource. In which file that is, and at which line, the reader of the file
/// knows ([`crate::manifest::Document::locate`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field, for example `spec.versions[1].endpoints[0]`; empty for the resource as a whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for FieldError {}

/// What is wrong so far, in the order found.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: Vec<FieldError>,
}

impl Problems {
    /// None so far.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// One more; a second one with the same text at the same field is dropped.
    pub(crate) fn add(&mut self, path: impl Into<String>, message: impl Display) {
        let problem = FieldError { path: path.into(), message: message.to_string() };
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    /// In place of whatever was said about this very field before.
    pub(crate) fn replace(&mut self, path: &str, message: impl Display) {
        self.found.retain(|found| found.path != path);
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
        self.found.iter().any(|found| found.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])))
    }

    /// All of it.
    pub(crate) fn into_found(self) -> Vec<FieldError> {
        self.found
    }
}
