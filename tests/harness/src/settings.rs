//! Settings of a gateway under test.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Somebody who can log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person {
    /// Name to log in with.
    pub name: &'static str,
    /// Password.
    pub password: &'static str,
    /// Its hash, with the parameters that `mcp-edge hash-password` uses.
    pub hash: &'static str,
}

/// A user with the role `admin`.
pub const ALICE: Person = Person {
    name: "alice",
    password: "correct horse battery staple",
    hash: "$argon2id$v=19$m=19456,t=2,p=1$wNDV3MhvE/F/wNMAkUf13w$DAGZwpevlfUlvIIgKVrO5KCtn5A8CDGl1kU1RwA094c",
};

/// A user without roles.
pub const BOB: Person = Person {
    name: "bob",
    password: "wonderland",
    hash: "$argon2id$v=19$m=19456,t=2,p=1$LFY3cnGLGLfgZiYxrI8OuA$tKggxXKso0vkmXcMRErolFGAKumhCeFZtQVjBIzUpy8",
};

/// More requests than any test makes, so that only tests of limits meet limits.
const PLENTY: &str = "1000000/60s";

/// The settings document and the environment of a gateway.
#[derive(Debug, Clone)]
pub struct Settings {
    document: Value,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// More arguments, for our host only.
    pub arguments: Vec<OsString>,
    /// See [`Self::hosts`].
    pub hosts: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self::new()
    }
}

impl Settings {
    /// [`ALICE`] and [`BOB`] can log in, nothing is limited, there are no upstreams.
    pub fn new() -> Self {
        let user = |person: Person, roles: &[&str]| json!({ "name": person.name, "passwordHash": person.hash, "roles": roles });
        let limits = json!({ "perUser": PLENTY, "perIp": PLENTY });
        let document = json!({
            "identity": { "type": "local", "users": [user(ALICE, &["admin"]), user(BOB, &[])] },
            "mcpServers": {},
            "limits": { "mcp": limits, "oauth": limits },
        });
        let key = format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>());
        let environment = BTreeMap::from([("MCP_EDGE_TOKEN_KEY".into(), key)]);
        Self { document, environment, arguments: Vec::new(), hosts: None }
    }

    /// With an upstream at this address.
    pub fn upstream(self, name: &str, url: &str) -> Self {
        self.with(&format!("/mcpServers/{name}"), json!({ "url": url }))
    }

    /// With a value at a JSON pointer; objects on the way are made.
    pub fn with(mut self, pointer: &str, value: Value) -> Self {
        let mut at = &mut self.document;
        for key in pointer.split('/').skip(1) {
            if !at.is_object() {
                *at = json!({});
            }
            at = &mut at[key];
        }
        *at = value;
        self
    }

    /// With an environment variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.into(), value.into());
        self
    }

    /// With further certificate authorities, on our host.
    pub fn trust(mut self, file: &Path) -> Self {
        self.arguments.extend(["--trust".into(), file.into()]);
        self
    }

    /// With this file in the place of `/etc/hosts`, on our host; see [`crate::gateway::can_replace_hosts`].
    pub fn hosts(mut self, file: &Path) -> Self {
        self.hosts = Some(file.into());
        self
    }

    /// The document as text.
    pub fn document(&self) -> String {
        format!("{:#}", self.document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_at_their_place() {
        let settings =
            Settings::new().upstream("a", "http://127.0.0.1:1/mcp").with("/limits/mcp/perUser", json!("1/60s"));
        assert_eq!(settings.document["mcpServers"]["a"]["url"], "http://127.0.0.1:1/mcp");
        assert_eq!(settings.document["limits"]["mcp"], json!({ "perUser": "1/60s", "perIp": PLENTY }));
        assert_eq!(
            Settings::new().with("/oauth/codeSeconds", json!(30)).document["oauth"],
            json!({ "codeSeconds": 30 })
        );
    }
}
