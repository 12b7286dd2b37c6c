//! Headers by name.

use std::borrow::Cow;

use crate::compile::Problem;
use crate::names::HEADER_PREFIX;

/// The host as it came, with its port; HTTP/1.1's `host` is here too.
const AUTHORITY: &str = ":authority";

/// The name in lower case, if conditions and keys may read that header.
pub(crate) fn readable(name: &str) -> Result<String, Problem> {
    let name = name.to_ascii_lowercase();
    match name.as_str() {
        "cookie" => Err(Problem::CookieHeader),
        "host" => Err(Problem::HostHeader),
        // Of a service with several hosts, one may be a condition: a candidate is previewed at a host of its own.
        AUTHORITY => Ok(name),
        ours if ours.starts_with(HEADER_PREFIX) => Err(Problem::OwnHeader(name)),
        other if is_token(other) => Ok(name),
        _ => Err(Problem::HeaderName(name)),
    }
}

/// A `token` of RFC 9110 §5.6.2: what names of headers, cookies and methods are made of.
pub(crate) fn is_token(text: &str) -> bool {
    let in_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(in_token)
}

/// The value of each name. Several lines are one value joined by `,` (RFC 9110 §5.3), which is also what Envoy's matchers see.
pub(crate) fn read<'q>(lines: &'q [(String, Vec<u8>)], names: &[String]) -> Vec<Option<Cow<'q, [u8]>>> {
    let mut values: Vec<Option<Cow<'q, [u8]>>> = vec![None; names.len()];
    for (name, value) in lines {
        let Some(position) = names.iter().position(|wanted| wanted == name) else { continue };
        let Some(slot) = values.get_mut(position) else { continue };
        match slot {
            None => *slot = Some(Cow::Borrowed(value)),
            Some(joined) => {
                let joined = joined.to_mut();
                joined.push(b',');
                joined.extend_from_slice(value);
            }
        }
    }
    values
}

/// The only value of a header; none when it is absent or its lines differ.
pub(crate) fn single<'q>(lines: &'q [(String, Vec<u8>)], name: &str) -> Option<&'q [u8]> {
    let mut values = lines.iter().filter(|(line, _)| line == name).map(|(_, value)| value.as_slice());
    let first = values.next()?;
    values.all(|other| other == first).then_some(first)
}

/// True when at least one line has that name.
pub(crate) fn has(lines: &[(String, Vec<u8>)], name: &str) -> bool {
    lines.iter().any(|(line, _)| line == name)
}
