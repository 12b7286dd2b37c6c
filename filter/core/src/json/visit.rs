//! The reader as serde sees it.

use std::borrow::Cow;

use serde::de::value::CowStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor};

use super::number::Number;
use super::scan::wrong;
use super::{Message, Reader, Step};

impl<'de> Reader<'de> {
    /// What stands here, for an error that says it does not fit.
    fn misfit<V: Visitor<'de>>(&mut self, visitor: &V) -> Message {
        let found = match self.peek() {
            Ok(b'"') => Unexpected::Str(""),
            Ok(b'[') => Unexpected::Seq,
            Ok(b'{') => Unexpected::Map,
            Ok(b'n') => Unexpected::Unit,
            Ok(b't' | b'f') => Unexpected::Bool(false),
            Ok(b'-' | b'0'..=b'9') => Unexpected::Unsigned(0),
            Ok(_) => return wrong("a value is expected"),
            Err(error) => return error,
        };
        Message::invalid_type(found, visitor)
    }

    fn visit_number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Message> {
        if !matches!(self.peek()?, b'-' | b'0'..=b'9') {
            return Err(self.misfit(&visitor));
        }
        match self.number()? {
            Number::Unsigned(number) => visitor.visit_u64(number),
            Number::Signed(number) => visitor.visit_i64(number),
            Number::Fraction(number) => visitor.visit_f64(number),
        }
    }

    fn visit_text<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Message> {
        if self.peek()? != b'"' {
            return Err(self.misfit(&visitor));
        }
        match self.text()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn visit_list<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Message> {
        if self.peek()? != b'[' {
            return Err(self.misfit(&visitor));
        }
        self.open(b'[', "")?;
        let mut items = Items { reader: self, count: 0, ended: false };
        let value = visitor.visit_seq(&mut items)?;
        let ended = items.ended || !items.reader.another(items.count == 0, b']')?;
        if ended { Ok(value) } else { Err(wrong("a list has too many items")) }
    }

    fn visit_object<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Message> {
        if self.peek()? != b'{' {
            return Err(self.misfit(&visitor));
        }
        self.open(b'{', "")?;
        visitor.visit_map(Fields { reader: self, first: true })
    }

    fn visit_bool<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Message> {
        self.peek()?;
        if self.word("true") {
            visitor.visit_bool(true)
        } else if self.word("false") {
            visitor.visit_bool(false)
        } else {
            Err(self.misfit(&visitor))
        }
    }
}

/// Each kind of value by its own way: serde compiles, for each type, only what is named here.
macro_rules! ways {
    ($($way:ident: $($kind:ident)+;)+) => {
        $($(fn $kind<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Message> {
            self.$way(visitor)
        })+)+
    };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Message;

    ways! {
        visit_bool: deserialize_bool;
        visit_number: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
            deserialize_u64 deserialize_f32 deserialize_f64;
        visit_text: deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_identifier;
        visit_list: deserialize_seq;
        visit_object: deserialize_map;
    }

    /// A value that says itself what it is: no list or object is read this way.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Message> {
        match self.peek()? {
            b'"' => self.visit_text(visitor),
            b't' | b'f' => self.visit_bool(visitor),
            _ => self.visit_number(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Message> {
        self.peek()?;
        if self.word("null") { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Message> {
        self.peek()?;
        if self.word("null") { visitor.visit_unit() } else { Err(self.misfit(&visitor)) }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Message> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value, Message> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _size: usize, visitor: V) -> Result<V::Value, Message> {
        self.visit_list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _name: &'static str, _size: usize, visitor: V) -> Result<V::Value, Message> {
        self.visit_list(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Message> {
        self.visit_object(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Message> {
        if self.peek()? != b'"' {
            return Err(self.misfit(&visitor));
        }
        let deserializer: CowStrDeserializer<'de, Message> = self.text()?.into_deserializer();
        visitor.visit_enum(deserializer)
    }

    /// Only the value of a field that its struct does not know.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Message> {
        self.note_unknown();
        self.skip()?;
        visitor.visit_unit()
    }
}

/// Items of a list.
struct Items<'r, 'de> {
    reader: &'r mut Reader<'de>,
    count: usize,
    ended: bool,
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = Message;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Message> {
        if self.ended || !self.reader.another(self.count == 0, b']')? {
            self.ended = true;
            return Ok(None);
        }
        self.reader.path.push(Step::Item(self.count));
        self.count = self.count.saturating_add(1);
        let item = seed.deserialize(&mut *self.reader)?;
        self.reader.path.pop();
        Ok(Some(item))
    }
}

/// Fields of an object.
struct Fields<'r, 'de> {
    reader: &'r mut Reader<'de>,
    first: bool,
}

impl<'de> MapAccess<'de> for Fields<'_, 'de> {
    type Error = Message;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Message> {
        let Some(key) = self.reader.key(self.first)? else { return Ok(None) };
        self.first = false;
        self.reader.path.push(Step::Field(key.clone()));
        let deserializer: CowStrDeserializer<'de, Message> = key.into_deserializer();
        seed.deserialize(deserializer).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Message> {
        let value = seed.deserialize(&mut *self.reader)?;
        self.reader.path.pop();
        Ok(value)
    }
}
