//! Why a value could not be read, and where.

use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use crate::manifest::suggest;
use crate::manifest::tree::field;

/// An error of reading; the path is filled in by the innermost reader that knows it.
#[derive(Debug)]
pub(super) struct ReadError {
    path: Option<String>,
    message: String,
    missing: Option<&'static str>,
}

impl ReadError {
    pub(super) fn at(path: &str, message: impl Into<String>) -> Self {
        Self { path: Some(path.to_owned()), message: message.into(), missing: None }
    }

    pub(super) fn or_at(mut self, path: &str) -> Self {
        if self.path.is_none() {
            self.path = Some(match self.missing {
                Some(name) => field(path, name),
                None => path.to_owned(),
            });
        }
        self
    }

    /// Path, message, and whether the field is missing.
    pub(super) fn into_parts(self) -> (String, String, bool) {
        (self.path.unwrap_or_default(), self.message, self.missing.is_some())
    }

    fn new(message: String) -> Self {
        Self { path: None, message, missing: None }
    }
}

impl Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("is {found}: write {expected}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("is {found}: write {expected}"))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(suggest::unknown_value(variant, expected))
    }

    fn unknown_field(name: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("{name}: {}", suggest::unknown_field(name, expected)))
    }

    fn missing_field(name: &'static str) -> Self {
        Self { path: None, message: "is missing".to_owned(), missing: Some(name) }
    }
}
