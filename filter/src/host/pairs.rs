//! The proxy's form of a map: a count, then two sizes per pair, then the texts, each ended by NUL; numbers are u32, little endian.

/// All headers of a message as the proxy gave them, in order, duplicates and pseudo-headers included. Read in place.
#[derive(Debug, Default)]
pub(crate) struct Headers {
    bytes: Vec<u8>,
}

impl Headers {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Name (lower case) and value of each.
    pub(crate) fn iter(&self) -> Pairs<'_> {
        Pairs::of(&self.bytes).unwrap_or_default()
    }

    /// The first value of a header.
    pub(crate) fn first(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(known, _)| *known == name.as_bytes()).map(|(_, value)| value)
    }

    /// True when a header is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }
}

/// Walks over sizes and texts at once; ends early where the form is not kept.
#[derive(Debug, Default)]
pub(crate) struct Pairs<'a> {
    sizes: &'a [u8],
    texts: &'a [u8],
}

impl<'a> Pairs<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (count, rest) = number(bytes)?;
        let (sizes, texts) = rest.split_at_checked(usize::try_from(count).ok()?.checked_mul(8)?)?;
        Some(Self { sizes, texts })
    }

    fn pair(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let (name_size, rest) = number(self.sizes)?;
        let (value_size, rest) = number(rest)?;
        self.sizes = rest;
        let (name, rest) = text(self.texts, name_size)?;
        let (value, rest) = text(rest, value_size)?;
        self.texts = rest;
        Some((name, value))
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.pair()
    }
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), rest))
}

fn text(bytes: &[u8], size: u32) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(usize::try_from(size).ok()?)?;
    let (_, rest) = rest.split_first()?;
    Some((text, rest))
}

/// Writes pairs in the proxy's form. Texts beyond 4 GiB do not exist here.
pub(super) fn serialise(pairs: &[(&str, &str)]) -> Vec<u8> {
    let size = |length: usize| u32::try_from(length).unwrap_or_default().to_le_bytes();
    let mut bytes = size(pairs.len()).to_vec();
    for (name, value) in pairs {
        bytes.extend(size(name.len()));
        bytes.extend(size(value.len()));
    }
    for (name, value) in pairs {
        for text in [name, value] {
            bytes.extend(text.as_bytes());
            bytes.push(0);
        }
    }
    bytes
}
