//! Who may log in.

use crate::check_url;
use crate::document::Problem;
use crate::upstreams::{RESERVED_TENANT, reserved_tenant};
use serde::Deserialize;
use std::collections::BTreeMap;

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
    /// Users of identity providers, beside local ones if there are any.
    Oidc {
        /// The providers by name. The name is part of their users' subjects, so it must not change.
        providers: BTreeMap<String, Provider>,
        /// Users with passwords.
        #[serde(default)]
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

/// An OpenID Connect provider, or any OAuth 2 server with an address that says who somebody is.
#[derive(Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provider {
    /// What the login page calls it. Left out: its name.
    #[serde(default)]
    pub label: Option<String>,
    /// Its issuer. The endpoints that are not given are found under it (OpenID Connect Discovery).
    #[serde(default)]
    pub issuer: Option<String>,
    /// Its authorization endpoint.
    #[serde(default)]
    pub authorization_endpoint: Option<String>,
    /// Its token endpoint.
    #[serde(default)]
    pub token_endpoint: Option<String>,
    /// Its public keys.
    #[serde(default)]
    pub jwks_uri: Option<String>,
    /// Who somebody is, for providers without ID tokens: asked with the access token. Claims are read from its answer.
    #[serde(default)]
    pub userinfo_endpoint: Option<String>,
    /// Our id there.
    pub client_id: String,
    /// Our secret there, by reference: `${NAME}`.
    #[serde(default)]
    pub client_secret: Option<String>,
    /// What is asked for. `offline_access` where the provider gives refresh tokens for it only.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// More parameters of the authorization request, such as `prompt` or `access_type`.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// Claims that decide who may come in: for each, the values it may have. Left out: everybody with an account there.
    #[serde(default)]
    pub require: BTreeMap<String, Vec<String>>,
    /// Which claim is what.
    #[serde(default)]
    pub claims: Claims,
    /// Roles here by values of the roles claim there. Values that are not listed give no role.
    #[serde(default)]
    pub roles: BTreeMap<String, String>,
    /// Whether identity assertions (ID-JAG) of this provider are taken at the token endpoint.
    #[serde(default)]
    pub assertions: bool,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

fn default_scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(String::from).into()
}

/// Which claim of the provider is what.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Claims {
    /// What names somebody for good. Never an email address: those change hands.
    pub subject: String,
    /// What the pages call somebody.
    pub name: String,
    /// Groups or roles: a list of texts, or one text.
    pub roles: String,
    /// The tenant.
    pub tenant: Option<String>,
}

impl Default for Claims {
    fn default() -> Self {
        Self { subject: "sub".into(), name: "name".into(), roles: "groups".into(), tenant: None }
    }
}

impl Identity {
    /// Users with passwords.
    pub fn users(&self) -> &[User] {
        match self {
            Self::Local { users } | Self::Oidc { users, .. } => users,
        }
    }

    /// Identity providers by name.
    pub fn providers(&self) -> impl Iterator<Item = (&String, &Provider)> {
        match self {
            Self::Local { .. } => None,
            Self::Oidc { providers, .. } => Some(providers),
        }
        .into_iter()
        .flatten()
    }

    /// Everything wrong that the types alone do not see.
    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        let users = self.users();
        match self {
            Self::Local { users } if users.is_empty() => {
                problems.push(Problem::new("identity.users", "nobody could log in: name at least one user"));
            }
            Self::Oidc { providers, .. } if providers.is_empty() => {
                problems.push(Problem::new("identity.providers", "is empty: name a provider, or use `local`"));
            }
            _ => {}
        }
        for (index, user) in users.iter().enumerate() {
            let path = format!("identity.users[{index}]");
            if user.name.is_empty() || user.name.len() > 64 || user.name.chars().any(char::is_control) {
                problems.push(Problem::new(format!("{path}.name"), "a name has 1 to 64 characters"));
            }
            if user.tenant.as_deref() == Some(RESERVED_TENANT) {
                problems.push(Problem::new(format!("{path}.tenant"), reserved_tenant()));
            }
            if user.name.contains(':') {
                let text = "must not have a `:`: that is for users of identity providers";
                problems.push(Problem::new(format!("{path}.name"), text));
            }
            if users.iter().take(index).any(|other| other.name == user.name) {
                problems.push(Problem::new(format!("{path}.name"), format!("there are two users `{}`", user.name)));
            }
            if !user.password_hash.starts_with("$argon2id$") && !user.password_hash.starts_with("${") {
                let text = "is not an argon2id hash: `mcp-edge hash-password` makes one";
                problems.push(Problem::new(format!("{path}.passwordHash"), text));
            }
        }
        for (name, provider) in self.providers() {
            provider.check(name, problems);
        }
    }
}

impl Provider {
    fn check(&self, name: &str, problems: &mut Vec<Problem>) {
        let mut problem = |field: &str, text: String| {
            problems.push(Problem::new(format!("identity.providers.{name}{field}"), text));
        };
        let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        // `client` is what subjects of clients themselves begin with.
        if name.is_empty() || name.len() > 32 || !name.chars().all(legal) || name == "client" {
            problem("", "a name has 1 to 32 lower-case letters, digits or `-`, and is not `client`".into());
        }
        for (field, url) in [
            (".issuer", &self.issuer),
            (".authorizationEndpoint", &self.authorization_endpoint),
            (".tokenEndpoint", &self.token_endpoint),
            (".jwksUri", &self.jwks_uri),
            (".userinfoEndpoint", &self.userinfo_endpoint),
        ] {
            if let Some(url) = url.as_deref().filter(|url| !url.contains("${"))
                && let Err(why) = check_url(url)
            {
                problem(field, why);
            }
        }
        if self.client_secret.as_ref().is_some_and(|secret| !secret.contains("${")) {
            problem(".clientSecret", "is a secret: put it into the environment and refer to it as `${NAME}`".into());
        }
        let explicit = self.authorization_endpoint.is_some() && self.token_endpoint.is_some();
        if self.issuer.is_none() && !(explicit && self.userinfo_endpoint.is_some()) {
            problem(
                ".issuer",
                "is missing: give it, or `authorizationEndpoint`, `tokenEndpoint` and `userinfoEndpoint`".into(),
            );
        }
        if self.assertions && self.issuer.is_none() {
            problem(".assertions", "needs `issuer`".into());
        }
    }
}
