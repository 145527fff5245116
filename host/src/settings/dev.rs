//! The login that `--dev` makes when the settings name nobody.

use super::Environment;
use super::keys::{KeyError, random_text, write_secret};
use argon2::{Argon2, PasswordHasher};
use serde_json::{Value, json};
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

/// Name of the user.
pub const USER: &str = "dev";

/// File in the state folder that holds the password.
const FILE: &str = "dev-password";

/// The environment variable that sets the password.
const VARIABLE: &str = "MCP_EDGE_DEV_PASSWORD";

/// One user, an admin, whose password is kept in the state folder.
#[derive(Clone)]
pub struct DevLogin {
    /// For the one who runs the gateway.
    pub password: String,
    hash: String,
}

impl fmt::Debug for DevLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DevLogin").field("user", &USER).finish_non_exhaustive()
    }
}

impl DevLogin {
    /// The password of the environment, else the kept one, else a new random one. It is kept (0600) either way, so that
    /// `cargo xtask up` can show it.
    pub fn load_or_make(environment: &Environment, state: &Path) -> Result<Self, KeyError> {
        let path = state.join(FILE);
        let kept = match fs::read_to_string(&path) {
            Ok(text) => Some(text.trim_end().to_owned()).filter(|text| !text.is_empty()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(KeyError::Io(path, error)),
        };
        let password = match (environment.value(VARIABLE), &kept) {
            (Some(password), _) => password,
            (None, Some(kept)) => kept.clone(),
            (None, None) => random_text(10)?,
        };
        if kept.as_ref() != Some(&password) {
            write_secret(&path, &format!("{password}\n")).map_err(|error| KeyError::Io(path, error))?;
        }
        let hash = hash_password(&password).map_err(|_| KeyError::NoRandomness)?;
        Ok(Self { password, hash })
    }

    /// The section `identity` of the settings.
    pub fn identity(&self) -> Value {
        json!({ "type": "local", "users": self.users() })
    }

    /// The list `users` in it.
    pub fn users(&self) -> Value {
        json!([{ "name": USER, "passwordHash": self.hash, "roles": ["admin"] }])
    }
}

/// Argon2id with 19 MiB and two passes (OWASP's first choice), in PHC form.
pub fn hash_password(password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_kept_and_the_environment_replaces_it() {
        let state = tempfile::tempdir().unwrap();
        let none = Environment::of([(VARIABLE, "")]);
        let first = DevLogin::load_or_make(&none, state.path()).unwrap();
        assert_eq!(first.password.len(), 20);
        assert_eq!(DevLogin::load_or_make(&none, state.path()).unwrap().password, first.password);
        let chosen = Environment::of([(VARIABLE, "chosen")]);
        assert_eq!(DevLogin::load_or_make(&chosen, state.path()).unwrap().password, "chosen");
        assert_eq!(fs::read_to_string(state.path().join(FILE)).unwrap(), "chosen\n");
    }

    #[test]
    fn the_identity_is_sound_and_the_password_not_printed() {
        let state = tempfile::tempdir().unwrap();
        let login = DevLogin::load_or_make(&Environment::of([(VARIABLE, "hush")]), state.path()).unwrap();
        let document: shared_settings::Document =
            serde_json::from_value(json!({ "identity": login.identity() })).unwrap();
        assert_eq!(document.problems(), []);
        assert!(login.hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", login.hash);
        assert!(!format!("{login:?}").contains("hush"));
    }
}
