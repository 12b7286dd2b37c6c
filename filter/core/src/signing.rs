//! Signed keys: an id that a filter makes carries a tag, so that a client can only bring ids that some filter gave it.
//!
//! The cookie's value is `<id>.<tag>`: 32 and 18 lower-case hex digits. The tag is the first 72 bits of HMAC-SHA256 (RFC 2104) over
//! `shunt-key-1`, a zero byte, the cookie's name, a zero byte and the id. Only the id is hashed for stickiness: with a new signing key no
//! user changes version. The name of the Rollout is not part of it, because services and flags of one host share their cookie.

use std::fmt;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;

/// What signs the ids of all keys with `generate: {signed: true}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signing {
    /// Signs.
    pub current: SigningKey,
    /// Signed before; ids of it are still good, and are signed anew on their next response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<SigningKey>,
}

impl Signing {
    /// The value of a cookie of this name for an id.
    pub fn sign(&self, cookie: &str, id: &str) -> String {
        Signer::new(self, cookie).sign(id.as_bytes())
    }
}

/// 256 secret bits, written as 64 lower-case hex digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SigningKey([u8; 32]);

/// Why a text is not a [`SigningKey`]; it may be a secret with a typing error, so it is not repeated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("this is not a signing key: use 64 lower-case hex digits, for example of `openssl rand -hex 32`")]
pub struct SigningKeyError;

impl SigningKey {
    /// The key with these bits.
    pub fn new(bits: [u8; 32]) -> Self {
        Self(bits)
    }
}

impl TryFrom<String> for SigningKey {
    type Error = SigningKeyError;
    fn try_from(text: String) -> Result<Self, SigningKeyError> {
        let nibble = |byte: u8| match byte {
            b'0'..=b'9' | b'a'..=b'f' => char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()),
            _ => None,
        };
        let digits: Option<Vec<u8>> = text.bytes().map(nibble).collect();
        let digits = digits.filter(|digits| digits.len() == 64).ok_or(SigningKeyError)?;
        let mut bits = [0; 32];
        for (byte, pair) in bits.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair.iter().fold(0, |byte, nibble| byte << 4 | nibble);
        }
        Ok(Self(bits))
    }
}

impl From<SigningKey> for String {
    fn from(key: SigningKey) -> Self {
        key.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(..)")
    }
}

/// Hex digits of an id.
pub(crate) const ID: usize = 32;
/// Hex digits of a tag: 72 bits. Guessing one takes 2^71 requests on average, and a guess is a request.
const TAG: usize = 18;

/// Signs and checks the ids of one cookie.
#[derive(Clone)]
pub(crate) struct Signer {
    /// Both have the key and the cookie's name in them already, so that an id costs two compressions.
    current: Hmac<Sha256>,
    previous: Option<Hmac<Sha256>>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(..)")
    }
}

/// Who signed an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signature {
    /// The current key.
    Current,
    /// The one before.
    Previous,
    /// No key of ours, as far as is known here.
    None,
}

impl Signer {
    pub(crate) fn new(signing: &Signing, cookie: &str) -> Self {
        let of = |key: &SigningKey| {
            // A key shorter than a block is filled with zeros (RFC 2104 §2).
            let mut block = [0; 64];
            for (slot, byte) in block.iter_mut().zip(key.0) {
                *slot = byte;
            }
            let mut mac = <Hmac<Sha256> as Mac>::new(&block.into());
            mac.update(b"shunt-key-1\0");
            mac.update(cookie.as_bytes());
            mac.update(b"\0");
            mac
        };
        Self { current: of(&signing.current), previous: signing.previous.as_ref().map(of) }
    }

    /// The cookie's value for an id.
    pub(crate) fn sign(&self, id: &[u8]) -> String {
        let digits = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!("{}.{}", digits(id), digits(&tag(&self.current, id)))
    }

    pub(crate) fn check(&self, id: &[u8], sent: &[u8]) -> Signature {
        if same(&tag(&self.current, id), sent) {
            return Signature::Current;
        }
        match &self.previous {
            Some(previous) if same(&tag(previous, id), sent) => Signature::Previous,
            Some(_) | None => Signature::None,
        }
    }
}

fn tag(mac: &Hmac<Sha256>, id: &[u8]) -> [u8; TAG] {
    let mut mac = mac.clone();
    mac.update(id);
    let bytes = mac.finalize().into_bytes();
    let mut text = [b'0'; TAG];
    for (place, nibble) in text.iter_mut().zip(bytes.into_iter().flat_map(|byte| [byte >> 4, byte & 0xf])) {
        *place = digit(nibble);
    }
    text
}

/// A lower-case hex digit.
pub(crate) fn digit(nibble: u8) -> u8 {
    char::from_digit(u32::from(nibble), 16).and_then(|digit| u8::try_from(digit).ok()).unwrap_or(b'0')
}

/// Takes as long for any two texts of one length, so that a tag cannot be found digit by digit.
fn same(ours: &[u8; TAG], sent: &[u8]) -> bool {
    sent.len() == ours.len() && std::hint::black_box(ours.iter().zip(sent).fold(0, |different, (a, b)| different | (a ^ b))) == 0
}

/// Id and tag of a cookie's value; none when it has neither form. The tag is empty when there is none.
pub(crate) fn parts(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let hex = |text: &[u8]| text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let (id, rest) = value.split_at_checked(ID)?;
    let tag = match rest {
        [] => rest,
        [b'.', tag @ ..] => tag,
        _ => return None,
    };
    (hex(id) && hex(tag) && [0, TAG].contains(&tag.len())).then_some((id, tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    const ID_TEXT: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn key(byte: u8) -> SigningKey {
        SigningKey::new([byte; 32])
    }

    fn signer(current: u8, previous: Option<u8>, cookie: &str) -> Signer {
        Signer::new(&Signing { current: key(current), previous: previous.map(key) }, cookie)
    }

    fn checked(signer: &Signer, value: &str) -> Signature {
        let (id, tag) = parts(value.as_bytes()).unwrap();
        signer.check(id, tag)
    }

    #[test]
    fn ids_of_both_keys_are_good_and_of_others_not() {
        let value = signer(1, None, "id").sign(ID_TEXT);
        assert_eq!(value.len(), ID + 1 + TAG);
        assert_eq!(checked(&signer(1, None, "id"), &value), Signature::Current);
        assert_eq!(checked(&signer(2, Some(1), "id"), &value), Signature::Previous);
        assert_eq!(checked(&signer(3, Some(2), "id"), &value), Signature::None, "two rotations ago");
        assert_eq!(checked(&signer(1, None, "other"), &value), Signature::None, "another cookie's");
        assert_eq!(checked(&signer(1, None, "id"), &value.replacen('0', "1", 1)), Signature::None, "another id");
        for at in ID + 1..value.len() {
            let mut forged = value.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(checked(&signer(1, Some(2), "id"), &String::from_utf8(forged).unwrap()), Signature::None, "digit {at}");
        }
    }

    #[test_case("0123456789abcdef0123456789abcdef", Some(0); "unsigned")]
    #[test_case("0123456789abcdef0123456789abcdef.0123456789abcdef01", Some(18); "signed")]
    #[test_case("0123456789abcdef0123456789abcdef.", Some(0); "an empty tag")]
    #[test_case("0123456789abcdef0123456789abcdef.0123456789abcdef0", None; "a shorter tag")]
    #[test_case("0123456789ABCDEF0123456789ABCDEF.0123456789abcdef01", None; "upper case")]
    #[test_case("0123456789abcdef0123456789abcdefx0123456789abcdef01", None; "no dot")]
    #[test_case("user-1", None; "something else")]
    fn values(value: &str, tag: Option<usize>) {
        assert_eq!(parts(value.as_bytes()).map(|(_, tag)| tag.len()), tag);
    }

    #[test]
    fn keys_are_written_and_read_and_never_shown() {
        let text = "00ff10".to_owned() + &"a5".repeat(29);
        let key = SigningKey::try_from(text.clone()).unwrap();
        assert_eq!(String::from(key.clone()), text);
        assert_eq!(format!("{:?}", Signing { current: key, previous: None }), "Signing { current: SigningKey(..), previous: None }");
        for wrong in [text.strip_prefix('0').unwrap(), &text.to_uppercase(), &text.replace('a', "g"), ""] {
            let error = SigningKey::try_from(wrong.to_owned()).unwrap_err().to_string();
            assert!(wrong.is_empty() || !error.contains(wrong), "{error}");
        }
    }
}
