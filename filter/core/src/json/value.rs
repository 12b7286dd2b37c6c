//! Values that are read into their place.

use std::collections::BTreeMap;

use super::number::Number;
use super::scan::wrong;
use super::{Message, Reader, Step};
use crate::names::{RolloutId, VersionName};
use crate::weight::Weight;

/// What can be read.
pub(super) trait Json: Sized {
    /// What stands there before anything was read, and for good where a field may be missing.
    fn blank() -> Self;

    /// Reads one value into its place.
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Message>;
}

/// A field of an object: its name, and whether it may be missing.
pub(super) type Field = (&'static str, bool);

/// Reads the field with this number.
type ReadField<'f, 'de> = &'f mut dyn FnMut(usize, &mut Reader<'de>) -> Result<(), Message>;

/// Makes a struct readable by its fields: each with its name in JSON, and either what stands for a missing one, or `required`.
macro_rules! object {
    ($type:ty { $($field:ident: $name:literal $kind:tt $($missing:expr)?,)+ }) => {
        impl Json for $type {
            fn blank() -> Self {
                Self { $($field: object!(@blank $($missing)?),)+ }
            }

            fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Message> {
                const FIELDS: &[Field] = &[$(($name, object!(@missing $kind))),+];
                reader.object(FIELDS, &mut |number, reader| {
                    let mut fields = 0..;
                    $(if fields.next() == Some(number) {
                        return self.$field.read(reader);
                    })+
                    Ok(())
                })
            }
        }
    };
    (@blank) => { Json::blank() };
    (@blank $missing:expr) => { $missing };
    (@missing required) => { false };
    (@missing optional) => { true };
    (@missing or) => { true };
}
pub(super) use object;

/// Makes an enum without data readable by its names.
macro_rules! choice {
    ($type:ty { $blank:ident, $($name:literal $variant:ident),+ }) => {
        impl Json for $type {
            fn blank() -> Self {
                Self::$blank
            }

            fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Message> {
                *self = match &*reader.string()? {
                    $($name => Self::$variant,)+
                    other => return Err(Message(format!("{other:?} is none of {}", [$($name),+].join(", ")))),
                };
                Ok(())
            }
        }
    };
}
pub(super) use choice;

/// Makes a text with a form of its own readable, with what stands there before.
macro_rules! text {
    ($type:ty, $blank:expr) => {
        impl Json for $type {
            fn blank() -> Self {
                $blank
            }

            fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Message> {
                let text = reader.string()?.into_owned();
                *self = Self::try_from(text).map_err(|error| Message(error.to_string()))?;
                Ok(())
            }
        }
    };
}
pub(super) use text;

/// Makes an integer readable.
macro_rules! integer {
    ($($type:ty)+) => {
        $(impl Json for $type {
            fn blank() -> Self {
                0
            }

            fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Message> {
                *self = reader.unsigned()?.try_into().map_err(|_| wrong(concat!("this number does not fit: ", stringify!($type), " is expected")))?;
                Ok(())
            }
        })+
    };
}

integer!(u16 u32 u64);

impl Json for bool {
    fn blank() -> Self {
        false
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Message> {
        reader.peek()?;
        *self = reader.word("true");
        if *self || reader.word("false") { Ok(()) } else { Err(wrong("true or false is expected")) }
    }
}

impl Json for String {
    fn blank() -> Self {
        Self::new()
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Message> {
        *self = reader.string()?.into_owned();
        Ok(())
    }
}

impl Json for Weight {
    fn blank() -> Self {
        Self::ZERO
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Message> {
        let percent = match reader.number()? {
            Number::Unsigned(number) => number as f64,
            Number::Signed(number) => number as f64,
            Number::Fraction(number) => number,
        };
        *self = Self::percent(percent).map_err(|error| wrong(error.remedy()))?;
        Ok(())
    }
}

impl<T: Json> Json for Option<T> {
    fn blank() -> Self {
        None
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Message> {
        reader.peek()?;
        if reader.word("null") {
            *self = None;
            return Ok(());
        }
        self.insert(T::blank()).read(reader)
    }
}

impl<T: Json> Json for Vec<T> {
    fn blank() -> Self {
        Self::new()
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Message> {
        reader.list(&mut |_, reader| {
            let mut item = T::blank();
            item.read(reader)?;
            self.push(item);
            Ok(())
        })
    }
}

impl<T: Json> Json for (T, T) {
    fn blank() -> Self {
        (T::blank(), T::blank())
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Message> {
        let mut count = 0;
        reader.list(&mut |number, reader| {
            count = number;
            match number {
                0 => self.0.read(reader),
                1 => self.1.read(reader),
                _ => Err(wrong("two items are expected")),
            }
        })?;
        if count == 1 { Ok(()) } else { Err(wrong("two items are expected")) }
    }
}

/// What names an entry.
pub(super) trait Key: Ord + TryFrom<String, Error: ToString> {}

impl Key for String {}
impl Key for VersionName {}

impl<K: Key, T: Json> Json for BTreeMap<K, T> {
    fn blank() -> Self {
        Self::new()
    }

    /// Of entries with the same name the last one counts.
    fn read(&mut self, reader: &mut Reader<'_>) -> Result<(), Message> {
        reader.entries(&mut |name, reader| {
            let key = K::try_from(name).map_err(|error| Message(error.to_string()))?;
            let mut item = T::blank();
            item.read(reader)?;
            self.insert(key, item);
            Ok(())
        })
    }
}

text!(VersionName, Self::blank());
text!(RolloutId, Self::blank());

impl<'de> Reader<'de> {
    /// An integer without a sign.
    fn unsigned(&mut self) -> Result<u64, Message> {
        match self.number()? {
            Number::Unsigned(number) => Ok(number),
            Number::Signed(_) | Number::Fraction(_) => Err(wrong("a whole number is expected, without a sign")),
        }
    }

    fn list(&mut self, read: ReadField<'_, 'de>) -> Result<(), Message> {
        self.open(b'[', "a list is expected")?;
        let mut count = 0_usize;
        while self.another(count == 0, b']')? {
            self.path.push(Step::Item(count));
            read(count, self)?;
            self.path.pop();
            count = count.saturating_add(1);
        }
        Ok(())
    }

    fn entries(&mut self, read: &mut dyn FnMut(String, &mut Self) -> Result<(), Message>) -> Result<(), Message> {
        self.open(b'{', "an object is expected")?;
        let mut first = true;
        while let Some(key) = self.key(first)? {
            first = false;
            self.path.push(Step::Field(key.clone()));
            read(key.into_owned(), self)?;
            self.path.pop();
        }
        Ok(())
    }

    /// Reads an object's known fields, each at most once, and passes over those that are not known.
    #[inline(never)]
    pub(super) fn object(&mut self, fields: &[Field], read: ReadField<'_, 'de>) -> Result<(), Message> {
        let mut seen = 0_u32;
        self.entries(&mut |key, reader| {
            let Some(number) = fields.iter().position(|(name, _)| *name == key) else {
                reader.note_unknown();
                return reader.skip();
            };
            let bit = 1 << number;
            if seen & bit != 0 {
                return Err(Message(format!("duplicate field `{key}`")));
            }
            seen |= bit;
            read(number, reader)
        })?;
        let mut missing = (0_u32..).zip(fields).filter(|(number, (_, optional))| !optional && seen & (1 << number) == 0);
        match missing.next() {
            Some((_, (name, _))) => Err(Message(format!("missing field `{name}`"))),
            None => Ok(()),
        }
    }
}
