//! All headers of a message, and what a site needs of them.

use crate::pairs::{Pairs, serialise};
use crate::request::{Needs, Request};

/// All headers of a message as the proxy gave them, in order: names in lower case, duplicates and pseudo-headers included. Read in place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    bytes: Vec<u8>,
}

impl Headers {
    /// In the proxy's form; where that is not kept, they end.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes }
    }

    /// Of these names and values.
    pub fn of<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Self {
        Self { bytes: serialise(pairs) }
    }

    /// Name and value of each.
    pub fn iter(&self) -> Pairs<'_> {
        Pairs::of(&self.bytes)
    }

    /// All values of a header, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter().filter(move |(known, _)| *known == name.as_bytes()).map(|(_, value)| value)
    }

    /// The first value of a header.
    pub fn first(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(known, _)| *known == name.as_bytes()).map(|(_, value)| value)
    }

    /// True when a header is there.
    pub fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// The request as a site needs it. Of a pseudo-header and of the request id the last value counts, of all others every line.
    #[inline(never)]
    pub fn request(&self, needs: &Needs, end_of_stream: bool, entropy: [u64; 2]) -> Request {
        let mut request = Request { end_of_stream, entropy, ..Request::default() };
        for (name, value) in self.iter() {
            match name {
                b":method" if needs.method => request.method = text(value),
                b":path" if needs.path => request.path = text(value),
                b"x-request-id" if needs.request_id => request.request_id = text(value),
                _ => {}
            }
            if let Some(needed) = needs.headers.iter().find(|needed| needed.as_bytes() == name) {
                request.headers.push((needed.clone(), value.to_vec()));
            }
        }
        request
    }

    /// True for a response that any cache may keep (`cache-control: public`).
    pub fn is_public(&self) -> bool {
        let mut directives = self.all("cache-control").flat_map(|line| line.split(|byte| *byte == b','));
        directives.any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"public"))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    fn name() -> impl Strategy<Value = String> {
        prop::sample::select(vec![":method", ":path", ":authority", "x-request-id", "cookie", "x-user", "accept"]).prop_map(str::to_owned)
    }

    fn pairs() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
        vec((name(), vec(any::<u8>(), 0..6)), 0..12)
    }

    fn needs() -> impl Strategy<Value = Needs> {
        let flags = (any::<bool>(), any::<bool>(), any::<bool>());
        (prop::collection::btree_set(name(), 0..4), flags).prop_map(|(names, (method, path, request_id))| Needs {
            headers: names.into_iter().collect(),
            method,
            path,
            request_id,
        })
    }

    proptest! {
        /// Whatever bytes come, a request has every line of what its site needs, in order and unchanged, and nothing else.
        #[test]
        fn a_request_is_what_its_site_needs(pairs in pairs(), needs in needs(), end_of_stream: bool, entropy: [u64; 2]) {
            let headers = Headers::of(&pairs);
            let request = headers.request(&needs, end_of_stream, entropy);
            let expected: Vec<_> = pairs.iter().filter(|(name, _)| needs.headers.contains(name)).cloned().collect();
            prop_assert_eq!(request.headers, expected);
            let last = |needed: bool, name: &str| {
                let value = headers.all(name).last().filter(|_| needed).unwrap_or_default();
                String::from_utf8_lossy(value).into_owned()
            };
            prop_assert_eq!(request.method, last(needs.method, ":method"));
            prop_assert_eq!(request.path, last(needs.path, ":path"));
            prop_assert_eq!(request.request_id, last(needs.request_id, "x-request-id"));
            prop_assert_eq!((request.end_of_stream, request.entropy), (end_of_stream, entropy));
        }

        /// What is read by name and what is found among all headers is the same.
        #[test]
        fn the_first_of_each_name(pairs in pairs()) {
            let headers = Headers::of(&pairs);
            for name in [":method", ":path", ":authority", "x-request-id", "cookie", "x-user", "accept", "absent"] {
                let expected = pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice());
                prop_assert_eq!(headers.first(name), expected);
                prop_assert_eq!(headers.has(name), expected.is_some());
                prop_assert_eq!(headers.all(name).count(), pairs.iter().filter(|(known, _)| known == name).count());
            }
        }
    }

    #[test_case(&[("cache-control", "public")], true; "alone")]
    #[test_case(&[("cache-control", "max-age=60, Public ")], true; "among others, in any case")]
    #[test_case(&[("cache-control", "no-cache"), ("cache-control", "public")], true; "on a later line")]
    #[test_case(&[("cache-control", "private")], false; "private")]
    #[test_case(&[("cache-control", "x=public")], false; "a value")]
    #[test_case(&[("vary", "public")], false; "another header")]
    fn public(pairs: &[(&str, &str)], expected: bool) {
        assert_eq!(Headers::of(pairs).is_public(), expected);
    }
}
