//! Marks on what a client keeps and brings back, so that it can bring back only what it was given.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a mark: 128 bits, which nobody guesses.
const LENGTH: usize = 16;

fn mac(key: &str, parts: &[&str]) -> Option<Hmac<Sha256>> {
    // HMAC takes keys of any length, so there always is one.
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).ok()?;
    for part in parts {
        // With its length, so that no two lists of parts are the same text.
        mac.update(&u64::try_from(part.len()).ok()?.to_be_bytes());
        mac.update(part.as_bytes());
    }
    Some(mac)
}

/// The mark on these parts: HMAC-SHA256 (RFC 2104), cut to 16 bytes, as 22 letters of base64url.
pub(crate) fn mark(key: &str, parts: &[&str]) -> Option<String> {
    let whole = mac(key, parts)?.finalize().into_bytes();
    Some(BASE64_URL_SAFE_NO_PAD.encode(whole.get(..LENGTH)?))
}

/// Whether this is the mark on these parts. Takes as long for one that is nearly right as for any other.
pub(crate) fn is_mark(key: &str, parts: &[&str], text: &str) -> bool {
    let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(text) else {
        return false;
    };
    bytes.len() == LENGTH && mac(key, parts).is_some_and(|mac| mac.verify_truncated_left(&bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_mark_is_good_for_its_key_and_its_parts_only(key in "[a-c]{1,3}", other in "[a-c]{1,3}", a in "[a-c]{0,3}", b in "[a-c]{0,3}", c in "[a-c]{0,3}", d in "[a-c]{0,3}") {
            let given = mark(&key, &[&a, &b]).unwrap();
            prop_assert_eq!(given.len(), 22);
            prop_assert_eq!(is_mark(&other, &[&c, &d], &given), (&key, &a, &b) == (&other, &c, &d));
        }

        #[test]
        fn other_texts_are_no_marks(text in any::<String>()) {
            prop_assert!(!is_mark("key", &["a"], &text));
        }
    }

    #[test]
    fn a_part_of_a_mark_is_none() {
        let given = mark("key", &["a"]).unwrap();
        for end in 0..given.len() {
            assert!(!is_mark("key", &["a"], &given[..end]), "{end}");
        }
    }
}
