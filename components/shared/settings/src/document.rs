//! The whole document.

use crate::{Identity, KeepAlive, Limits, OAuth, PublicUrl, Upstreams, scopes, upstreams};
use serde::Deserialize;

/// `mcp-edge.json`.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Document {
    /// Where editors find the JSON Schema of this file.
    #[serde(default, rename = "$schema")]
    pub schema: Option<String>,
    /// The address that clients know the gateway by: scheme, host and port. Left out: the address it listens on.
    #[serde(default)]
    pub public_url: Option<PublicUrl>,
    /// Where state is kept (read by the host only). Left out: embedded, in the state folder.
    #[serde(default)]
    pub store: Option<StoreSettings>,
    /// Who may log in.
    #[serde(default)]
    pub identity: Option<Identity>,
    /// The authorization server: lifetimes, clients, scopes.
    #[serde(default)]
    pub oauth: OAuth,
    /// The servers behind the gateway.
    #[serde(default)]
    pub mcp_servers: Upstreams,
    /// How the names of tools and prompts are made.
    #[serde(default)]
    pub names: Names,
    /// Whether clients see two tools, one to search all tools and one to call what it found, instead of the tools. A
    /// client can have it so for itself: `/mcp?agent=1`.
    #[serde(default)]
    pub tool_search: bool,
    /// Seconds of silence on a stream after which a comment is sent, so that nobody on the way takes it for dead.
    #[serde(default)]
    pub keep_alive_seconds: KeepAlive,
    /// How often somebody may ask.
    #[serde(default)]
    pub limits: Limits,
    /// Web origins, besides the gateway's own, whose pages may call `/mcp`: `https://inspector.example.com`.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
}

/// The keys of a [`Document`].
pub(crate) const SECTIONS: [&str; 11] = [
    "$schema",
    "publicUrl",
    "store",
    "identity",
    "oauth",
    "mcpServers",
    "names",
    "toolSearch",
    "keepAliveSeconds",
    "limits",
    "allowedOrigins",
];

/// Where state is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum StoreSettings {
    /// In memory: everything is forgotten when the host stops.
    Memory {},
    /// In an embedded database.
    Redb {
        /// Its file; missing folders are made. Relative to the settings file.
        path: String,
    },
}

/// How the gateway names what it merges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// `{upstream}_{name}`.
    #[default]
    Prefix,
    /// The upstream's own names; for a single upstream, or where all others have a `prefix`.
    Bare,
}

/// Something wrong in the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `mcpServers.demo.url`.
    pub path: String,
    /// What, and how to put it right.
    pub text: String,
}

impl Problem {
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.path, self.text)
    }
}

impl Document {
    /// Everything wrong that the types alone do not see.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        upstreams::check(&self.mcp_servers, self.names, &mut problems);
        scopes::check_access(&self.oauth.scopes, &self.mcp_servers, self.names, &mut problems);
        self.oauth.check(&mut problems);
        for origin in &self.allowed_origins {
            if PublicUrl::parse(origin).is_err() {
                let text = format!(
                    "`{origin}` is not an origin: write scheme, host and port, as in `https://app.example.com`"
                );
                problems.push(Problem::new("allowedOrigins", text));
            }
        }
        if let Some(identity) = &self.identity {
            identity.check(&mut problems);
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn problems(document: serde_json::Value) -> Vec<String> {
        let document: Document = serde_json::from_value(document).unwrap();
        document.problems().iter().map(|p| p.path.clone()).collect()
    }

    #[test]
    fn the_keys_are_those_of_the_type() {
        let error = serde_json::from_value::<Document>(json!({ "?": 1 })).unwrap_err().to_string();
        let expected = SECTIONS.map(|key| format!("`{key}`")).join(", ");
        assert!(error.contains(&format!("expected one of {expected}")), "{error}");
        let read = |document: serde_json::Value| {
            let text = document.to_string();
            let config: shared_ports::memory::MemoryConfig = [(crate::DOCUMENT, text.as_str())].into_iter().collect();
            crate::read::<serde_json::Value>(&config, &["names"])
        };
        assert_eq!(read(json!({ "names": "bare", "limits": {} })), Ok(json!({ "names": "bare" })));
        assert_eq!(read(json!({ "names": "bare", "limit": {} })), Err(crate::SettingsError::Unknown("limit".into())));
    }

    #[test]
    fn a_good_document_has_no_problem() {
        let none: Vec<String> = Vec::new();
        assert_eq!(problems(json!({})), none);
        assert_eq!(
            problems(json!({
                "publicUrl": "https://mcp.example.com",
                "mcpServers": {
                    "a": { "url": "https://a.example/mcp", "type": "streamable-http", "headers": { "Authorization": "Bearer ${T}" } },
                    "b-c": { "url": "http://127.0.0.1:1/mcp" },
                },
                "identity": { "type": "local", "users": [{ "name": "dev", "passwordHash": "$argon2id$x" }] },
            })),
            none
        );
    }

    #[test]
    fn each_problem_is_named_by_its_path() {
        for (document, path) in [
            (json!({ "mcpServers": { "a b": { "url": "https://a" } } }), "mcpServers.a b"),
            (json!({ "mcpServers": { "a": {} } }), "mcpServers.a.url"),
            (json!({ "mcpServers": { "a": { "url": "http://example.com" } } }), "mcpServers.a.url"),
            (json!({ "mcpServers": { "a": { "url": "https://u@example.com" } } }), "mcpServers.a.url"),
            (json!({ "mcpServers": { "a": { "command": "npx" } } }), "mcpServers.a.command"),
            (
                json!({ "mcpServers": { "a": { "url": "https://a", "headers": { "authorization": "Bearer x" } } } }),
                "mcpServers.a.headers.authorization",
            ),
            (
                json!({ "mcpServers": { "a": { "url": "https://a", "headers": { "Mcp-Session-Id": "x" } } } }),
                "mcpServers.a.headers.Mcp-Session-Id",
            ),
            (json!({ "mcpServers": { "a": { "url": "https://a" }, "a_b": { "url": "https://a" } } }), "mcpServers.a_b"),
            (
                json!({ "names": "bare", "mcpServers": { "a": { "url": "https://a" }, "b": { "url": "https://a" } } }),
                "names",
            ),
            (json!({ "mcpServers": { "a": { "url": "https://a", "prefix": "a.b" } } }), "mcpServers.a.prefix"),
            (
                json!({ "mcpServers": { "a": { "url": "https://a", "prefix": "" }, "b": { "url": "https://a", "prefix": "" } } }),
                "mcpServers.a.prefix",
            ),
            (
                json!({ "mcpServers": { "a": { "url": "https://a", "prefix": "x" }, "b": { "url": "https://a", "prefix": "x_y" } } }),
                "mcpServers.b",
            ),
            (
                json!({ "mcpServers": { "a": { "url": "https://a", "prefix": "x" }, "b": { "url": "https://a", "prefix": "x" } } }),
                "mcpServers.b",
            ),
            (
                json!({ "names": "bare", "mcpServers": { "a": { "url": "https://a" }, "b": { "url": "https://a", "prefix": "a" } } }),
                "mcpServers.b",
            ),
            (
                json!({ "mcpServers": { "a": { "url": "https://a", "tools": { "overrides": { "x": { "name": "a b" } } } } } }),
                "mcpServers.a.tools.overrides.x.name",
            ),
            (
                json!({ "mcpServers": { "a": { "url": "https://a", "tools": { "overrides": { "x": { "name": "n" }, "y": { "name": "n" } } } } } }),
                "mcpServers.a.tools.overrides.y.name",
            ),
            (
                json!({ "mcpServers": { "a": { "url": "https://a", "features": { "f": { "prompts": { "overrides": { "x": { "name": "" } } } } } } } }),
                "mcpServers.a.features.f.prompts.overrides.x.name",
            ),
            (
                json!({ "mcpServers": { "a": { "url": "https://a", "features": { "a,b": {} } } } }),
                "mcpServers.a.features",
            ),
            (json!({ "mcpServers": { "a": { "url": "https://a", "region": "" } } }), "mcpServers.a.region"),
            (json!({ "mcpServers": { "a": { "url": "https://a", "tenants": [".x"] } } }), "mcpServers.a.tenants"),
            (json!({ "mcpServers": { "a": { "url": "https://a", "tenants": ["oauth"] } } }), "mcpServers.a.tenants"),
            (
                json!({ "identity": { "type": "local", "users": [{ "name": "dev", "passwordHash": "$argon2id$x", "tenant": "oauth" }] } }),
                "identity.users[0].tenant",
            ),
            (
                json!({ "oauth": { "clients": { "c": { "tenant": "oauth", "secret": "${S}", "grantTypes": ["client_credentials"] } } } }),
                "oauth.clients.c.tenant",
            ),
            (
                json!({ "mcpServers": { "a": { "url": "https://a", "bind": { "org": "{tenat}" } } } }),
                "mcpServers.a.bind.org",
            ),
            (
                json!({ "oauth": { "scopes": { "s": { "meaning": "x", "mcpServers": { "a": {} } } } } }),
                "oauth.scopes.s.mcpServers.a",
            ),
            (json!({ "oauth": { "codeSeconds": 601 } }), "oauth.codeSeconds"),
            (json!({ "allowedOrigins": ["*"] }), "allowedOrigins"),
            (json!({ "identity": { "type": "local", "users": [] } }), "identity.users"),
            (json!({ "identity": { "type": "oidc", "providers": {} } }), "identity.providers"),
            (
                json!({ "identity": { "type": "oidc", "providers": { "A": { "issuer": "https://a", "clientId": "x" } } } }),
                "identity.providers.A",
            ),
            (
                json!({ "identity": { "type": "oidc", "providers": { "a": { "clientId": "x" } } } }),
                "identity.providers.a.issuer",
            ),
            (
                json!({ "identity": { "type": "oidc", "providers": { "a": { "issuer": "http://a.example", "clientId": "x" } } } }),
                "identity.providers.a.issuer",
            ),
            (
                json!({ "identity": { "type": "oidc", "providers": { "a": { "issuer": "https://a", "clientId": "x", "clientSecret": "x" } } } }),
                "identity.providers.a.clientSecret",
            ),
            (
                json!({ "identity": { "type": "local", "users": [{ "name": "a:b", "passwordHash": "$argon2id$x" }] } }),
                "identity.users[0].name",
            ),
            (json!({ "oauth": { "clients": { "a b": { "redirectUris": ["https://a/"] } } } }), "oauth.clients.a b"),
            (json!({ "oauth": { "clients": { "a": {} } } }), "oauth.clients.a.redirectUris"),
            (
                json!({ "oauth": { "clients": { "a": { "redirectUris": ["https://a/"], "secret": "x" } } } }),
                "oauth.clients.a.secret",
            ),
            (
                json!({ "oauth": { "clients": { "a": { "grantTypes": ["client_credentials"] } } } }),
                "oauth.clients.a.grantTypes",
            ),
            (json!({ "oauth": { "scopes": { "a\"": { "meaning": "x" } } } }), "oauth.scopes.a\""),
            (
                json!({ "oauth": { "scopes": { "a": { "meaning": "x", "includes": ["b"] } } } }),
                "oauth.scopes.a.includes",
            ),
            (json!({ "oauth": { "aliases": ["/mcp"] } }), "oauth.aliases"),
            (json!({ "oauth": { "registration": { "maxClients": 1 } } }), "oauth.registration.maxClients"),
            (
                json!({ "identity": { "type": "local", "users": [{ "name": "a", "passwordHash": "secret" }] } }),
                "identity.users[0].passwordHash",
            ),
        ] {
            assert_eq!(problems(document.clone()), [path], "{document}");
        }
    }
}
