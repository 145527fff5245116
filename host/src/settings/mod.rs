//! The settings of one gateway: read, checked, completed, and turned into what the guests are given.
//!
//! Everything wrong is found at once and named by its path with the fix, before anything is opened.

mod dev;
mod environment;
mod jsonc;
mod keys;
mod schema;

pub use dev::{DevLogin, hash_password};
pub use environment::Environment;
pub use keys::{KeyError, Keys, TOKEN_KEY_VARIABLE};
pub use schema::json_schema;

use crate::plugins::config::ConfigValues;
use crate::plugins::outbound::PUBLIC_ONLY;
use crate::serve::CLIENT_ADDRESS;
use serde_json::Value;
use shared_settings::{Document, Problem, StoreSettings};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Values of `wasi:config` that are not from the environment; a `${NAME}` must not hide them.
const RESERVED: [&str; 8] = [
    shared_settings::DOCUMENT,
    "token_key",
    "token_key_previous",
    "cookie_key",
    "cookie_key_previous",
    "user_key",
    "client_address_header",
    "public_only_header",
];

/// Largest settings file, in bytes. A thousand upstreams fit.
const MAX_FILE: u64 = 1024 * 1024;

/// Settings that were found to be sound.
#[derive(Debug, Clone)]
pub struct Settings {
    /// As they were written; references are not expanded.
    document: Value,
    /// The same as types.
    pub parsed: Document,
    /// Every `${NAME}` that the environment has, by name.
    references: BTreeMap<String, String>,
    /// Where relative paths start.
    folder: PathBuf,
}

/// Why settings are refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The file is not there or not readable.
    #[error("settings file {0}: {1}: check the path given to --config")]
    Read(PathBuf, std::io::Error),
    /// The file is larger than [`MAX_FILE`].
    #[error("settings file {0} is larger than 1 MiB: is this the right file?")]
    TooLarge(PathBuf),
    /// Not JSON.
    #[error("settings file {0} is not JSON: {1}")]
    Syntax(PathBuf, String),
    /// Not what settings must be; one line for each problem.
    #[error("{0}")]
    Invalid(Problems),
}

/// All that is wrong in a document, in the order of the paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(|problem| format!("settings: {problem}")).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl Settings {
    /// Read and check a settings file: JSON with comments.
    pub fn read(path: &Path, environment: &Environment) -> Result<Self, SettingsError> {
        let unreadable = |error| SettingsError::Read(path.to_owned(), error);
        if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_FILE {
            return Err(SettingsError::TooLarge(path.to_owned()));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let document = jsonc::parse(&text).map_err(|error| SettingsError::Syntax(path.to_owned(), error))?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Self::check(document, folder, environment)
    }

    /// Check a document; relative paths in it start at `folder`.
    pub fn check(document: Value, folder: PathBuf, environment: &Environment) -> Result<Self, SettingsError> {
        let mut problems = Vec::new();
        schema::check(&document, &mut problems);
        let references = environment::references(&document, environment, &mut problems);
        let mut parsed = None;
        if problems.is_empty() {
            match serde_json::from_value::<Document>(document.clone()) {
                Ok(document) => {
                    problems.extend(document.problems());
                    parsed = Some(document);
                }
                // The parts of the schema that say more than types: rates, URLs.
                Err(_) => problems.extend(schema::check_by_parts(&document)),
            }
        }
        match parsed {
            Some(parsed) if problems.is_empty() => Ok(Self { document, parsed, references, folder }),
            _ => {
                problems.sort_by(|a, b| a.path.cmp(&b.path));
                Err(SettingsError::Invalid(Problems(problems)))
            }
        }
    }

    /// Where state is kept, if the settings say so.
    pub fn store(&self) -> Option<StoreSettings> {
        match self.parsed.store.clone()? {
            StoreSettings::Redb { path } => {
                Some(StoreSettings::Redb { path: self.folder.join(path).to_string_lossy().into_owned() })
            }
            memory @ StoreSettings::Memory {} => Some(memory),
        }
    }

    /// Whether the settings say who may log in.
    pub fn has_identity(&self) -> bool {
        self.parsed.identity.is_some()
    }

    /// Whether the settings name a user with a password. Without one, `--dev` adds its own, beside identity providers if
    /// there are any.
    pub fn has_users(&self) -> bool {
        self.parsed.identity.as_ref().is_some_and(|identity| !identity.users().is_empty())
    }

    /// Names of the upstreams.
    pub fn upstreams(&self) -> impl Iterator<Item = &str> {
        self.parsed.mcp_servers.keys().map(String::as_str)
    }

    /// What the guests are given: the document with `publicUrl` and `identity` filled in, the keys, and a value for each
    /// reference.
    pub fn config_values(&self, public_url: &str, login: Option<&DevLogin>, keys: &Keys) -> ConfigValues {
        let mut document = self.document.clone();
        if let Value::Object(fields) = &mut document {
            fields.insert("publicUrl".into(), public_url.into());
            if let Some(login) = login {
                match fields.get_mut("identity") {
                    Some(Value::Object(identity)) => drop(identity.insert("users".into(), login.users())),
                    _ => drop(fields.insert("identity".into(), login.identity())),
                }
            }
        }
        let mut values = ConfigValues::default();
        values
            .set(shared_settings::DOCUMENT, document.to_string())
            .set("client_address_header", CLIENT_ADDRESS)
            .set("public_only_header", PUBLIC_ONLY);
        for (name, key) in keys.iter() {
            values.set_secret(name, key);
        }
        for (name, value) in &self.references {
            // It may be a secret, and mostly is.
            values.set_secret(name.to_ascii_lowercase(), value);
        }
        values
    }
}

#[cfg(test)]
mod tests;
