//! Reads a policy from JSON, and names the fields that it does not know.
//!
//! As `serde_json` with `serde_ignored` would by what is derived, in a tenth of the code: every VM compiles all of the module, and derived
//! readers were the largest part of it. Here a type is a list of its fields (`json/policy.rs`), and one function walks through any object. What the
//! two read and refuse is the same, which a test shows; only a struct that is written as a list is refused here. Numbers with a
//! fraction are read as exactly as an `f64` can hold up to 15 digits and nearly so beyond, which weights do not need.

use std::borrow::Cow;

use thiserror::Error;

use crate::policy::RoutingPolicy;
use value::Json;

mod number;
mod policy;
mod scan;
mod value;

/// How deep values may be nested.
const DEPTH: u8 = 128;
/// So many unknown fields are named; a policy of another program has thousands.
const UNKNOWN_NAMED: usize = 8;

/// What was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Read<T> {
    /// The value.
    pub value: T,
    /// Fields that its type does not know, the first few of them, for example `services.2.splitt`.
    pub unknown: Vec<String>,
}

/// Why a text is not JSON, or not of the type that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message} at line {line} column {column}")]
pub struct JsonError {
    message: String,
    line: usize,
    column: usize,
}

/// Reads a policy, and nothing behind it.
///
/// # Errors
/// The first thing that is not JSON or does not fit a field, and where.
#[inline(never)]
pub fn read(bytes: &[u8]) -> Result<Read<RoutingPolicy>, JsonError> {
    value(bytes)
}

fn value<T: Json>(bytes: &[u8]) -> Result<Read<T>, JsonError> {
    let mut reader = Reader { bytes, at: 0, depth: 0, path: Vec::new(), unknown: Vec::new() };
    let mut value = T::blank();
    match value.read(&mut reader).and_then(|()| reader.end()) {
        Ok(()) => Ok(Read { value, unknown: reader.unknown }),
        Err(message) => Err(reader.error(message)),
    }
}

/// Where reading stands.
struct Reader<'de> {
    bytes: &'de [u8],
    at: usize,
    depth: u8,
    path: Vec<Step<'de>>,
    unknown: Vec<String>,
}

/// One step from a value to what is in it.
enum Step<'de> {
    Field(Cow<'de, str>),
    Item(usize),
}

impl Reader<'_> {
    /// What is wrong, and where.
    fn error(&self, Message(message): Message) -> JsonError {
        let read = self.bytes.get(..self.at).unwrap_or(self.bytes);
        let start = read.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end.saturating_add(1));
        let line = read.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
        JsonError { message, line, column: read.len().saturating_sub(start) }
    }

    /// Names the field that is being read.
    fn note_unknown(&mut self) {
        if self.unknown.len() >= UNKNOWN_NAMED {
            return;
        }
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Field(name) if text.is_empty() => text.push_str(name),
                Step::Field(name) => text.extend([".", name]),
                Step::Item(index) => text.extend([".", &index.to_string()]),
            }
        }
        self.unknown.push(text);
    }
}

/// What is wrong, without its place.
#[derive(Debug)]
struct Message(String);

#[cfg(test)]
mod tests;
