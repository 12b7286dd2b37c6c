//! Reads a tree into any type that serde knows, with the path of whatever does not fit.
//!
//! Differs from a plain deserializer in what a user sees: unknown fields are collected, not ignored; after a value of the wrong
//! type reading goes on without it, so that all of them are reported; text that another YAML reader would take for a number or a
//! boolean must be quoted.

mod error;
mod map;

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};

use super::scalar::{self, Meaning};
use super::suggest;
use super::tree::{Node, Scalar, Style, Value};
use crate::problems::Problems;
use error::ReadError;
use map::{Fields, Items, Variant};

/// Explains a field that this version does not know: its path with `[]` for every index -> what to do instead.
pub(super) type Unsupported<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Most values of the wrong type that are reported at once.
const ATTEMPTS: usize = 32;

/// The value, with every problem noted; none when it could not be read. Unknown fields alone do not prevent a value.
pub(super) fn read<T: DeserializeOwned>(node: &Node, unsupported: Unsupported<'_>, problems: &mut Problems) -> Option<T> {
    let mut skipped = BTreeSet::new();
    for attempt in 0..ATTEMPTS {
        let notes = Notes { unsupported, skipped: &skipped, found: RefCell::default() };
        let result = T::deserialize(Reader::root(node, &notes));
        // What stands beside a skipped value may be said to be missing only because of it.
        let follow_up = attempt > 0;
        for (path, message) in notes.found.into_inner() {
            if !problems.within(&path) {
                problems.add(path, message);
            }
        }
        match result {
            Ok(value) => return (!follow_up).then_some(value),
            Err(error) => {
                let (path, message, missing) = error.into_parts();
                if !(missing && follow_up) {
                    problems.replace(&path, message);
                }
                if !skipped.insert(path) {
                    return None;
                }
            }
        }
    }
    None
}

/// The value without telling what is wrong or unknown; for a first look at a document.
pub(super) fn leniently<T: DeserializeOwned>(node: &Node) -> Option<T> {
    let notes = Notes { unsupported: &|_| None, skipped: &BTreeSet::new(), found: RefCell::default() };
    T::deserialize(Reader::root(node, &notes)).ok()
}

/// What one reading shares.
struct Notes<'n> {
    unsupported: Unsupported<'n>,
    /// Paths of values of the wrong type, reported before.
    skipped: &'n BTreeSet<String>,
    found: RefCell<Vec<(String, String)>>,
}

impl Notes<'_> {
    fn add(&self, path: &str, message: String) {
        self.found.borrow_mut().push((path.to_owned(), message));
    }
}

/// One node being read.
struct Reader<'n> {
    node: &'n Node,
    path: String,
    /// The fields that its parent knows, when its parent is a struct.
    known: Option<&'static [&'static str]>,
    notes: &'n Notes<'n>,
}

impl<'n> Reader<'n> {
    fn root(node: &'n Node, notes: &'n Notes<'n>) -> Self {
        Self { node, path: String::new(), known: None, notes }
    }

    fn fail<T>(&self, message: impl Into<String>) -> Result<T, ReadError> {
        Err(ReadError::at(&self.path, message))
    }

    /// Says where an error of a visitor happened.
    fn located<T>(path: &str, result: Result<T, ReadError>) -> Result<T, ReadError> {
        result.map_err(|error| error.or_at(path))
    }

    fn scalar(&self, wanted: &str) -> Result<&'n Scalar, ReadError> {
        match &self.node.value {
            Value::Scalar(scalar) => Ok(scalar),
            Value::Map(_) => self.fail(format!("is a mapping: write {wanted}")),
            Value::List(_) => self.fail(format!("is a list: write {wanted}")),
        }
    }

    /// A number as written without quotes.
    fn number(&self, wanted: &str) -> Result<Meaning, ReadError> {
        let scalar = self.scalar(wanted)?;
        let text = &scalar.text;
        if scalar.style == Style::Plain && text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) {
            return self.fail(format!("{text} is octal to some readers of YAML: write it without the leading zero"));
        }
        match scalar::meaning(text) {
            Meaning::Integer(_) | Meaning::Float(_) if scalar.style != Style::Plain => {
                self.fail(format!("{text:?} is text: write {text} without quotes"))
            }
            meaning @ (Meaning::Integer(_) | Meaning::Float(_)) => Ok(meaning),
            Meaning::Null => self.fail(format!("is empty: write {wanted}")),
            Meaning::Boolean(_) | Meaning::Text => match text.strip_suffix('%').map(str::trim_end) {
                Some(number) if matches!(scalar::meaning(number), Meaning::Integer(_) | Meaning::Float(_)) => {
                    self.fail(format!("{text:?} is text: it is percent already, write {number}"))
                }
                _ => self.fail(format!("{text:?} is not a number: write {wanted}")),
            },
        }
    }

    fn integer(&self) -> Result<i128, ReadError> {
        match self.number("a whole number")? {
            Meaning::Integer(number) => Ok(number),
            Meaning::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => Ok(number as i128),
            _ => self.fail(format!("{} is not a whole number: write one without a fraction", self.node.text().unwrap_or_default())),
        }
    }

    fn read_signed<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let number = self.integer()?;
        match i64::try_from(number) {
            Ok(number) => Self::located(&self.path, visitor.visit_i64(number)),
            Err(_) => self.fail(format!("{number} is too large")),
        }
    }

    fn read_unsigned<V: Visitor<'n>>(self, most: u64, visitor: V) -> Result<V::Value, ReadError> {
        let number = self.integer()?;
        match u64::try_from(number) {
            Ok(number) if number <= most => Self::located(&self.path, visitor.visit_u64(number)),
            _ if number < 0 => self.fail(format!("{number} is negative: write 0 or more")),
            _ => self.fail(format!("{number} is too large: write {most} or less")),
        }
    }

    fn read_float<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let number = match self.number("a number")? {
            Meaning::Integer(number) => number as f64,
            Meaning::Float(number) => number,
            Meaning::Null | Meaning::Boolean(_) | Meaning::Text => return self.fail("is not a number"),
        };
        Self::located(&self.path, visitor.visit_f64(number))
    }

    fn read_text<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let scalar = self.scalar("a single value")?;
        if scalar.style == Style::Plain {
            match scalar::ambiguous(&scalar.text) {
                Some("nothing") => return self.fail("is empty: write text, in quotes if it is meant to be empty"),
                Some(kind) => {
                    let text = &scalar.text;
                    self.notes.add(&self.path, format!("{text} is {kind}, not text: write \"{text}\" in quotes"));
                }
                None => {}
            }
        }
        Self::located(&self.path, visitor.visit_str(&scalar.text))
    }

    /// A field that its parent does not know.
    fn unknown(&self, known: &'static [&'static str]) {
        if let Some(message) = (self.notes.unsupported)(&suggest::normalized(&self.path)) {
            self.notes.add(&self.path, message);
            return;
        }
        let key = self.path.rsplit(['.', '[']).next().unwrap_or_default();
        self.notes.add(&self.path, suggest::unknown_field(key.trim_matches(['"', ']']), known));
    }
}

macro_rules! read_as {
    ($($method:ident)* => $read:ident) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            self.$read(visitor)
        })*
    };
}

macro_rules! read_bounded {
    ($($method:ident: $type:ty),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            self.read_unsigned(u64::from(<$type>::MAX), visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'de> {
    type Error = ReadError;

    read_as!(deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 => read_signed);
    read_bounded!(deserialize_u8: u8, deserialize_u16: u16, deserialize_u32: u32, deserialize_u64: u64);
    read_as!(deserialize_f32 deserialize_f64 => read_float);
    read_as!(deserialize_char deserialize_str deserialize_string deserialize_identifier => read_text);

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let path = self.path.clone();
        match &self.node.value {
            Value::Map(_) => self.deserialize_map(visitor),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Scalar(scalar) if scalar.style != Style::Plain => Self::located(&path, visitor.visit_str(&scalar.text)),
            Value::Scalar(scalar) => match scalar::meaning(&scalar.text) {
                Meaning::Null => Self::located(&path, visitor.visit_unit()),
                Meaning::Boolean(value) => Self::located(&path, visitor.visit_bool(value)),
                Meaning::Integer(number) if number >= 0 => self.read_unsigned(u64::MAX, visitor),
                Meaning::Integer(_) => self.read_signed(visitor),
                Meaning::Float(_) => self.read_float(visitor),
                Meaning::Text => self.read_text(visitor),
            },
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let scalar = self.scalar("true or false")?;
        match scalar::meaning(&scalar.text) {
            Meaning::Boolean(value) if scalar.style == Style::Plain => Self::located(&self.path, visitor.visit_bool(value)),
            _ => self.fail(format!("{:?} is not a boolean: write true or false, without quotes", scalar.text)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Scalar(scalar) if scalar.style == Style::Plain && scalar::meaning(&scalar.text) == Meaning::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        Self::located(&self.path, visitor.visit_unit())
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::List(items) => Self::located(&self.path, visitor.visit_seq(Items::new(items, &self.path, self.notes))),
            Value::Map(_) => self.fail("is a mapping: write a list, [..] or lines that start with -"),
            Value::Scalar(_) => self.fail("is a single value: write a list, [..] or lines that start with -"),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Map(entries) => Self::located(&self.path, visitor.visit_map(Fields::new(entries, &self.path, None, self.notes))),
            Value::List(_) => self.fail("is a list: write a mapping"),
            Value::Scalar(_) => self.fail("is a single value: write a mapping"),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Map(entries) => Self::located(&self.path, visitor.visit_map(Fields::new(entries, &self.path, Some(fields), self.notes))),
            Value::List(_) => self.fail(format!("is a list: write a mapping with {}", suggest::some_of(fields))),
            Value::Scalar(_) => self.fail(format!("is a single value: write a mapping with {}", suggest::some_of(fields))),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let path = self.path.clone();
        match &self.node.value {
            Value::Scalar(scalar) => {
                let name: StrDeserializer<'_, ReadError> = scalar.text.as_str().into_deserializer();
                Self::located(&path, visitor.visit_enum(name))
            }
            Value::Map(entries) => match entries.as_slice() {
                [entry] => Self::located(&path, visitor.visit_enum(Variant::new(entry, &path, self.notes))),
                _ => self.fail(format!("must have exactly one of {}", variants.join(", "))),
            },
            Value::List(_) => self.fail(format!("is a list: write one of {}", variants.join(", "))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        if let Some(known) = self.known {
            self.unknown(known);
        }
        visitor.visit_unit()
    }

    fn is_human_readable(&self) -> bool {
        true
    }

    serde::forward_to_deserialize_any! { i128 u128 bytes byte_buf unit_struct tuple tuple_struct }
}
