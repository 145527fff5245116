//! What the operator decided.

mod cache;
mod client;

pub use cache::SettingsCache;

use crate::crypto::{self, Keys};
use crate::password::PasswordHash;
use crate::records::Client;
use serde::Deserialize;
use shared_ports::{Config, ConfigError};
use shared_settings::{Identity, OAuth, Provider, PublicUrl, Scopes, Secrets, SecretsError, SettingsError};
use std::collections::BTreeMap;

/// The settings of this component.
#[derive(Debug)]
pub struct Settings {
    /// The issuer.
    pub(crate) public_url: PublicUrl,
    /// The one protected resource: the MCP endpoint.
    pub(crate) resource: String,
    /// Who may log in.
    pub(crate) users: Vec<LocalUser>,
    /// Identity providers by name.
    pub(crate) providers: BTreeMap<String, Provider>,
    /// Lifetimes, registration, consent.
    pub(crate) oauth: OAuth,
    /// Clients registered by the operator, by id.
    pub(crate) clients: BTreeMap<String, Client>,
    /// What a person may allow.
    pub(crate) scopes: Scopes,
    /// All keys.
    pub(crate) keys: Keys,
    /// Name of the request header with the client's address, in lower case.
    pub(crate) address_header: Option<String>,
    /// See [`crate::Outbound::public_only_header`].
    pub(crate) public_only_header: Option<String>,
}

/// A user who logs in with a password.
#[derive(Debug, Clone)]
pub(crate) struct LocalUser {
    pub name: String,
    /// `None`: the settings have something that is not a usable hash, so nobody can log in with it.
    pub hash: Option<PasswordHash>,
    /// Changes with the password; kept in login cookies, so that a new password ends old logins.
    pub fingerprint: String,
    /// In ascending order.
    pub roles: Vec<String>,
    pub tenant: Option<String>,
}

/// Why this component cannot work. For the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The settings document.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// `wasi:config` did not answer.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The host gives no public URL.
    #[error("settings: `publicUrl` is missing: the host has to fill it in")]
    PublicUrl,
    /// The host gives nobody who may log in.
    #[error("settings: `identity` is missing: name the users who may log in")]
    Identity,
    /// A name under `identity` by which one user could be taken for another.
    #[error(
        "settings: `identity`: `{0}` cannot be the name of a user (no `:`) or provider (lower-case letters, digits, `-`, not `client`)"
    )]
    Name(String),
    /// A number that is too small or too large, or an alias that is none.
    #[error("settings: {0}")]
    Bounds(String),
    /// A client of the settings.
    #[error("settings: `oauth.clients.{id}`: {why}")]
    Client {
        /// Which.
        id: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server's keys.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sections {
    public_url: Option<PublicUrl>,
    identity: Option<Identity>,
    #[serde(default)]
    oauth: OAuth,
}

impl Settings {
    /// Read the sections `publicUrl`, `identity` and `oauth` of the settings document, and the keys
    /// ([`Secrets`]) `client_address_header` and `public_only_header` out of `wasi:config`.
    pub fn read(config: &impl Config) -> Result<Self, SetupError> {
        let sections: Sections = shared_settings::read(config, &["publicUrl", "identity", "oauth"])?;
        let public_url = sections.public_url.ok_or(SetupError::PublicUrl)?;
        let identity = sections.identity.ok_or(SetupError::Identity)?;
        let secrets = Secrets::read(config)?;
        // The start of mcp-edge checks this as well; other hosts check no settings, and who somebody is hangs on it.
        if let Some(user) = identity.users().iter().find(|user| user.name.contains(':')) {
            return Err(SetupError::Name(user.name.clone()));
        }
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if let Some((name, _)) =
            identity.providers().find(|(name, _)| name.is_empty() || *name == "client" || !name.chars().all(legal))
        {
            return Err(SetupError::Name(name.clone()));
        }
        let mut problems = Vec::new();
        sections.oauth.bounds(&mut problems);
        if let Some(problem) = problems.first() {
            return Err(SetupError::Bounds(problem.to_string()));
        }
        let clients =
            sections.oauth.clients.iter().map(|(id, client)| Ok((id.clone(), client::configured(id, client)?)));
        let clients = clients.collect::<Result<_, SetupError>>()?;
        let users = identity
            .users()
            .iter()
            .cloned()
            .map(|mut user| {
                user.roles.sort();
                user.roles.dedup();
                LocalUser {
                    hash: PasswordHash::parse(&user.password_hash).ok(),
                    fingerprint: crypto::base64(&crypto::sha256(user.password_hash.as_bytes())),
                    name: user.name,
                    roles: user.roles,
                    tenant: user.tenant,
                }
            })
            .collect();
        Ok(Self {
            resource: public_url.mcp(),
            public_url,
            users,
            providers: identity.providers().map(|(name, provider)| (name.clone(), provider.clone())).collect(),
            clients,
            scopes: Scopes::new(&sections.oauth.scopes),
            oauth: sections.oauth,
            keys: Keys::derive(&secrets),
            address_header: config.value("client_address_header")?.map(|name| name.to_ascii_lowercase()),
            public_only_header: config
                .value("public_only_header")?
                .filter(|name| !name.is_empty())
                .map(|name| name.to_ascii_lowercase()),
        })
    }

    /// See [`crate::Outbound::public_only_header`].
    pub fn public_only_header(&self) -> Option<String> {
        self.public_only_header.clone()
    }

    /// The user of this name.
    pub(crate) fn user(&self, name: &str) -> Option<&LocalUser> {
        self.users.iter().find(|user| user.name == name)
    }

    /// Whether a requested resource (RFC 8707) is the protected one. A slash at the end is let pass, because some
    /// clients normalise URLs that way; the path has to be there.
    pub(crate) fn is_resource(&self, requested: &str) -> bool {
        requested.strip_suffix('/').unwrap_or(requested) == self.resource
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{TOKEN_KEY, document};
    use shared_ports::memory::MemoryConfig;

    fn config(settings: &str, token_key: &str) -> MemoryConfig {
        [("settings", settings), ("token_key", token_key)].into_iter().collect()
    }

    #[test]
    fn a_short_or_missing_key_is_refused() {
        let document = document("http://127.0.0.1:8787");
        let read = |key: &str| Settings::read(&config(&document, key)).map(|_| ());
        let short = |length| Err(SecretsError::Short { name: "token_key", length }.into());
        assert_eq!(read(""), short(0));
        assert_eq!(read("0123456789012345678901234567890"), short(31));
        assert_eq!(read(TOKEN_KEY), Ok(()));
    }

    #[test]
    fn what_the_host_has_to_fill_in_is_missed_by_name() {
        let error = |document: &str| Settings::read(&config(document, TOKEN_KEY)).map(|_| ()).unwrap_err();
        assert_eq!(error("{}"), SetupError::PublicUrl);
        assert_eq!(error(r#"{"publicUrl":"http://localhost:1"}"#), SetupError::Identity);
        assert!(matches!(error("nonsense"), SetupError::Settings(_)));
    }

    #[test]
    fn names_by_which_one_user_could_be_taken_for_another_are_refused() {
        let read = |identity: serde_json::Value| {
            let document = serde_json::json!({ "publicUrl": "http://localhost:1", "identity": identity }).to_string();
            Settings::read(&config(&document, TOKEN_KEY)).map(|_| ())
        };
        let user =
            |name: &str| serde_json::json!({ "type": "local", "users": [{ "name": name, "passwordHash": "x" }] });
        assert_eq!(read(user("corp:1")), Err(SetupError::Name("corp:1".into())));
        assert_eq!(read(user("corp")), Ok(()));
        let provider = |name: &str| serde_json::json!({ "type": "oidc", "providers": { name: { "issuer": "https://a", "clientId": "x" } } });
        for name in ["client", "a:b", "A", "", "a/b"] {
            assert_eq!(read(provider(name)), Err(SetupError::Name(name.into())));
        }
        assert_eq!(read(provider("corp-2")), Ok(()));
    }

    #[test]
    fn numbers_beyond_their_bounds_are_refused_on_every_host() {
        for (oauth, named) in [
            (r#"{"accessTokenSeconds":59}"#, "oauth.accessTokenSeconds"),
            (r#"{"refreshTokenSeconds":31536001}"#, "oauth.refreshTokenSeconds"),
            (r#"{"codeSeconds":4000000000}"#, "oauth.codeSeconds"),
            (r#"{"registration":{"maxClients":4000000000}}"#, "oauth.registration.maxClients"),
            (r#"{"registration":{"perAddress":0}}"#, "oauth.registration.perAddress"),
            (r#"{"aliases":["/mcp"]}"#, "oauth.aliases"),
        ] {
            let mut document: serde_json::Value = serde_json::from_str(&document("http://localhost:1")).unwrap();
            document["oauth"] = serde_json::from_str(oauth).unwrap();
            let error = Settings::read(&config(&document.to_string(), TOKEN_KEY)).map(|_| ()).unwrap_err();
            assert!(error.to_string().starts_with(&format!("settings: {named}: ")), "{error}");
        }
    }

    #[test]
    fn a_password_hash_may_come_by_reference() {
        let mut values = config(
            r#"{"publicUrl":"http://localhost:1","identity":{"type":"local","users":[{"name":"a","passwordHash":"${HASH}"}]}}"#,
            TOKEN_KEY,
        );
        values.0.insert("hash".into(), crate::tests::password_hash("secret"));
        let cache = SettingsCache::default();
        assert!(cache.get(&values).unwrap().user("a").unwrap().hash.is_some());
        values.0.insert("hash".into(), "not a hash".into());
        assert!(cache.get(&values).unwrap().user("a").unwrap().hash.is_none());
    }

    #[test]
    fn the_resource_is_the_endpoint_with_or_without_a_slash() {
        let settings = Settings::read(&config(&document("https://a.example"), TOKEN_KEY)).unwrap();
        for (requested, expected) in [
            ("https://a.example/mcp", true),
            ("https://a.example/mcp/", true),
            ("https://a.example/mcp//", false),
            ("https://a.example", false),
            ("https://a.example/", false),
            ("https://a.example/mcp?x", false),
            ("https://a.example/MCP", false),
            ("https://b.example/mcp", false),
            ("", false),
        ] {
            assert_eq!(settings.is_resource(requested), expected, "{requested}");
        }
    }
}
