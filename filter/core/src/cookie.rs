//! Attributes of the cookie that a generated key is kept in.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Attributes of a `set-cookie` (RFC 6265 §4.1.2; `Partitioned`: CHIPS).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CookieAttributes {
    /// `Path`.
    pub path: String,
    /// `Domain`; none: only the host that set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// `Max-Age`; none: until the browser is closed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<MaxAge>,
    /// `Secure`.
    pub secure: bool,
    /// `HttpOnly`.
    pub http_only: bool,
    /// `SameSite`.
    pub same_site: SameSite,
    /// `Partitioned`; needs `secure`.
    pub partitioned: bool,
    /// No attribute of the cookie but of the id in it: it carries a tag ([`crate::signing`]), and only requests that bring a good one
    /// count in analyses.
    #[serde(skip_serializing_if = "is_false")]
    pub signed: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Default for CookieAttributes {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            domain: None,
            max_age: None,
            secure: false,
            http_only: true,
            same_site: SameSite::Lax,
            partitioned: false,
            signed: false,
        }
    }
}

impl fmt::Display for CookieAttributes {
    /// What follows `name=value` in a `set-cookie`, each attribute with its leading `; `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "; Path={}", self.path)?;
        if let Some(domain) = &self.domain {
            write!(f, "; Domain={domain}")?;
        }
        if let Some(age) = self.max_age {
            write!(f, "; Max-Age={}", age.seconds())?;
        }
        if self.secure {
            f.write_str("; Secure")?;
        }
        if self.http_only {
            f.write_str("; HttpOnly")?;
        }
        write!(f, "; SameSite={}", self.same_site.as_str())?;
        if self.partitioned {
            f.write_str("; Partitioned")?;
        }
        Ok(())
    }
}

/// `SameSite` (draft-ietf-httpbis-rfc6265bis §4.1.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SameSite {
    /// Only requests from the same site carry it.
    Strict,
    /// Also top-level navigation from elsewhere.
    Lax,
    /// All requests; needs `secure`.
    None,
}

impl SameSite {
    /// As it stands in the header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

/// How long a browser keeps a cookie: whole seconds, written with a unit (`90s`, `30m`, `12h`, `30d`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MaxAge(u32);

/// Why a text is not a [`MaxAge`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is not a cookie's age: use a whole number with s, m, h or d, at most 400d, for example 30d")]
pub struct MaxAgeError(String);

/// Browsers cut what is longer (draft-ietf-httpbis-rfc6265bis §5.5).
const MAX_AGE_LIMIT: u32 = 400 * DAY;
const DAY: u32 = 24 * HOUR;
const HOUR: u32 = 60 * MINUTE;
const MINUTE: u32 = 60;

impl MaxAge {
    /// No time: stands where one is about to be read.
    pub(crate) const fn blank() -> Self {
        Self(0)
    }

    /// Seconds.
    pub const fn seconds(self) -> u32 {
        self.0
    }
}

impl FromStr for MaxAge {
    type Err = MaxAgeError;
    fn from_str(text: &str) -> Result<Self, MaxAgeError> {
        let wrong = || MaxAgeError(text.to_owned());
        let number = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
        let unit = match text.strip_prefix(number) {
            Some("s") => 1,
            Some("m") => MINUTE,
            Some("h") => HOUR,
            Some("d") => DAY,
            _ => return Err(wrong()),
        };
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let seconds = number.parse::<u32>().ok().and_then(|n| n.checked_mul(unit)).ok_or_else(wrong)?;
        if (1..=MAX_AGE_LIMIT).contains(&seconds) { Ok(Self(seconds)) } else { Err(wrong()) }
    }
}

impl TryFrom<String> for MaxAge {
    type Error = MaxAgeError;
    fn try_from(text: String) -> Result<Self, MaxAgeError> {
        text.parse()
    }
}

impl From<MaxAge> for String {
    fn from(age: MaxAge) -> Self {
        age.to_string()
    }
}

impl fmt::Display for MaxAge {
    /// In the largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, letter) in [(DAY, 'd'), (HOUR, 'h'), (MINUTE, 'm')] {
            if self.0.checked_rem(unit) == Some(0) {
                write!(f, "{}", self.0.checked_div(unit).unwrap_or_default())?;
                return f.write_char(letter);
            }
        }
        write!(f, "{}s", self.0)
    }
}
