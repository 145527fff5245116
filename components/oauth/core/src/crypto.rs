//! Hashes, keys and seals. Every key comes by HKDF out of one of the operator's secrets, one for each purpose, or out
//! of a token.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use shared_settings::Secrets;
use subtle::ConstantTimeEq;

/// A key for HMAC-SHA256 or AES-256-GCM. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(pub [u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A key and, while keys are being changed, the one before it.
#[derive(Debug, Clone)]
pub struct Rotating {
    /// Makes what is made from now on.
    pub current: Key,
    /// Opens what was made before.
    pub previous: Option<Key>,
}

impl Rotating {
    /// [`seal`] with the current key.
    pub fn seal(&self, nonce: [u8; NONCE], context: &[u8], plain: &[u8]) -> Vec<u8> {
        seal(&self.current, nonce, context, plain)
    }

    /// [`open`] with whichever key fits.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        open(&self.current, context, sealed)
            .or_else(|| self.previous.as_ref().and_then(|previous| open(previous, context, sealed)))
    }

    /// Whether this is the HMAC of a message under either key.
    pub fn verify(&self, parts: &[&[u8]], mac: &[u8]) -> bool {
        let fits = |key: &Key| same(&hmac(key, parts), mac);
        fits(&self.current) || self.previous.as_ref().is_some_and(fits)
    }
}

/// What codes and tokens are made with.
#[derive(Debug, Clone)]
pub struct TokenKeys {
    /// Turns a refresh token into its successors.
    pub rotation: Key,
    /// Marks codes and tokens as ours.
    pub mark: Key,
}

/// The keys of this server, one for each purpose.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Seals login cookies.
    pub login: Rotating,
    /// Seals what travels in hidden form fields.
    pub form: Rotating,
    /// Seals cookies with remembered approvals.
    pub approval: Rotating,
    /// Seals and signs what travels to an identity provider and back.
    pub leg: Rotating,
    /// Seals what is stored and has no token of its own to open it.
    pub rest: Rotating,
    /// Turns a subject into a user hash. Never changes.
    pub subject: Key,
    /// Codes and tokens.
    pub token: TokenKeys,
    /// Codes and tokens made before the key was changed.
    pub token_previous: Option<TokenKeys>,
    /// Turns names and addresses into buckets of the throttle.
    pub throttle: Key,
}

impl Keys {
    /// Derive all keys (RFC 5869).
    pub fn derive(secrets: &Secrets) -> Self {
        let token = Derive::from(&secrets.token_key);
        let token_previous = secrets.token_key_previous.as_ref().map(Derive::from);
        let cookie = Derive::from(&secrets.cookie_key);
        let cookie_previous = secrets.cookie_key_previous.as_ref().map(Derive::from);
        let by_cookie_key = |purpose: &str| Rotating {
            current: cookie.key(purpose),
            previous: cookie_previous.as_ref().map(|previous| previous.key(purpose)),
        };
        let token_keys =
            |derive: &Derive| TokenKeys { rotation: derive.key("refresh rotation"), mark: derive.key("token mark") };
        Self {
            login: by_cookie_key("login cookie"),
            form: by_cookie_key("form field"),
            approval: by_cookie_key("approval cookie"),
            leg: by_cookie_key("provider leg"),
            rest: Rotating {
                current: token.key("at rest"),
                previous: token_previous.as_ref().map(|previous| previous.key("at rest")),
            },
            subject: Derive::from(&secrets.user_key).key("user hash"),
            token: token_keys(&token),
            token_previous: token_previous.as_ref().map(token_keys),
            throttle: token.key("throttle bucket"),
        }
    }

    /// The first name of a user in logs and keys: 32 lower-case hex digits. [`crate::users::hash`] knows the one of now.
    pub fn user_hash(&self, subject: &str) -> String {
        self.named(&[subject.as_bytes()])
    }

    /// The name of a user after he was deleted.
    pub fn user_hash_after(&self, subject: &str, salt: &str) -> String {
        self.named(&[subject.as_bytes(), salt.as_bytes()])
    }

    fn named(&self, parts: &[&[u8]]) -> String {
        let hash = hmac(&self.subject, parts);
        hex(hash.first_chunk::<16>().unwrap_or(&[0; 16]))
    }

    /// The keys of codes and tokens, those of now first.
    pub fn token_keys(&self) -> impl Iterator<Item = &TokenKeys> {
        std::iter::once(&self.token).chain(&self.token_previous)
    }
}

/// A secret of the operator, from which keys are derived.
struct Derive(Hkdf<Sha256>);

impl Derive {
    fn from(secret: &String) -> Self {
        Self(Hkdf::<Sha256>::new(Some(b"mcp-edge oauth 1"), secret.as_bytes()))
    }

    fn key(&self, purpose: &str) -> Key {
        let mut key = [0; 32];
        // It fails for more than 255 blocks of output only; this asks for one.
        let _ = self.0.expand(purpose.as_bytes(), &mut key);
        Key(key)
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
    use crate::tests::secrets;
    use proptest::prelude::*;

    fn keys(secret: &str) -> Keys {
        Keys::derive(&secrets(secret))
    }

    #[test]
    fn the_keys_differ_by_purpose_and_by_secret() {
        let all = |keys: &Keys| {
            let rotating = [&keys.login, &keys.form, &keys.approval, &keys.leg, &keys.rest];
            let single = [&keys.subject, &keys.token.rotation, &keys.token.mark, &keys.throttle];
            rotating.iter().map(|keys| keys.current.0).chain(single.iter().map(|key| key.0)).collect::<Vec<_>>()
        };
        let both: Vec<_> = [all(&keys("a")), all(&keys("b"))].concat();
        let distinct: std::collections::BTreeSet<_> = both.iter().collect();
        assert_eq!((distinct.len(), both.len()), (18, 18));
    }

    #[test]
    fn a_user_hash_is_32_hex_digits_and_outlives_the_other_keys() {
        let hash = keys("a").user_hash("dev");
        assert!(hash.len() == 32 && hash.chars().all(|c| c.is_ascii_hexdigit() && !c.is_ascii_uppercase()), "{hash}");
        assert_ne!(hash, keys("b").user_hash("dev"));
        let changed = Secrets { user_key: "a".into(), token_key_previous: Some("a".into()), ..secrets("b") };
        assert_eq!(hash, Keys::derive(&changed).user_hash("dev"));
    }

    #[test]
    fn the_previous_key_opens_and_no_longer_seals() {
        let changed = Keys::derive(&Secrets { cookie_key_previous: Some("a".into()), ..secrets("b") });
        let old = keys("a").login.seal([1; 12], b"c", b"x");
        assert_eq!(changed.login.open(b"c", &old).as_deref(), Some(&b"x"[..]));
        assert_eq!(changed.form.open(b"c", &old), None);
        assert_eq!(keys("b").login.open(b"c", &old), None);
        assert_eq!(keys("a").login.open(b"c", &changed.login.seal([1; 12], b"c", b"x")), None);
        let mac = hmac(&keys("a").leg.current, &[b"m"]);
        assert!(changed.leg.verify(&[b"m"], &mac) && !changed.leg.verify(&[b"n"], &mac));
        assert!(!keys("b").leg.verify(&[b"m"], &mac));
    }

    #[test]
    fn keys_do_not_show_themselves() {
        let shown = format!("{:?}", keys("a"));
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
