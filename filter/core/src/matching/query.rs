//! Query parameters by name, decoded as forms are (WHATWG URL, application/x-www-form-urlencoded).
//!
//! Pairs are separated by `&`; without `=` the value is empty; `+` is a space and `%41` an `A`, in names and values; a malformed `%`
//! stays as it is. Of several parameters of one name the first counts.

use std::borrow::Cow;

use crate::limits;
use crate::matching::path;

/// The value of each name in the query of a `:path`.
pub(crate) fn read<'q>(target: &'q str, names: &[String]) -> Vec<Option<Cow<'q, [u8]>>> {
    let mut values: Vec<Option<Cow<'q, [u8]>>> = vec![None; names.len()];
    let query = path::query(target).as_bytes();
    let query = query.get(..limits::PARSED).unwrap_or(query);
    for pair in query.split(|byte| *byte == b'&') {
        let (name, value) = match pair.iter().position(|byte| *byte == b'=').and_then(|equals| pair.split_at_checked(equals)) {
            Some((name, rest)) => (name, rest.get(1..).unwrap_or_default()),
            None => (pair, pair.get(pair.len()..).unwrap_or_default()),
        };
        let name = decoded(name);
        let Some(position) = names.iter().position(|wanted| wanted.as_bytes() == name.as_ref()) else { continue };
        if let Some(slot @ None) = values.get_mut(position) {
            *slot = Some(decoded(value));
        }
    }
    values
}

fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, behind @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push((high << 4) | low);
                    rest = behind;
                }
                _ => bytes.push(b'%'),
            },
            (other, _) => bytes.push(*other),
        }
    }
    Cow::Owned(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("/p?a=1", Some("1"); "alone")]
    #[test_case("/p?b=2&a=1", Some("1"); "second")]
    #[test_case("/p?a=1&a=2", Some("1"); "first wins")]
    #[test_case("/p?a", Some(""); "no equals")]
    #[test_case("/p?a=", Some(""); "empty")]
    #[test_case("/p?a=x=y", Some("x=y"); "equals in the value")]
    #[test_case("/p?a=x+y%20z", Some("x y z"); "spaces")]
    #[test_case("/p?%61=1", Some("1"); "escaped name")]
    #[test_case("/p?a=%4", Some("%4"); "cut escape")]
    #[test_case("/p?a=%zz", Some("%zz"); "malformed escape")]
    #[test_case("/p?a=%%41", Some("%A"); "percent before an escape")]
    #[test_case("/p?a=1;b=2", Some("1;b=2"); "semicolon does not separate")]
    #[test_case("/p?a=1#a=2", Some("1"); "fragment")]
    #[test_case("/p?A=1", None; "case sensitive")]
    #[test_case("/a=1", None; "no query")]
    #[test_case("", None; "no path")]
    #[test_case("/p?&&=&", None; "nothing")]
    fn parses(target: &str, expected: Option<&str>) {
        let values = read(target, &["a".to_owned()]);
        assert_eq!(values[0].as_ref().map(|value| String::from_utf8_lossy(value).into_owned()).as_deref(), expected);
    }

    #[test]
    fn bytes_that_are_not_text() {
        assert_eq!(read("/p?a=%ff", &["a".to_owned()])[0].as_deref(), Some(&[0xff][..]));
    }
}
