//! From a path to its form for people: the first segments, without what belongs to one request or one user.

/// Segments that are kept.
const SEGMENTS: usize = 2;
/// Bytes of a segment that is kept.
const SEGMENT_MAX: usize = 64;
/// Bytes of a word within a segment that is kept.
const WORD_MAX: usize = 24;
/// Digits of a word within a segment that is kept, at most.
const DIGITS_MAX: usize = 2;

/// Bytes of a template, at most.
pub const TEMPLATE_MAX: usize = SEGMENTS * (SEGMENT_MAX + 1) + 2;

/// The first two segments of a path without its query, `/*` for what follows them. A segment becomes `*` when it may name one object
/// or one user, or be a secret: a number, a UUID, more than 64 bytes, characters other than letters, digits and `-._~`, or a word in
/// it with more than 2 digits or 24 bytes.
///
/// `/orders/4711/items?page=2` gives `/orders/*/*`, `/shop.Checkout/Buy` stays as it is.
#[inline(never)]
pub fn template(path: &[u8]) -> String {
    let path = path.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    let mut text = String::new();
    let mut segments = path.split(|byte| *byte == b'/').filter(|segment| !segment.is_empty());
    for segment in segments.by_ref().take(SEGMENTS) {
        text.push('/');
        text.push_str(kept(segment).unwrap_or("*"));
    }
    if segments.next().is_some() {
        text.push_str("/*");
    }
    if text.is_empty() { "/".to_owned() } else { text }
}

fn kept(segment: &[u8]) -> Option<&str> {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let kept = segment.len() <= SEGMENT_MAX && segment.iter().all(plain) && !is_uuid(segment);
    let mut words = segment.split(|byte| !byte.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    std::str::from_utf8(segment).ok().filter(|_| kept && words.all(is_word))
}

fn is_word(word: &[u8]) -> bool {
    let digits = word.iter().filter(|byte| byte.is_ascii_digit()).count();
    word.len() <= WORD_MAX && digits <= DIGITS_MAX && digits < word.len()
}

/// 8-4-4-4-12 (RFC 9562 §4).
fn is_uuid(segment: &[u8]) -> bool {
    let lengths = segment.split(|byte| *byte == b'-').map(<[u8]>::len);
    lengths.eq([8, 4, 4, 4, 12])
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("/", "/"; "root")]
    #[test_case("", "/"; "nothing")]
    #[test_case("/orders", "/orders"; "one segment")]
    #[test_case("/orders/", "/orders"; "empty segments say nothing")]
    #[test_case("//orders//new", "/orders/new"; "several slashes")]
    #[test_case("/orders?card=4111", "/orders"; "a query")]
    #[test_case("/orders#top", "/orders"; "a fragment")]
    #[test_case("/orders/4711", "/orders/*"; "a number")]
    #[test_case("/orders/7", "/orders/*"; "a small number")]
    #[test_case("/order-17/lines", "/*/lines"; "a number in a segment")]
    #[test_case("/orders/4711/items", "/orders/*/*"; "what follows two segments")]
    #[test_case("/api/v1/users/ann", "/api/v1/*"; "a name behind two segments")]
    #[test_case("/users/f81d4fae-7dec-11d0-a765-00a0c91e6bf6", "/users/*"; "a UUID")]
    #[test_case("/users/abcdefab-cdef-abcd-efab-cdefabcdefab", "/users/*"; "a UUID without digits")]
    #[test_case("/shop.Checkout/PlaceOrder", "/shop.Checkout/PlaceOrder"; "gRPC")]
    #[test_case("/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Check"; "gRPC with a version")]
    #[test_case("/reset/c2VjcmV0MTIz4567", "/reset/*"; "a token")]
    #[test_case("/reset/abcdefghijklmnopqrstuvwxyz", "/reset/*"; "a long word")]
    #[test_case("/users/ann@shop.test", "/users/*"; "an address")]
    #[test_case("/a%20b/c;d", "/*/*"; "other characters")]
    #[test_case("*", "/*"; "OPTIONS of the server")]
    #[test_case("/über/x", "/*/x"; "not ASCII")]
    fn templates(path: &str, expected: &str) {
        assert_eq!(template(path.as_bytes()), expected);
    }

    #[test]
    fn a_template_is_bounded_whatever_the_path() {
        let segment = "ab.".repeat(21);
        assert_eq!(segment.len(), 63);
        let path = format!("/{segment}x/{segment}x/{}", "y/".repeat(10_000));
        assert_eq!(template(path.as_bytes()).len(), TEMPLATE_MAX);
        assert_eq!(template(format!("/{segment}xy").as_bytes()), "/*");
    }

    proptest::proptest! {
        #[test]
        fn a_template_has_nothing_to_tell_twice(path in "(/|[a-z0-9.?%é-]{0,8}){0,8}") {
            let once = template(path.as_bytes());
            proptest::prop_assert!(once.len() <= TEMPLATE_MAX && once.starts_with('/') && !once.contains('?'));
            proptest::prop_assert_eq!(template(once.as_bytes()), once);
        }
    }
}
