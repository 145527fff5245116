//! The server's own keys: values of `wasi:config` and never part of the document.

use shared_ports::{Config, ConfigError};

/// Shortest key, in bytes: as long as the keys of AES-256 and HMAC-SHA-256 that are made of it.
pub const MIN_KEY: usize = 32;

/// The keys of `oauth`. Two of a kind are for changing them: what was made with the previous one stays good.
///
/// | value | what it protects | left out |
/// |---|---|---|
/// | `token_key` | codes, tokens, stored secrets of identity providers | the start fails |
/// | `token_key_previous` | the same, as long as it is given | there is none |
/// | `cookie_key` | logins, forms, remembered approvals | `token_key` |
/// | `cookie_key_previous` | the same, as long as it is given | with `cookie_key`: none; else `token_key_previous` |
/// | `user_key` | user hashes, which are names of stored data and must never change | `token_key` |
///
/// To change `token_key` for the first time, give its old value as `token_key_previous` and, for good, as `user_key`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    /// See above.
    pub token_key: String,
    /// See above.
    pub token_key_previous: Option<String>,
    /// See above.
    pub cookie_key: String,
    /// See above.
    pub cookie_key_previous: Option<String>,
    /// See above.
    pub user_key: String,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// Why the keys cannot be used. For the operator; shows no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretsError {
    /// `wasi:config` did not answer.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Missing or too short.
    #[error("`{name}` needs at least {MIN_KEY} bytes, it has {length}: `openssl rand -base64 32` makes one")]
    Short {
        /// Of the value.
        name: &'static str,
        /// In bytes.
        length: usize,
    },
    /// `token_key` is being changed while user hashes hang on it.
    #[error(
        "`token_key_previous` is given without `user_key`: set `user_key` to the first `token_key` there was, and leave it so, or all users lose their data"
    )]
    UserKey,
}

impl Secrets {
    /// Read and check them. An empty value counts as none: Spin has no others that are optional.
    pub fn read(config: &impl Config) -> Result<Self, SecretsError> {
        let value = |name: &'static str| match config.value(name)?.filter(|value| !value.is_empty()) {
            Some(value) if value.len() < MIN_KEY => Err(SecretsError::Short { name, length: value.len() }),
            value => Ok(value),
        };
        let token_key = value("token_key")?.ok_or(SecretsError::Short { name: "token_key", length: 0 })?;
        let token_key_previous = value("token_key_previous")?;
        let (cookie_key, cookie_key_previous) = match (value("cookie_key")?, value("cookie_key_previous")?) {
            (Some(key), previous) => (key, previous),
            (None, previous) => (token_key.clone(), previous.or_else(|| token_key_previous.clone())),
        };
        let user_key = match (value("user_key")?, &token_key_previous) {
            (Some(key), _) => key,
            (None, None) => token_key.clone(),
            (None, Some(_)) => return Err(SecretsError::UserKey),
        };
        Ok(Self { token_key, token_key_previous, cookie_key, cookie_key_previous, user_key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared_ports::memory::MemoryConfig;

    const A: &str = "0123456789abcdef0123456789abcdef";
    const B: &str = "fedcba9876543210fedcba9876543210";

    fn read(values: &[(&str, &str)]) -> Result<Secrets, SecretsError> {
        Secrets::read(&values.iter().copied().collect::<MemoryConfig>())
    }

    #[test]
    fn one_key_is_enough_until_it_is_changed() {
        let one = read(&[("token_key", A), ("cookie_key", "")]).unwrap();
        assert_eq!((one.cookie_key.as_str(), one.user_key.as_str(), one.cookie_key_previous), (A, A, None));
        let changed = read(&[("token_key", B), ("token_key_previous", A), ("user_key", A)]).unwrap();
        assert_eq!((changed.cookie_key_previous.as_deref(), changed.user_key.as_str()), (Some(A), A));
        assert_eq!(read(&[("token_key", B), ("token_key_previous", A)]), Err(SecretsError::UserKey));
    }

    #[test]
    fn every_short_key_is_refused_by_name() {
        assert_eq!(read(&[]), Err(SecretsError::Short { name: "token_key", length: 0 }));
        for name in ["token_key", "token_key_previous", "cookie_key", "cookie_key_previous", "user_key"] {
            let mut values = vec![("token_key", A), ("user_key", A)];
            values.retain(|(other, _)| *other != name);
            values.push((name, &A[1..]));
            assert_eq!(read(&values), Err(SecretsError::Short { name, length: 31 }));
        }
    }
}
