//! The proxy's form of a map: a count, then two sizes per pair, then the texts, each ended by NUL; numbers are u32, little endian.

/// All pairs, names as text.
pub(super) fn read(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut pairs = Vec::new();
    each_pair(bytes, |name, value| pairs.push((String::from_utf8_lossy(name).into_owned(), value.to_vec())))?;
    Some(pairs)
}

/// Calls `take` with each pair; none when the form is not kept.
pub(super) fn each_pair(bytes: &[u8], mut take: impl FnMut(&[u8], &[u8])) -> Option<()> {
    let (count, rest) = number(bytes)?;
    let (mut sizes, mut texts) = rest.split_at_checked(usize::try_from(count).ok()?.checked_mul(8)?)?;
    for _ in 0..count {
        let (name_size, after) = number(sizes)?;
        let (value_size, after) = number(after)?;
        sizes = after;
        let (name, after) = text(texts, name_size)?;
        let (value, after) = text(after, value_size)?;
        texts = after;
        take(name, value);
    }
    Some(())
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
