//! The sections of the settings that the session reads. It has no business with secrets, so references stay what they
//! are.

use serde::Deserialize;
use serde_json::Value;
use shared_ports::Config;
use shared_settings::{
    KeepAlive, Names, Problem, PublicUrl, ScopeSettings, Scopes, SettingsError, Upstream, ambiguous,
};
use std::collections::BTreeMap;
use std::rc::Rc;

/// What the session knows of the settings.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// How names are made.
    pub names: Names,
    /// The entries of `mcpServers`; the error of a broken one is for the log.
    pub upstreams: BTreeMap<String, Result<Upstream, String>>,
    /// What scopes give access to; none where the settings name none, so that every token gives access to everything.
    pub scopes: Option<Rc<Scopes>>,
    /// Whether tools are searched for instead of listed.
    pub tool_search: bool,
    /// Silence on a stream after which a comment is sent.
    pub keep_alive: KeepAlive,
    /// Where clients find out how to ask for scopes (RFC 9728).
    pub resource_metadata: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    #[serde(default)]
    public_url: Option<PublicUrl>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sections {
    #[serde(default)]
    names: Names,
    #[serde(default)]
    tool_search: bool,
    #[serde(default)]
    keep_alive_seconds: KeepAlive,
    #[serde(default)]
    mcp_servers: BTreeMap<String, Value>,
    #[serde(default)]
    oauth: OAuth,
}

/// Only what is no secret.
#[derive(Default, Deserialize)]
struct OAuth {
    #[serde(default)]
    scopes: BTreeMap<String, ScopeSettings>,
}

impl Settings {
    /// Read them from `wasi:config`.
    pub fn read(config: &impl Config) -> Result<Self, SettingsError> {
        let address: Address = shared_settings::read(config, &["publicUrl"])?;
        let sections = shared_settings::read_unexpanded(
            config,
            &["names", "toolSearch", "keepAliveSeconds", "mcpServers", "oauth"],
        )?;
        let public_url = address.public_url.map(|url| url.to_string()).unwrap_or_default();
        let resource_metadata = format!("{public_url}/.well-known/oauth-protected-resource/mcp");
        Ok(Self { resource_metadata, ..Self::from(sections)? })
    }

    /// Read them from a document.
    #[cfg(test)]
    pub fn parse(document: Value) -> Result<Self, SettingsError> {
        Self::from(serde_json::from_value(document).map_err(|error| SettingsError::Invalid(error.to_string()))?)
    }

    fn from(sections: Sections) -> Result<Self, SettingsError> {
        let Sections { names, tool_search, keep_alive_seconds, mcp_servers, oauth } = sections;
        let upstreams: BTreeMap<_, _> =
            mcp_servers.into_iter().map(|(name, value)| (name.clone(), entry(&name, value))).collect();
        let sound = upstreams.iter().filter_map(|(name, entry)| Some((name.clone(), entry.as_ref().ok()?.clone())));
        // Hosts that check no settings come here first; a name that could mean two tools must not mean either.
        let mut problems: Vec<Problem> = Vec::new();
        ambiguous(&sound.collect(), names, &mut problems);
        if let Some(problem) = problems.first() {
            return Err(SettingsError::Invalid(problem.to_string()));
        }
        Ok(Self {
            names,
            upstreams,
            scopes: (!oauth.scopes.is_empty()).then(|| Rc::new(Scopes::new(&oauth.scopes))),
            tool_search,
            keep_alive: keep_alive_seconds,
            resource_metadata: String::new(),
        })
    }
}

fn entry(name: &str, value: Value) -> Result<Upstream, String> {
    let upstream: Upstream = serde_json::from_value(value).map_err(|error| format!("mcpServers.{name}: {error}"))?;
    // A host that checks no settings must not show what a mistake in them was to hide.
    match upstream.problems(name).first() {
        None => Ok(upstream),
        Some(problem) => Err(problem.to_string()),
    }
}
