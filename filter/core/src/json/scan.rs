//! The grammar (RFC 8259): white space, marks, texts, and values that are passed over.

use std::borrow::Cow;

use super::{DEPTH, Message, Reader};

impl<'de> Reader<'de> {
    /// The first byte of what comes next, after white space.
    pub(super) fn peek(&mut self) -> Result<u8, Message> {
        while let Some(byte) = self.byte() {
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return Ok(byte);
            }
            self.step();
        }
        Err(wrong("the text ends too early"))
    }

    /// The byte where reading stands.
    pub(super) fn byte(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// One byte on.
    pub(super) fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Takes one mark.
    pub(super) fn take(&mut self, mark: u8, otherwise: &str) -> Result<(), Message> {
        if self.peek()? != mark {
            return Err(wrong(otherwise));
        }
        self.step();
        Ok(())
    }

    /// Takes a word if it stands here.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let is = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes()));
        if is {
            self.at = self.at.saturating_add(word.len());
        }
        is
    }

    /// Nothing but white space is left.
    pub(super) fn end(&mut self) -> Result<(), Message> {
        if self.peek().is_ok() { Err(wrong("something stands behind the end of the value")) } else { Ok(()) }
    }

    /// Begins a list or an object.
    pub(super) fn open(&mut self, mark: u8, otherwise: &str) -> Result<(), Message> {
        self.take(mark, otherwise)?;
        self.depth = self.depth.saturating_add(1);
        if self.depth > DEPTH { Err(wrong("values are nested too deep")) } else { Ok(()) }
    }

    /// Whether another item comes before the end of a list or an object; takes the comma, or the end.
    pub(super) fn another(&mut self, first: bool, end: u8) -> Result<bool, Message> {
        match self.peek()? {
            byte if byte == end => {
                self.step();
                self.depth = self.depth.saturating_sub(1);
                Ok(false)
            }
            _ if first => Ok(true),
            b',' => {
                self.step();
                if self.peek()? == end { Err(wrong("a comma stands before the end")) } else { Ok(true) }
            }
            _ => Err(wrong("a comma or the end is expected")),
        }
    }

    /// An object's next key, with its colon.
    pub(super) fn key(&mut self, first: bool) -> Result<Option<Cow<'de, str>>, Message> {
        if !self.another(first, b'}')? {
            return Ok(None);
        }
        let key = self.string()?;
        self.take(b':', "a colon is expected")?;
        Ok(Some(key))
    }

    /// A text in quotes.
    #[inline(never)]
    pub(super) fn string(&mut self) -> Result<Cow<'de, str>, Message> {
        self.take(b'"', "a string is expected")?;
        let mut owned: Option<Vec<u8>> = None;
        let mut start = self.at;
        loop {
            let byte = self.byte().ok_or_else(|| wrong("a string does not end"))?;
            let plain = self.bytes.get(start..self.at).unwrap_or_default();
            match byte {
                b'"' => {
                    self.step();
                    return match owned {
                        None => std::str::from_utf8(plain).map(Cow::Borrowed).map_err(|_| wrong(NOT_UTF8)),
                        Some(mut text) => {
                            text.extend(plain);
                            String::from_utf8(text).map(Cow::Owned).map_err(|_| wrong(NOT_UTF8))
                        }
                    };
                }
                b'\\' => {
                    self.step();
                    let text = owned.get_or_insert_default();
                    text.extend(plain);
                    let escaped = self.escaped()?;
                    text.extend(escaped.encode_utf8(&mut [0; 4]).as_bytes());
                    start = self.at;
                }
                0..0x20 => return Err(wrong("a string has a control character, write it as \\u00..")),
                _ => self.step(),
            }
        }
    }

    /// What stands behind a backslash.
    #[inline(never)]
    fn escaped(&mut self) -> Result<char, Message> {
        let byte = self.byte();
        self.step();
        Ok(match byte {
            Some(mark @ (b'"' | b'\\' | b'/')) => char::from(mark),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unit().and_then(|unit| self.pair(unit)).ok_or_else(|| wrong("\\u is no character")),
            _ => return Err(wrong("no such escape in a string")),
        })
    }

    /// The character that begins with this unit of UTF-16.
    fn pair(&mut self, unit: u32) -> Option<char> {
        let second = if (0xd800..0xdc00).contains(&unit) && self.word("\\u") { self.unit()? } else { return char::from_u32(unit) };
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
        char::from_u32(((unit & 0x3ff) << 10 | low).checked_add(0x1_0000)?)
    }

    /// Four hex digits.
    fn unit(&mut self) -> Option<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit << 4 | char::from(self.byte()?).to_digit(16)?;
            self.step();
        }
        Some(unit)
    }

    /// Passes over a value.
    pub(super) fn skip(&mut self) -> Result<(), Message> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'[' => {
                self.open(b'[', "")?;
                let mut first = true;
                while self.another(first, b']')? {
                    first = false;
                    self.skip()?;
                }
                Ok(())
            }
            b'{' => {
                self.open(b'{', "")?;
                let mut first = true;
                while self.key(first)?.is_some() {
                    first = false;
                    self.skip()?;
                }
                Ok(())
            }
            b'-' | b'0'..=b'9' => self.number().map(drop),
            _ if self.word("null") || self.word("true") || self.word("false") => Ok(()),
            _ => Err(wrong("a value is expected")),
        }
    }
}

const NOT_UTF8: &str = "a string is not UTF-8";

pub(super) fn wrong(text: &str) -> Message {
    Message(text.to_owned())
}
