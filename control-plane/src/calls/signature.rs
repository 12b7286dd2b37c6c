//! How a receiver knows that a webhook comes from us, is whole and is no repetition.

use std::fmt::Write;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Seconds since the epoch when the message was written. Receivers refuse what is older than a few minutes.
pub(super) const TIMESTAMP: &str = "x-shunt-timestamp";
/// `sha256=` and HMAC-SHA256 in hex, over the timestamp, a full stop and the body.
pub(super) const SIGNATURE: &str = "x-shunt-signature";

/// The signature of a body written at that second.
pub(super) fn sign(key: &[u8], timestamp: u64, body: &[u8]) -> String {
    // HMAC takes keys of any length, so this cannot fail.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let mut text = "sha256=".to_owned();
    for byte in mac.finalize().into_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret`
    #[test]
    fn as_others_compute_it() {
        let expected = "sha256=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686";
        assert_eq!(sign(b"secret", 1_700_000_000, br#"{"a":1}"#), expected);
    }
}
