//! Secrets of clients, as they are stored.

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
}
