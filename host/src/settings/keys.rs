//! The key that tokens, cookies and user hashes are made with.

use super::Environment;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The environment variable that holds the key.
pub const TOKEN_KEY_VARIABLE: &str = "MCP_EDGE_TOKEN_KEY";

/// File in the state folder that holds the key with `--dev`.
const FILE: &str = "keys.json";

/// Shortest key, in bytes: what HMAC-SHA-256 and AES-256 can use.
const SHORTEST: usize = 32;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The variable is not set, and this is not `--dev`.
    #[error(
        "the environment variable {TOKEN_KEY_VARIABLE} is not set: make a key with `openssl rand -hex 32` and keep it, or try the gateway with --dev"
    )]
    Missing,
    /// Too short to be safe.
    #[error("{0} is shorter than {SHORTEST} bytes: make one with `openssl rand -hex 32`")]
    TooShort(String),
    /// The file is not what was written there.
    #[error("{0} holds no key: restore it, or delete it to get a new one (every token ends)")]
    Damaged(PathBuf),
    /// The state folder is not usable.
    #[error("{0}: {1}: check the path given to --state")]
    Io(PathBuf, io::Error),
    /// The system gives no randomness.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

/// The key: from the environment; with `dev` else from the state folder, where it is made on the first start.
pub fn token_key(environment: &Environment, state: &Path, dev: bool) -> Result<String, KeyError> {
    if let Some(key) = environment.value(TOKEN_KEY_VARIABLE) {
        return long_enough(key, TOKEN_KEY_VARIABLE);
    }
    if !dev {
        return Err(KeyError::Missing);
    }
    let path = state.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => {
            let kept: Option<serde_json::Value> = serde_json::from_str(&text).ok();
            let key = kept.as_ref().and_then(|kept| kept.get("tokenKey")).and_then(serde_json::Value::as_str);
            long_enough(key.ok_or(KeyError::Damaged(path.clone()))?.into(), &path.display().to_string())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = random_text(32)?;
            let text = serde_json::json!({ "tokenKey": key }).to_string();
            write_secret(&path, &text).map_err(|error| KeyError::Io(path, error))?;
            Ok(key)
        }
        Err(error) => Err(KeyError::Io(path, error)),
    }
}

fn long_enough(key: String, source: &str) -> Result<String, KeyError> {
    if key.len() < SHORTEST { Err(KeyError::TooShort(source.into())) } else { Ok(key) }
}

/// `bytes` random bytes as lower-case hex.
pub(super) fn random_text(bytes: usize) -> Result<String, KeyError> {
    let mut buffer = vec![0; bytes];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut buffer).map_err(|_| KeyError::NoRandomness)?;
    Ok(buffer.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Write a file that only its owner may read (0600), whole or not at all.
pub(super) fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let temporary = path.with_extension("partial");
    // A left-over may have other permissions.
    match fs::remove_file(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn with_key(key: &str) -> Environment {
        Environment::of([(TOKEN_KEY_VARIABLE, key)])
    }

    #[test]
    fn the_environment_wins_and_a_short_key_is_refused() {
        let state = tempfile::tempdir().unwrap();
        let key = "k".repeat(32);
        assert_eq!(token_key(&with_key(&key), state.path(), true).unwrap(), key);
        assert!(matches!(token_key(&with_key("short"), state.path(), true), Err(KeyError::TooShort(_))));
        assert!(matches!(token_key(&with_key(""), state.path(), false), Err(KeyError::Missing)));
        assert!(!state.path().join(FILE).exists());
    }

    #[test]
    fn a_dev_key_is_made_once_and_kept_for_the_owner_alone() {
        let state = tempfile::tempdir().unwrap();
        let none = with_key("");
        let key = token_key(&none, state.path(), true).unwrap();
        assert_eq!(key.len(), 64);
        assert_eq!(token_key(&none, state.path(), true).unwrap(), key);
        let path = state.path().join(FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "{}").unwrap();
        assert!(matches!(token_key(&none, state.path(), true), Err(KeyError::Damaged(_))));
    }
}
