//! Reads JSON into what `serde` derives, with the fields that the type does not know.
//!
//! As `serde_json` with `serde_ignored`, in a third of the code, which every VM compiles: one reader, no generic layers around it, and
//! of what a derived type offers only the ways that a policy is written in (structs by field, enums without data by name). Numbers
//! with a fraction are read as exactly as an `f64` can hold up to 15 digits and nearly so beyond, which weights do not need.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Expected, Unexpected};
use thiserror::Error;

mod number;
mod scan;
mod visit;

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

/// Reads one value and nothing behind it.
///
/// # Errors
/// The first thing that is not JSON or does not fit the type, and where.
pub fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<Read<T>, JsonError> {
    let mut reader = Reader { bytes, at: 0, depth: 0, path: Vec::new(), unknown: Vec::new() };
    match T::deserialize(&mut reader).and_then(|value| reader.end().map(|()| value)) {
        Ok(value) => Ok(Read { value, unknown: reader.unknown }),
        Err(Message(message)) => {
            let read = bytes.get(..reader.at).unwrap_or(bytes);
            let start = read.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end.saturating_add(1));
            let line = read.iter().filter(|byte| **byte == b'\n').count().saturating_add(1);
            Err(JsonError { message, line, column: read.len().saturating_sub(start) })
        }
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

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Message {}

impl de::Error for Message {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }

    /// Without the value itself: to print any number takes a lot of code, and the place says which one it is.
    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Bool(_) => "a boolean",
            Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
            Unexpected::Float(_) => "a number with a fraction",
            Unexpected::Str(_) => "a string",
            Unexpected::Unit => "null",
            Unexpected::Seq => "a list",
            Unexpected::Map => "an object",
            _ => "something else",
        };
        Self(format!("{found} stands where {expected} is expected"))
    }

    fn invalid_value(_found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self(format!("this value does not fit: {expected} is expected"))
    }
}

#[cfg(test)]
mod tests;
