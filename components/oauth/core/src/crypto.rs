//! Hashes, keys and seals. Every key comes out of the operator's `token_key` by HKDF, one for each purpose, or out of
//! a token.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A key for HMAC-SHA256 or AES-256-GCM. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub [u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The keys of this server, one for each purpose.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Seals login cookies.
    pub login: Key,
    /// Seals what travels in hidden form fields.
    pub form: Key,
    /// Turns a subject into a user hash.
    pub subject: Key,
    /// Turns a refresh token into its successors.
    pub rotation: Key,
    /// Marks codes and tokens as ours.
    pub mark: Key,
    /// Turns names and addresses into buckets of the throttle.
    pub throttle: Key,
}

impl Keys {
    /// Derive all keys (RFC 5869).
    pub fn derive(token_key: &str) -> Self {
        let hkdf = Hkdf::<Sha256>::new(Some(b"mcp-edge oauth 1"), token_key.as_bytes());
        let key = |purpose: &str| {
            let mut key = [0; 32];
            // It fails for more than 255 blocks of output only; this asks for one.
            let _ = hkdf.expand(purpose.as_bytes(), &mut key);
            Key(key)
        };
        Self {
            login: key("login cookie"),
            form: key("form field"),
            subject: key("user hash"),
            rotation: key("refresh rotation"),
            mark: key("token mark"),
            throttle: key("throttle bucket"),
        }
    }

    /// The name of a user in logs and keys: 32 lower-case hex digits.
    pub fn user_hash(&self, subject: &str) -> String {
        let hash = hmac(&self.subject, &[subject.as_bytes()]);
        hex(hash.first_chunk::<16>().unwrap_or(&[0; 16]))
    }
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// HMAC-SHA256 over parts. Each part is preceded by its length, so that no two lists of parts are the same message.
pub fn hmac(key: &Key, parts: &[&[u8]]) -> [u8; 32] {
    // HMAC takes keys of every length.
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(&key.0) else { return [0; 32] };
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Compare secrets in a time that depends on their lengths only.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// Base64url without padding.
pub fn base64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes behind base64url without padding.
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// Length of the nonce in front of a sealed text.
const NONCE: usize = 12;

/// Encrypt and authenticate (AES-256-GCM): nonce, ciphertext, tag. `context` is authenticated only; a seal made in one
/// context does not open in another. A nonce must never repeat under the same key.
pub fn seal(key: &Key, nonce: [u8; NONCE], context: &[u8], plain: &[u8]) -> Vec<u8> {
    let cipher = Aes256Gcm::new(&key.0.into());
    let mut sealed = nonce.to_vec();
    // It fails for more than 64 GiB only. Should it ever, then an empty seal opens nowhere.
    match cipher.encrypt(&nonce.into(), Payload { msg: plain, aad: context }) {
        Ok(text) => sealed.extend_from_slice(&text),
        Err(_) => sealed.clear(),
    }
    sealed
}

/// Undo [`seal`]. `None` for anything that was not sealed with this key in this context.
pub fn open(key: &Key, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, text) = sealed.split_first_chunk::<NONCE>()?;
    let cipher = Aes256Gcm::new(&key.0.into());
    cipher.decrypt(&(*nonce).into(), Payload { msg: text, aad: context }).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_keys_differ_by_purpose_and_by_token_key() {
        let (a, b) = (Keys::derive("a"), Keys::derive("b"));
        let all = [&a.login, &a.form, &a.subject, &a.rotation, &a.mark, &a.throttle, &b.login, &b.form];
        let distinct: std::collections::BTreeSet<_> = all.iter().map(|key| key.0).collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn a_user_hash_is_32_hex_digits_and_keyed() {
        let hash = Keys::derive("a").user_hash("dev");
        assert!(hash.len() == 32 && hash.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()), "{hash}");
        assert_ne!(hash, Keys::derive("b").user_hash("dev"));
    }

    #[test]
    fn keys_do_not_show_themselves() {
        let shown = format!("{:?}", Keys::derive("a"));
        assert!(shown.contains("Key(…)") && !shown.chars().any(|c| c.is_ascii_digit()), "{shown}");
    }

    #[test]
    fn hmac_parts_cannot_be_shifted() {
        let key = Key([1; 32]);
        assert_ne!(hmac(&key, &[b"ab", b"c"]), hmac(&key, &[b"a", b"bc"]));
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_in_its_context_only(plain: Vec<u8>, context: Vec<u8>, flip in 0usize..4096, bit in 0u8..8) {
            let key = Key([7; 32]);
            let mut sealed = seal(&key, [3; 12], &context, &plain);
            prop_assert_eq!(open(&key, &context, &sealed), Some(plain));
            prop_assert_eq!(open(&Key([8; 32]), &context, &sealed), None);
            prop_assert_eq!(open(&key, &[&context[..], b"x"].concat(), &sealed), None);
            let at = flip % sealed.len();
            sealed[at] ^= 1 << bit;
            prop_assert_eq!(open(&key, &context, &sealed), None);
        }

        #[test]
        fn opening_anything_never_panics(bytes: Vec<u8>) {
            prop_assert_eq!(open(&Key([7; 32]), b"", &bytes), None);
        }
    }
}
