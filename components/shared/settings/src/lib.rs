//! The settings document (`mcp-edge.json`, or the value `settings` of `wasi:config`): its types, its checks, and the
//! expansion of `${NAME}`.
//!
//! Every section is one type here, used twice: the host reads the whole [`Document`] and refuses to start over anything
//! wrong in it; a component reads the sections it needs with [`read`] and never sees the rest.

mod address;
mod bind;
mod cache;
mod document;
mod expand;
mod identity;
mod keep_alive;
mod limits;
mod lists;
mod oauth;
mod public_url;
mod scopes;
mod secrets;
mod upstreams;
mod uri;

pub use address::{client_address, is_public, is_public_host};
pub use bind::{Place, Value as BoundValue};
pub use cache::{Cache, Recording};
pub use document::{Document, Names, Problem, StoreSettings};
pub use expand::{ExpandError, expand, references};
pub use identity::{Claims, Identity, Provider, User};
pub use keep_alive::KeepAlive;
pub use limits::{Limits, Rate, RouteLimits};
pub use lists::{Lists, MAX_TOOL_NAME, Override, Pattern, Reachable, Shown, is_name_byte};
pub use oauth::{
    ClientDocuments, ClientSettings, Consent, GrantType, GrantTypes, OAuth, Registration, Remember, unalias,
};
pub use public_url::PublicUrl;
pub use scopes::{ScopeSettings, Scopes};
pub use secrets::{MIN_KEY, Secrets, SecretsError};
pub use upstreams::{MAX_WORD, Transport, Upstream, Upstreams, ambiguous, check_url, is_word};

use serde::de::DeserializeOwned;
use serde_json::Value;
use shared_ports::Config;

/// Name under which `wasi:config` holds the document as JSON text.
pub const DOCUMENT: &str = "settings";

/// Why a component cannot read its settings. For the log and the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// `wasi:config` did not answer.
    #[error(transparent)]
    Config(#[from] shared_ports::ConfigError),
    /// There is no document.
    #[error("wasi:config has no value `{DOCUMENT}`")]
    Missing,
    /// The document is not what it should be.
    #[error("settings: {0}")]
    Invalid(String),
    /// The document has a part that nobody knows: most likely a slip of the pen.
    #[error("settings: {0}: unknown key: here are known {known}", known = document::SECTIONS.join(", "))]
    Unknown(String),
    /// A `${NAME}` cannot be expanded.
    #[error("settings: {0}")]
    Expand(#[from] ExpandError),
}

/// Read the named top-level sections of the document into `T`, with every `${NAME}` in them expanded through `config`. A
/// document with a section that nobody knows is refused.
/// `mcpServers` is left as it is: its entries are expanded one by one, so that one missing secret costs one upstream.
pub fn read<T: DeserializeOwned>(config: &impl Config, sections: &[&str]) -> Result<T, SettingsError> {
    let mut wanted = pick(config, sections)?;
    for (_, value) in wanted.iter_mut().filter(|(section, _)| *section != "mcpServers") {
        expand_all(value, config)?;
    }
    parse(wanted)
}

/// The same with nothing expanded: for components that have no business with secrets.
pub fn read_unexpanded<T: DeserializeOwned>(config: &impl Config, sections: &[&str]) -> Result<T, SettingsError> {
    parse(pick(config, sections)?)
}

fn pick(config: &impl Config, sections: &[&str]) -> Result<serde_json::Map<String, Value>, SettingsError> {
    let text = config.value(DOCUMENT)?.ok_or(SettingsError::Missing)?;
    let document: Value = serde_json::from_str(&text).map_err(|e| SettingsError::Invalid(e.to_string()))?;
    let Value::Object(mut document) = document else {
        return Err(SettingsError::Invalid("the document is not an object".into()));
    };
    // Not every host looks at settings, and a misspelt `limits` would be no limits.
    if let Some(key) = document.keys().find(|key| !document::SECTIONS.contains(&key.as_str())) {
        return Err(SettingsError::Unknown(key.clone()));
    }
    Ok(sections.iter().filter_map(|section| Some(((*section).into(), document.remove(*section)?))).collect())
}

fn parse<T: DeserializeOwned>(sections: serde_json::Map<String, Value>) -> Result<T, SettingsError> {
    serde_json::from_value(Value::Object(sections)).map_err(|e| SettingsError::Invalid(e.to_string()))
}

/// Expand every string inside a JSON value.
pub fn expand_all(value: &mut Value, config: &impl Config) -> Result<(), SettingsError> {
    match value {
        Value::String(text) => *text = expand(text, config)?,
        Value::Array(items) => {
            for item in items {
                expand_all(item, config)?;
            }
        }
        Value::Object(fields) => {
            for (_, field) in fields.iter_mut() {
                expand_all(field, config)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}
