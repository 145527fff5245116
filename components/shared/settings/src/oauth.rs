//! `oauth`: the authorization server.

use crate::document::Problem;
use crate::scopes::{self, ScopeSettings};
use crate::upstreams::{RESERVED_TENANT, reserved_tenant};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The authorization server.
#[derive(Debug, Clone, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OAuth {
    /// Life of an access token in seconds; 60 to 86400.
    pub access_token_seconds: u32,
    /// Life of a refresh token in seconds, counted from its last use; 3600 to 31536000.
    pub refresh_token_seconds: u32,
    /// Life of an authorization code in seconds; 30 to 600 (RFC 6749 section 4.1.2 recommends no more than 10 minutes).
    pub code_seconds: u32,
    /// Clients that register themselves (RFC 7591).
    pub registration: Registration,
    /// Clients whose id is the address of a document about them (Client ID Metadata Documents).
    pub client_documents: ClientDocuments,
    /// Clients registered here, by their id.
    pub clients: BTreeMap<String, ClientSettings>,
    /// What a person may allow an app to do, by the scope's name. Left out: one scope, `mcp`, for everything.
    pub scopes: BTreeMap<String, ScopeSettings>,
    /// The consent page.
    pub consent: Consent,
    /// Whether a client may exchange its access token for one with fewer scopes (RFC 8693).
    pub token_exchange: bool,
    /// Paths under which everything of `/oauth` is there as well, for clients with old addresses: `/mcp/oauth`.
    pub aliases: Vec<String>,
}

impl Default for OAuth {
    fn default() -> Self {
        Self {
            access_token_seconds: 3600,
            refresh_token_seconds: 30 * 24 * 3600,
            code_seconds: 600,
            registration: Registration::default(),
            client_documents: ClientDocuments::default(),
            clients: BTreeMap::new(),
            scopes: BTreeMap::new(),
            consent: Consent::default(),
            token_exchange: false,
            aliases: Vec::new(),
        }
    }
}

/// Clients that register themselves.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Registration {
    /// Whether they may.
    pub enabled: bool,
    /// How many there may be at a time; 10 to 1000000.
    pub max_clients: u32,
    /// How many one address may register in five minutes; 1 to 10000.
    pub per_address: u32,
}

impl Default for Registration {
    fn default() -> Self {
        Self { enabled: true, max_clients: 10_000, per_address: 30 }
    }
}

/// Client ID Metadata Documents.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClientDocuments {
    /// Whether they are fetched.
    pub enabled: bool,
    /// Development only: documents may come from this machine itself (`https://localhost…`).
    pub allow_loopback_for_development: bool,
}

impl Default for ClientDocuments {
    fn default() -> Self {
        Self { enabled: true, allow_loopback_for_development: false }
    }
}

/// A client registered by the operator. It is trusted: errors go back to it before anybody has logged in.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClientSettings {
    /// Its name on the consent page.
    pub name: String,
    /// Where it may be answered: letter by letter, any port on loopback.
    pub redirect_uris: Vec<String>,
    /// Its secret, by reference: `${NAME}`. Without `secret`, `jwks` and `jwksUri` it is a public client.
    pub secret: Option<String>,
    /// Its public keys (RFC 7517), for `private_key_jwt`.
    pub jwks: Option<serde_json::Value>,
    /// Address of its public keys, for `private_key_jwt`.
    pub jwks_uri: Option<String>,
    /// What it may ask the token endpoint for.
    pub grant_types: GrantTypes,
    /// Roles of the client itself, with `client_credentials`.
    pub roles: Vec<String>,
    /// Tenant of the client itself, with `client_credentials`.
    pub tenant: Option<String>,
}

impl std::fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSettings").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Grant types of a client registered by the operator.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct GrantTypes(pub Vec<GrantType>);

impl Default for GrantTypes {
    fn default() -> Self {
        Self(vec![GrantType::AuthorizationCode, GrantType::RefreshToken])
    }
}

/// A grant type by its name on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum GrantType {
    /// RFC 6749 section 4.1.
    #[serde(rename = "authorization_code")]
    AuthorizationCode,
    /// RFC 6749 section 6.
    #[serde(rename = "refresh_token")]
    RefreshToken,
    /// RFC 6749 section 4.4: the client for itself, without a person.
    #[serde(rename = "client_credentials")]
    ClientCredentials,
    /// RFC 7523 with an identity assertion (ID-JAG) of a provider that has `assertions`.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:jwt-bearer")]
    JwtBearer,
    /// RFC 8693.
    #[serde(rename = "urn:ietf:params:oauth:grant-type:token-exchange")]
    TokenExchange,
}

/// The consent page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Consent {
    /// What an earlier approval in the same browser is good for.
    pub remember: Remember,
}

/// What a remembered approval does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Remember {
    /// The page is shown, with the same boxes ticked.
    #[default]
    Prefill,
    /// The page is skipped for clients on the web that ask for nothing new. Apps and programs on the same machine cannot
    /// be told from each other, so for them it is shown.
    Skip,
}

impl OAuth {
    /// Numbers that are too small or too large, and aliases that are none. Asked by the component as well, because not every
    /// host looks at settings.
    pub fn bounds(&self, problems: &mut Vec<Problem>) {
        for (path, value, floor, ceiling) in [
            ("oauth.accessTokenSeconds", self.access_token_seconds, 60, 86_400),
            ("oauth.refreshTokenSeconds", self.refresh_token_seconds, 3600, 31_536_000),
            ("oauth.codeSeconds", self.code_seconds, 30, 600),
        ] {
            if !(floor..=ceiling).contains(&value) {
                problems.push(Problem::new(path, format!("must be {floor} to {ceiling} seconds")));
            }
        }
        for (path, value, floor, ceiling) in [
            ("oauth.registration.maxClients", self.registration.max_clients, 10, 1_000_000),
            ("oauth.registration.perAddress", self.registration.per_address, 1, 10_000),
        ] {
            if !(floor..=ceiling).contains(&value) {
                problems.push(Problem::new(path, format!("must be {floor} to {ceiling}")));
            }
        }
        for alias in &self.aliases {
            if !is_alias(alias) {
                let text =
                    format!("`{alias}` is not a path such as `/mcp/oauth`: it ends in `/oauth` and is not `/oauth`");
                problems.push(Problem::new("oauth.aliases", text));
            }
        }
    }

    /// Everything wrong that the types alone do not see.
    pub(crate) fn check(&self, problems: &mut Vec<Problem>) {
        self.bounds(problems);
        for (id, client) in &self.clients {
            client.check(id, problems);
        }
        scopes::check(&self.scopes, problems);
    }
}

/// The path below `/oauth` that a path below an alias stands for; any other path as it is.
pub fn unalias<'a>(aliases: &[String], path: &'a str) -> Cow<'a, str> {
    let below =
        |alias: &String| path.strip_prefix(alias.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    // What is no alias by `bounds` could stand before any path.
    match aliases.iter().filter(|alias| is_alias(alias)).find_map(below) {
        Some(rest) => Cow::Owned(format!("/oauth{rest}")),
        None => Cow::Borrowed(path),
    }
}

/// An alias ends in `/oauth`, which keeps it apart from every other route.
fn is_alias(path: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let segment = |segment: &str| !segment.is_empty() && !segment.starts_with('.') && segment.chars().all(legal);
    path.len() <= 100
        && path.ends_with("/oauth")
        && path.strip_prefix('/').is_some_and(|path| path != "oauth" && path.split('/').all(segment))
}

impl ClientSettings {
    fn check(&self, id: &str, problems: &mut Vec<Problem>) {
        let mut problem = |field: &str, text: &str| {
            problems.push(Problem::new(format!("oauth.clients.{id}{field}"), text));
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        if id.is_empty() || id.len() > 100 || !id.chars().all(legal) {
            problem("", "an id has 1 to 100 letters, digits, `-`, `.`, `_` or `~`");
        }
        if self.secret.as_ref().is_some_and(|secret| !secret.contains("${")) {
            problem(".secret", "is a secret: put it into the environment and refer to it as `${NAME}`");
        }
        if self.tenant.as_deref() == Some(RESERVED_TENANT) {
            problem(".tenant", &reserved_tenant());
        }
        let ways = [self.secret.is_some(), self.jwks.is_some(), self.jwks_uri.is_some()];
        if ways.iter().filter(|way| **way).count() > 1 {
            problem("", "has more than one of `secret`, `jwks` and `jwksUri`: keep one");
        }
        let has = |grant_type| self.grant_types.0.contains(&grant_type);
        if has(GrantType::AuthorizationCode) && self.redirect_uris.is_empty() {
            problem(".redirectUris", "is missing: without it nobody can be sent back to the app");
        }
        let public = !ways.contains(&true);
        if public && (has(GrantType::ClientCredentials) || has(GrantType::JwtBearer)) {
            problem(".grantTypes", "these need a client that proves itself: give it a `secret`, `jwks` or `jwksUri`");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_is_a_path_that_ends_in_oauth() {
        for (path, expected) in [
            ("/mcp/oauth", true),
            ("/a/b-c/oauth", true),
            ("/oauth", false),
            ("oauth", false),
            ("/mcp", false),
            ("/mcp/oauth/", false),
            ("//oauth", false),
            ("/../oauth", false),
            ("/.well-known/oauth", false),
            ("/a%2f/oauth", false),
            ("", false),
        ] {
            assert_eq!(is_alias(path), expected, "{path}");
        }
    }

    #[test]
    fn a_path_below_an_alias_is_one_below_oauth() {
        let aliases = ["/a/oauth", "/a/oauthx/oauth", "/oauth", ""].map(String::from);
        for (path, expected) in [
            ("/a/oauth", "/oauth"),
            ("/a/oauth/", "/oauth/"),
            ("/a/oauth/token", "/oauth/token"),
            ("/a/oauthx/oauth/token", "/oauth/token"),
            ("/a/oauthx", "/a/oauthx"),
            ("/oauth/token", "/oauth/token"),
            ("/mcp", "/mcp"),
        ] {
            assert_eq!(unalias(&aliases, path), expected, "{path}");
        }
    }
}
