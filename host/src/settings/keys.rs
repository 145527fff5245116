//! The keys that tokens, cookies and user hashes are made with.

use super::Environment;
use shared_ports::{Config, ConfigError};
use shared_settings::{MIN_KEY, Secrets, SecretsError};
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The environment variable that holds the key that is needed.
pub const TOKEN_KEY_VARIABLE: &str = "MCP_EDGE_TOKEN_KEY";

/// The keys: value of `wasi:config`, environment variable. See [`Secrets`].
pub(super) const KEYS: [(&str, &str); 5] = [
    ("token_key", TOKEN_KEY_VARIABLE),
    ("token_key_previous", "MCP_EDGE_TOKEN_KEY_PREVIOUS"),
    ("cookie_key", "MCP_EDGE_COOKIE_KEY"),
    ("cookie_key_previous", "MCP_EDGE_COOKIE_KEY_PREVIOUS"),
    ("user_key", "MCP_EDGE_USER_KEY"),
];

/// File in the state folder that holds the token key with `--dev`.
const FILE: &str = "keys.json";

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
    #[error("{0} is shorter than {MIN_KEY} bytes: make one with `openssl rand -hex 32`")]
    TooShort(String),
    /// The token key is being changed while user hashes hang on it.
    #[error(
        "the environment variable MCP_EDGE_TOKEN_KEY_PREVIOUS is set and MCP_EDGE_USER_KEY is not: set MCP_EDGE_USER_KEY to the first {TOKEN_KEY_VARIABLE} there was, and leave it so, or all users lose their data"
    )]
    UserKey,
    /// They cannot be used.
    #[error("keys: {0}")]
    Unusable(SecretsError),
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

/// The keys that are set, by the name of their value of `wasi:config`.
#[derive(Clone)]
pub struct Keys(Vec<(&'static str, String)>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Config for Keys {
    fn value(&self, name: &str) -> Result<Option<String>, ConfigError> {
        Ok(self.iter().find(|(other, _)| *other == name).map(|(_, key)| key.into()))
    }
}

impl Keys {
    /// All that the environment has; with `dev` the token key else from the state folder, where it is made on the first
    /// start. They are checked as `oauth` will check them, so that a bad one stops the start and not the first request.
    pub fn load_or_make(environment: &Environment, state: &Path, dev: bool) -> Result<Self, KeyError> {
        let mut keys = vec![("token_key", token_key(environment, state, dev)?)];
        for (name, variable) in KEYS {
            if name != "token_key" {
                keys.extend(environment.value(variable).map(|key| (name, key)));
            }
        }
        let keys = Self(keys);
        match Secrets::read(&keys) {
            Ok(_) => Ok(keys),
            Err(SecretsError::UserKey) => Err(KeyError::UserKey),
            Err(SecretsError::Short { name, .. }) => {
                let variable = KEYS.iter().find(|(other, _)| *other == name).map_or(name, |(_, variable)| variable);
                Err(KeyError::TooShort(variable.into()))
            }
            Err(other) => Err(KeyError::Unusable(other)),
        }
    }

    /// Name of the value of `wasi:config`, and the key.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, key)| (*name, key.as_str()))
    }

    #[cfg(test)]
    pub(super) fn of(token_key: &str) -> Self {
        Self(vec![("token_key", token_key.into())])
    }
}

fn token_key(environment: &Environment, state: &Path, dev: bool) -> Result<String, KeyError> {
    if let Some(key) = environment.value(TOKEN_KEY_VARIABLE) {
        return Ok(key);
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
    if key.len() < MIN_KEY { Err(KeyError::TooShort(source.into())) } else { Ok(key) }
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

    fn token_key(environment: &Environment, state: &Path, dev: bool) -> Result<String, KeyError> {
        Keys::load_or_make(environment, state, dev).map(|keys| keys.value("token_key").unwrap().unwrap())
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
    fn every_key_is_passed_on_and_a_bad_one_is_named_by_its_variable() {
        let state = tempfile::tempdir().unwrap();
        let key = |n: usize| format!("{n:032}");
        let all = |but: &str, value: &str| {
            let keys = KEYS.iter().enumerate().map(|(n, (_, variable))| (*variable, key(n)));
            Environment::of(keys.map(|(name, key)| (name, if name == but { value.into() } else { key })))
        };
        let load = |environment: &Environment| Keys::load_or_make(environment, state.path(), false);
        let keys = load(&all("", "")).unwrap();
        for (n, (name, variable)) in KEYS.iter().enumerate() {
            assert_eq!(keys.value(name).unwrap(), Some(key(n)));
            let short = load(&all(variable, "short"));
            assert!(matches!(&short, Err(KeyError::TooShort(named)) if named == variable), "{short:?}");
        }
        assert!(matches!(load(&all("MCP_EDGE_USER_KEY", "")), Err(KeyError::UserKey)));
        assert!(!format!("{keys:?}").contains("0000"));
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
