//! Secrets that are compared: those of clients, as they are stored, and what forms are bound to.

use crate::crypto;
use serde::{Deserialize, Serialize};

/// SHA-256 of a secret, in hex. There is no `==` for it: the one question that it answers is whether a secret fits, and that
/// takes as long for every wrong one.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretHash(String);

impl SecretHash {
    /// Of a secret.
    pub fn of(secret: &str) -> Self {
        Self(crypto::hex(&crypto::sha256(secret.as_bytes())))
    }

    /// One that no secret fits.
    pub fn of_nobody() -> Self {
        Self("-".repeat(64))
    }

    /// Whether this is the secret.
    pub fn fits(&self, secret: &str) -> bool {
        crypto::same(Self::of(secret).0.as_bytes(), self.0.as_bytes())
    }
}

/// The random name of a login or browser, which the forms that were made for it carry. Without `==` for the same reason.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Binding(String);

impl Binding {
    /// Of this text.
    pub fn of(text: String) -> Self {
        Self(text)
    }

    /// Whether this is the text.
    pub fn fits(&self, text: &str) -> bool {
        crypto::same(self.0.as_bytes(), text.as_bytes())
    }

    /// Whether both are the same.
    pub fn fits_other(&self, other: &Self) -> bool {
        self.fits(&other.0)
    }
}

impl std::fmt::Debug for Binding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Binding")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_fits_its_own_hash_only() {
        let hash = SecretHash::of("secret");
        assert!(hash.fits("secret"));
        assert!(!hash.fits("") && !hash.fits("Secret") && !hash.fits(&hash.0));
        assert!(!SecretHash::of_nobody().fits(""));
    }

    #[test]
    fn a_binding_fits_its_own_text_only() {
        let binding = Binding::of("a".into());
        assert!(binding.fits("a") && binding.fits_other(&Binding::of("a".into())));
        assert!(!binding.fits("") && !binding.fits("b") && !binding.fits_other(&Binding::of("aa".into())));
        assert_eq!(format!("{binding:?}"), "Binding");
    }
}
