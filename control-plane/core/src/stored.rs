//! The format of what is stored and exported: a number beside it says how it is to be read.
//!
//! A change that an older program would misread raises [`FORMAT`]; what was written before is read for ever (`tests/stored/`).

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What this program writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// Why something stored is not read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FormatError {
    /// A newer program wrote it.
    #[error(
        "it has format {found}, and this shunt knows formats up to {FORMAT}: a newer shunt wrote it, read it with that one or a later one"
    )]
    Newer {
        /// As written.
        found: u32,
    },
    /// Nothing says how to read it.
    #[error(
        "it has no format number: a shunt before the first format wrote it, and this one reads formats 1 to {FORMAT}. Export a journal again; a store begins anew in an \
         empty --data folder, with `shunt recover`"
    )]
    Missing,
    /// It is not what its format says; the text says where.
    #[error("{0}")]
    Unreadable(String),
}

/// The number alone, whatever stands beside it.
#[derive(Debug, Deserialize)]
pub struct Head {
    format: Option<u32>,
}

impl Head {
    /// Whether this program can read what the number stands beside.
    pub fn check(&self) -> Result<(), FormatError> {
        match self.format {
            Some(1..=FORMAT) => Ok(()),
            Some(found) if found > FORMAT => Err(FormatError::Newer { found }),
            Some(_) | None => Err(FormatError::Missing),
        }
    }
}

#[derive(Serialize)]
struct Written<'v, T> {
    format: u32,
    value: &'v T,
}

#[derive(Deserialize)]
struct Kept<T> {
    value: T,
}

/// As JSON with the format number: `{"format": 1, "value": ...}`.
pub fn write<T: Serialize>(value: &T) -> Result<String, FormatError> {
    serde_json::to_string(&Written { format: FORMAT, value }).map_err(unreadable)
}

/// What [`write()`] wrote, in this version or an earlier one.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, FormatError> {
    let head: Head = serde_json::from_str(text).map_err(unreadable)?;
    head.check()?;
    serde_json::from_str(text).map(|kept: Kept<T>| kept.value).map_err(unreadable)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unreadable(error: serde_json::Error) -> FormatError {
    FormatError::Unreadable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test]
    fn what_is_written_is_read() {
        let text = write(&vec![1, 2]).unwrap();
        assert_eq!(text, r#"{"format":1,"value":[1,2]}"#);
        assert_eq!(read::<Vec<u32>>(&text).unwrap(), [1, 2]);
    }

    #[test_case(r#"{"format": 2, "value": {"new": true}}"#, "it has format 2, and this shunt knows formats up to 1: a newer shunt"; "newer")]
    #[test_case(r#"{"format": 2, "other": 1}"#, "it has format 2"; "newer, and not even alike")]
    #[test_case(r#"{"value": [1]}"#, "it has no format number"; "none")]
    #[test_case(r#"{"format": 0, "value": [1]}"#, "it has no format number"; "zero")]
    #[test_case(r#"{"format": 1, "value": "x"}"#, "invalid type"; "something else")]
    #[test_case("[]", "invalid length"; "no object")]
    fn what_cannot_be_read_says_why(text: &str, says: &str) {
        let error = read::<Vec<u32>>(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
