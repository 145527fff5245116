//! Checking passwords against argon2id hashes in PHC form: `$argon2id$v=19$m=19456,t=2,p=1$salt$hash`.

use crate::crypto;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;

/// Most memory that checking one password may take, in KiB. It is held by the instance until that is dropped, beside
/// what other requests need, so it has to stay well below the caps that hosts set (128 MiB on workerd).
const MAX_MEMORY: u32 = 64 * 1024;

/// Most work for one password, in KiB filled. The hash that `mcp-edge hash-password` makes is 19456 * 2; this is four
/// times that, since hosts end a request that computes for too long.
const MAX_WORK: u32 = 4 * 2 * 19456;

/// Longest password, in bytes.
pub const MAX_PASSWORD: usize = 1024;

/// A stored hash that can be checked against within the limits above.
#[derive(Clone)]
pub struct PasswordHash {
    params: Params,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// Why a stored hash cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// It does not look like `$argon2id$v=19$m=…,t=…,p=…$salt$hash`.
    #[error("not an argon2id hash in PHC form")]
    Malformed,
    /// Its parameters ask for more than an instance may use.
    #[error("asks for more than {MAX_MEMORY} KiB of memory or more work than {MAX_WORK} KiB filled")]
    TooCostly,
}

/// The check could not be made: the instance has no memory left for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no memory to check a password")]
pub struct NoMemory;

impl PasswordHash {
    /// Read a stored hash.
    pub fn parse(text: &str) -> Result<Self, HashError> {
        let mut parts = text.split('$');
        let mut next = || parts.next().ok_or(HashError::Malformed);
        if (next()?, next()?, next()?) != ("", "argon2id", "v=19") {
            return Err(HashError::Malformed);
        }
        let (costs, salt, hash) = (next()?, next()?, next()?);
        if parts.next().is_some() {
            return Err(HashError::Malformed);
        }
        let mut costs = costs.split(',');
        let mut cost = |name: &str| {
            let number = costs.next().and_then(|cost| cost.strip_prefix(name)).ok_or(HashError::Malformed)?;
            number.parse::<u32>().map_err(|_| HashError::Malformed)
        };
        let (memory, passes, lanes) = (cost("m=")?, cost("t=")?, cost("p=")?);
        if costs.next().is_some() {
            return Err(HashError::Malformed);
        }
        if memory > MAX_MEMORY || memory.checked_mul(passes).is_none_or(|work| work > MAX_WORK) {
            return Err(HashError::TooCostly);
        }
        let decode = |text: &str| BASE64_STANDARD_NO_PAD.decode(text).map_err(|_| HashError::Malformed);
        let (salt, hash) = (decode(salt)?, decode(hash)?);
        if !(8..=64).contains(&salt.len()) || !(16..=64).contains(&hash.len()) {
            return Err(HashError::Malformed);
        }
        let params = Params::new(memory, passes, lanes, Some(hash.len())).map_err(|_| HashError::Malformed)?;
        Ok(Self { params, salt, hash })
    }

    /// A hash that no password fits, of the same cost as `like`: to spend the same time on a user who does not exist.
    pub fn nobody(like: Option<&Self>) -> Self {
        let params = like.map_or_else(Params::default, |hash| hash.params.clone());
        let length = params.output_len().unwrap_or(32);
        Self { params, salt: vec![0; 16], hash: vec![0; length] }
    }

    /// Whether this is the password. Takes the time its parameters ask for, right or wrong.
    pub fn verify(&self, password: &str) -> Result<bool, NoMemory> {
        let mut out = vec![0; self.hash.len()];
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone())
            .hash_password_into(password.as_bytes(), &self.salt, &mut out)
            // All lengths were checked, so the one thing that is left to fail is the allocation.
            .map_err(|_| NoMemory)?;
        Ok(crypto::same(&out, &self.hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::password_hash;
    use proptest::prelude::*;

    #[test]
    fn the_right_password_fits_and_no_other() {
        let hash = PasswordHash::parse(&password_hash("secret")).unwrap();
        assert_eq!(hash.verify("secret"), Ok(true));
        assert_eq!(hash.verify("Secret"), Ok(false));
        assert_eq!(hash.verify(""), Ok(false));
        assert_eq!(PasswordHash::nobody(Some(&hash)).verify("secret"), Ok(false));
    }

    /// From `test.c` of the reference implementation (P-H-C/phc-winner-argon2).
    #[test]
    fn a_hash_of_the_reference_implementation_is_understood() {
        let text = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert_eq!(PasswordHash::parse(text).unwrap().verify("password"), Ok(true));
    }

    #[test]
    fn other_hashes_are_refused() {
        let good = "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA";
        assert!(PasswordHash::parse(good).is_ok());
        for (from, to, error) in [
            ("argon2id", "argon2i", HashError::Malformed),
            ("v=19", "v=16", HashError::Malformed),
            ("m=8", "m=65537", HashError::TooCostly),
            ("m=8,t=1", "m=65536,t=3", HashError::TooCostly),
            ("t=1", "t=4294967295", HashError::TooCostly),
            ("t=1", "t=0", HashError::Malformed),
            ("p=1", "p=2", HashError::Malformed),
            ("p=1", "p=1,x=1", HashError::Malformed),
            ("m=8,t=1", "t=1,m=8", HashError::Malformed),
            ("m=8", "m=-8", HashError::Malformed),
            ("$AAAAAAAAAAAAAAAAAAAAAA$", "$AAAA$", HashError::Malformed),
            ("$AAAAAAAAAAAAAAAAAAAAAA$", "$AAAA$AAAA$", HashError::Malformed),
            ("$AAAAAAAAAAAAAAAAAAAAAA$", "$====$", HashError::Malformed),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_eq!(PasswordHash::parse(&bad).map(|_| ()), Err(error), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*", costs in "m=[0-9]{0,12},t=[0-9]{0,12},p=[0-9]{0,12}") {
            let _ = PasswordHash::parse(&text);
            let _ = PasswordHash::parse(&format!("$argon2id$v=19${costs}$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA"));
        }
    }
}
