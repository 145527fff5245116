//! Proof Key for Code Exchange (RFC 7636), method S256 only.

use crate::crypto;

/// Whether a text can be a code challenge of S256: base64url of 32 bytes.
pub fn is_challenge(text: &str) -> bool {
    crypto::unbase64(text).is_some_and(|bytes| bytes.len() == 32)
}

/// Whether a verifier is the one of the challenge. A verifier has 43 to 128 unreserved characters (section 4.1).
pub fn verify(challenge: &str, verifier: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let proper = (43..=128).contains(&verifier.len()) && verifier.bytes().all(legal);
    proper && crypto::same(crypto::base64(&crypto::sha256(verifier.as_bytes())).as_bytes(), challenge.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_rfc_holds() {
        assert!(is_challenge(CHALLENGE) && verify(CHALLENGE, VERIFIER));
    }

    #[test]
    fn what_is_not_a_challenge_or_its_verifier_is_refused() {
        for bad in ["", "x", &CHALLENGE[1..], &format!("{CHALLENGE}="), &format!("{CHALLENGE}AA")] {
            assert!(!is_challenge(bad), "{bad}");
        }
        for bad in
            ["", CHALLENGE, &VERIFIER[1..], &format!("{VERIFIER}x"), &"a".repeat(129), &VERIFIER.replace('-', " ")]
        {
            assert!(!verify(CHALLENGE, bad), "{bad}");
        }
        // `plain`: the challenge is the verifier.
        assert!(!verify(VERIFIER, VERIFIER));
    }
}
