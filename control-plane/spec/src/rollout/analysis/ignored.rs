//! Answers that are meant, as written.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shunt_filter_core::outcome::ResponseClass;

/// A class (`redirect`, `rejected`, `empty`, `rejectedGrpc`), a status from 300 to 499, or a gRPC status from 1 to 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// All of a class.
    Class(ResponseClass),
    /// One status, of HTTP or of gRPC.
    Status(u64),
}

impl Serialize for Ignored {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Class(class) => class.serialize(serializer),
            Self::Status(status) => serializer.serialize_u64(*status),
        }
    }
}

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IgnoredVisitor)
    }
}

struct IgnoredVisitor;

impl Visitor<'_> for IgnoredVisitor {
    type Value = Ignored;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("redirect, rejected, empty, rejectedGrpc, a status from 300 to 499, or a gRPC status from 1 to 16")
    }

    fn visit_u64<E: Error>(self, status: u64) -> Result<Ignored, E> {
        Ok(Ignored::Status(status))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Ignored, E> {
        match text {
            "redirect" => Ok(Ignored::Class(ResponseClass::Redirect)),
            "rejected" => Ok(Ignored::Class(ResponseClass::Rejected)),
            "empty" => Ok(Ignored::Class(ResponseClass::Empty)),
            "rejectedGrpc" => Ok(Ignored::Class(ResponseClass::RejectedGrpc)),
            other => Err(E::custom(format!(
                "{other:?} is no class of answers: write redirect, rejected, empty, rejectedGrpc, a status from 300 to 499, or a gRPC status from 1 to 16"
            ))),
        }
    }
}
