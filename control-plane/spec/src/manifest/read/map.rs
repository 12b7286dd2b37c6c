//! Fields, items and variants while they are read.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::error::ReadError;
use super::{Notes, Reader};
use crate::manifest::tree::{Entry, Node, field, item};

/// The fields of a mapping.
pub(super) struct Fields<'n> {
    entries: std::slice::Iter<'n, Entry>,
    current: Option<&'n Entry>,
    parent: String,
    known: Option<&'static [&'static str]>,
    notes: &'n Notes<'n>,
}

impl<'n> Fields<'n> {
    pub(super) fn new(entries: &'n [Entry], parent: &str, known: Option<&'static [&'static str]>, notes: &'n Notes<'n>) -> Self {
        Self { entries: entries.iter(), current: None, parent: parent.to_owned(), known, notes }
    }
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        let skipped = self.notes.skipped;
        let parent = &self.parent;
        let Some(entry) = self.entries.find(|entry| !skipped.contains(&field(parent, &entry.key))) else {
            return Ok(None);
        };
        self.current = Some(entry);
        let key: StrDeserializer<'_, ReadError> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| error.or_at(&field(&self.parent, &entry.key)))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some(entry) = self.current.take() else {
            return Err(ReadError::at(&self.parent, "has a value without a field"));
        };
        let path = field(&self.parent, &entry.key);
        let reader = Reader { node: &entry.value, path: path.clone(), known: self.known, notes: self.notes };
        seed.deserialize(reader).map_err(|error| error.or_at(&path))
    }
}

/// The items of a list.
pub(super) struct Items<'n> {
    items: std::iter::Enumerate<std::slice::Iter<'n, Node>>,
    parent: String,
    notes: &'n Notes<'n>,
}

impl<'n> Items<'n> {
    pub(super) fn new(items: &'n [Node], parent: &str, notes: &'n Notes<'n>) -> Self {
        Self { items: items.iter().enumerate(), parent: parent.to_owned(), notes }
    }
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let skipped = self.notes.skipped;
        let parent = &self.parent;
        let Some((index, node)) = self.items.find(|(index, _)| !skipped.contains(&item(parent, *index))) else {
            return Ok(None);
        };
        let path = item(parent, index);
        let reader = Reader { node, path: path.clone(), known: None, notes: self.notes };
        seed.deserialize(reader).map(Some).map_err(|error| error.or_at(&path))
    }
}

/// One variant of an enum, written as a mapping with one field.
pub(super) struct Variant<'n> {
    entry: &'n Entry,
    path: String,
    notes: &'n Notes<'n>,
}

impl<'n> Variant<'n> {
    pub(super) fn new(entry: &'n Entry, parent: &str, notes: &'n Notes<'n>) -> Self {
        Self { entry, path: field(parent, &entry.key), notes }
    }

    fn reader(self) -> Reader<'n> {
        Reader { node: &self.entry.value, path: self.path, known: None, notes: self.notes }
    }
}

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), ReadError> {
        let name: StrDeserializer<'_, ReadError> = self.entry.key.as_str().into_deserializer();
        let value = seed.deserialize(name).map_err(|error| error.or_at(&self.path))?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'de> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        Err(ReadError::at(&self.path, format!("takes no value: write {} alone", self.entry.key)))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, ReadError> {
        let path = self.path.clone();
        seed.deserialize(self.reader()).map_err(|error| error.or_at(&path))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, ReadError> {
        let path = self.path.clone();
        serde::Deserializer::deserialize_seq(self.reader(), visitor).map_err(|error| error.or_at(&path))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, ReadError> {
        let path = self.path.clone();
        serde::Deserializer::deserialize_struct(self.reader(), "", fields, visitor).map_err(|error| error.or_at(&path))
    }
}
