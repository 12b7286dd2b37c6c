//! The proxy's form of a map (proxy-wasm ABI 0.2.1): a count, then two sizes per pair, then the texts, each ended by NUL; numbers are `u32`,
//! little endian.

/// Walks over sizes and texts at once, without a copy; ends early where the form is not kept.
#[derive(Debug, Clone, Default)]
pub struct Pairs<'a> {
    sizes: &'a [u8],
    texts: &'a [u8],
}

impl<'a> Pairs<'a> {
    /// Those in the proxy's form.
    pub fn of(bytes: &'a [u8]) -> Self {
        Self::split(bytes).unwrap_or_default()
    }

    fn split(bytes: &'a [u8]) -> Option<Self> {
        let (count, rest) = number(bytes)?;
        let (sizes, texts) = rest.split_at_checked(usize::try_from(count).ok()?.checked_mul(8)?)?;
        Some(Self { sizes, texts })
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name_size, rest) = number(self.sizes)?;
        let (value_size, rest) = number(rest)?;
        self.sizes = rest;
        let (name, rest) = text(self.texts, name_size)?;
        let (value, rest) = text(rest, value_size)?;
        self.texts = rest;
        Some((name, value))
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
pub fn serialise<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Vec<u8> {
    let size = |length: usize| u32::try_from(length).unwrap_or_default().to_le_bytes();
    let mut bytes = size(pairs.len()).to_vec();
    for (name, value) in pairs {
        bytes.extend(size(name.as_ref().len()));
        bytes.extend(size(value.as_ref().len()));
    }
    for (name, value) in pairs {
        for text in [name.as_ref(), value.as_ref()] {
            bytes.extend_from_slice(text);
            bytes.push(0);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn pairs() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
        vec((vec(any::<u8>(), 0..8), vec(any::<u8>(), 0..8)), 0..8)
    }

    fn read(bytes: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        Pairs::of(bytes).map(|(name, value)| (name.to_vec(), value.to_vec())).collect()
    }

    proptest! {
        /// Any names and values, NUL among them, come back as they were.
        #[test]
        fn what_is_written_is_read(pairs in pairs()) {
            prop_assert_eq!(read(&serialise(&pairs)), pairs);
        }

        /// Cut off anywhere, the pairs that are whole come back, and no others.
        #[test]
        fn what_is_cut_ends_early(pairs in pairs(), cut: prop::sample::Index) {
            let bytes = serialise(&pairs);
            let found = read(&bytes[..cut.index(bytes.len())]);
            prop_assert!(found.len() <= pairs.len());
            prop_assert_eq!(&found[..], &pairs[..found.len()]);
        }

        /// Any bytes: it ends, and all that it says stands in them.
        #[test]
        fn any_bytes(bytes in vec(any::<u8>(), 0..64)) {
            for (name, value) in read(&bytes) {
                prop_assert!(name.len().saturating_add(value.len()).saturating_add(12) <= bytes.len());
            }
        }
    }
}
