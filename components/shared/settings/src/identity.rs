//! Who may log in.

use serde::Deserialize;

/// Where users come from.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum Identity {
    /// Users with passwords, listed here.
    Local {
        /// The users. `mcp-edge hash-password` makes the hashes.
        users: Vec<User>,
    },
}

/// A local user.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct User {
    /// Name to log in with; also the subject of the user's tokens.
    pub name: String,
    /// Argon2id hash of the password in PHC form: `$argon2id$v=19$m=…`.
    pub password_hash: String,
    /// What the user may do beyond using MCP, for example `admin`.
    #[serde(default)]
    pub roles: Vec<String>,
    /// The tenant the user belongs to.
    #[serde(default)]
    pub tenant: Option<String>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("name", &self.name).field("roles", &self.roles).finish_non_exhaustive()
    }
}
