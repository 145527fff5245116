//! Clients.

use crate::secret::SecretHash;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared_settings::GrantType;

/// How a client proves itself at the token endpoint (RFC 7591 section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthMethod {
    /// Not at all: a public client.
    #[serde(rename = "none")]
    None,
    /// Secret in the `Authorization` header.
    #[serde(rename = "client_secret_basic")]
    Basic,
    /// Secret in the form.
    #[serde(rename = "client_secret_post")]
    Post,
    /// A token signed with its key.
    #[serde(rename = "private_key_jwt")]
    Key,
}

/// Where a client is known from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Origin {
    /// It registered itself.
    #[default]
    Registered,
    /// Its own document: who publishes it is known.
    Document,
    /// The operator has registered it.
    Settings,
}

/// A client. The record of a registered one is replaced as a whole by itself only (RFC 7592).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Client {
    /// Its identifier.
    pub id: String,
    /// What it calls itself; may be empty.
    pub name: String,
    /// Where it may be answered.
    pub redirect_uris: Vec<String>,
    /// How it proves itself.
    pub auth: AuthMethod,
    /// Of its secret. None for a public client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_hash: Option<SecretHash>,
    /// Whether it registered for refresh tokens.
    pub refresh: bool,
    /// Seconds since the Unix epoch.
    pub created_at: u64,
    /// When the record ends unless the client is used before.
    pub expires_at: u64,
    /// Its public keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Value>,
    /// Their address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// Of its registration access token (RFC 7592).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_hash: Option<SecretHash>,
    /// Not stored: what is stored was registered.
    #[serde(skip)]
    pub origin: Origin,
    /// What the operator allows it; empty unless it is from the settings.
    #[serde(skip)]
    pub grant_types: Vec<GrantType>,
}

impl Client {
    /// Whether it may use a grant type.
    pub fn may(&self, grant_type: GrantType) -> bool {
        match grant_type {
            _ if self.origin == Origin::Settings => self.grant_types.contains(&grant_type),
            GrantType::AuthorizationCode => true,
            GrantType::RefreshToken => self.refresh,
            // Nothing that is without a person is for clients that nobody has looked at.
            GrantType::ClientCredentials | GrantType::JwtBearer | GrantType::TokenExchange => false,
        }
    }

    /// Whether it proves itself.
    pub fn is_confidential(&self) -> bool {
        self.auth != AuthMethod::None
    }
}
