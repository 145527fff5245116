//! What is stored, and under which keys. `STORE.md` is the same for people.

use crate::credential::{Credential, GrantId, Kind};
use crate::crypto::{self, Key};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared_ports::{Store, StoreError};
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its identifier.
    pub id: String,
    /// What it calls itself; may be empty.
    pub name: String,
    /// Where it may be answered.
    pub redirect_uris: Vec<String>,
    /// How it proves itself.
    pub auth: AuthMethod,
    /// SHA-256 of its secret, in hex. None for a public client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_hash: Option<String>,
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
    /// SHA-256 of its registration access token, in hex (RFC 7592).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub management_hash: Option<String>,
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

/// One approval by one user for one client. Never changed after it is written; deleting it ends the grant, so that no
/// racing writer can bring it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRecord {
    /// The client.
    pub client_id: String,
    /// Its name at that time.
    pub client_name: String,
    /// The user, by keyed hash.
    pub user_hash: String,
    /// What was approved, in ascending order.
    pub scopes: Vec<String>,
    /// The resource it is for (RFC 8707).
    pub resource: String,
    /// When it was approved.
    pub created_at: u64,
    /// [`Props`], sealed with the grant's key.
    pub props: String,
}

/// What is known about the user of a grant. Stored only sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Props {
    /// Subject.
    pub subject: String,
    /// When the user logged in.
    pub authenticated_at: u64,
    /// Roles by an identity provider.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Tenant by an identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
}

/// What changes about a grant. Last writer wins; it is a hint for listing and sweeping, no decision hangs on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantState {
    /// Number of the newest pair of tokens.
    pub generation: u64,
    /// Number of the oldest pair whose records may still be there.
    pub first: u64,
    /// When the newest refresh token ends, or the access token if there is none.
    pub expires_at: u64,
}

/// A pair of tokens of a grant by their hashes, so that they can be deleted without being known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairRecord {
    /// Hash of the access token.
    pub access: String,
    /// Hash of the refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<String>,
    /// Hash of the code, with the first pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// When the pair was issued.
    pub issued_at: u64,
    /// When the access token ends.
    pub expires_at: u64,
}

/// An authorization code: the grant to be, and what the request said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeRecord {
    /// The grant that redeeming the code makes.
    pub grant: GrantRecord,
    /// Where the code was sent.
    pub redirect_uri: String,
    /// PKCE challenge, S256.
    pub challenge: String,
    /// The grant's key, wrapped with the code.
    pub key: String,
    /// When the code ends.
    pub expires_at: u64,
}

/// An access token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessRecord {
    /// What it is good for, in ascending order.
    pub scopes: Vec<String>,
    /// The resource it is for.
    pub resource: String,
    /// The grant's key, wrapped with the token.
    pub key: String,
    /// When it ends.
    pub expires_at: u64,
}

/// A refresh token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshRecord {
    /// Number of the pair it belongs to.
    pub generation: u64,
    /// The grant's key, wrapped with the token.
    pub key: String,
    /// When it was issued, which is when its predecessor was used.
    pub issued_at: u64,
    /// When it ends.
    pub expires_at: u64,
}

impl Props {
    /// Seal with the grant's key.
    pub fn seal(&self, key: &Key, nonce: [u8; 12], grant: GrantId) -> String {
        let plain = serde_json::to_vec(self).unwrap_or_default();
        crypto::base64(&crypto::seal(key, nonce, &grant.0, &plain))
    }

    /// Undo [`Props::seal`].
    pub fn open(sealed: &str, key: &Key, grant: GrantId) -> Option<Self> {
        serde_json::from_slice(&crypto::open(key, &grant.0, &crypto::unbase64(sealed)?)?).ok()
    }
}

/// Key of a client's record. `id` must be one that [`crate::clients`] has let through.
pub fn client_key(id: &str) -> String {
    format!("oauth:client:{id}")
}

/// Key of the end of a client's record after its last use: seconds in decimal digits.
pub fn client_used_key(id: &str) -> String {
    format!("oauth:client:{id}:used")
}

/// Name of the list of all registered clients.
pub const CLIENTS: &str = "oauth:clients";

/// Key of a document of somebody else, by SHA-256 of its address in hex.
pub fn fetched_key(hash: &str) -> String {
    format!("oauth:fetched:{hash}")
}

/// Name of the list of all documents of others.
pub const FETCHED: &str = "oauth:fetched";

/// Key of the counter of uses of something that may be used once, by SHA-256 of its name in hex.
pub fn once_key(hash: &str) -> String {
    format!("oauth:once:{hash}")
}

/// Name of the list of all of these.
pub const ONCE: &str = "oauth:once";

/// Name of the list of all users, by hash.
pub const USERS: &str = "oauth:users";

/// Key of a user's record.
pub fn user_key(user_hash: &str) -> String {
    format!("oauth:user:{user_hash}")
}

/// Key of the counter by which a user is put into the list once.
pub fn user_known_key(user_hash: &str) -> String {
    format!("oauth:user:{user_hash}:known")
}

/// Key of the tokens that an identity provider gave for a user.
pub fn provider_key(user_hash: &str) -> String {
    format!("oauth:user:{user_hash}:provider")
}

/// Key of who is refreshing the tokens of this generation.
pub fn lease_key(user_hash: &str, generation: u64) -> String {
    format!("oauth:user:{user_hash}:provider:{generation}:lease")
}

/// Key of the counter by which an attempt to refresh them is made by one only.
pub fn attempt_key(user_hash: &str, generation: u64, attempt: u64) -> String {
    format!("oauth:user:{user_hash}:provider:{generation}:lease:{attempt}")
}

/// Name of the list of the tokens that were exchanged for ones with fewer scopes.
pub fn exchanged(id: GrantId) -> String {
    format!("oauth:grant:{id}:exchanged")
}

/// Name of the list of a user's grants.
pub fn user_grants(user_hash: &str) -> String {
    format!("oauth:user:{user_hash}:grants")
}

/// Key of a grant's record.
pub fn grant_key(id: GrantId) -> String {
    format!("oauth:grant:{id}")
}

/// Key of a grant's state.
pub fn state_key(id: GrantId) -> String {
    format!("oauth:grant:{id}:state")
}

/// Key of a pair of tokens.
pub fn pair_key(id: GrantId, generation: u64) -> String {
    format!("oauth:grant:{id}:pair:{generation}")
}

/// Key of a code's or token's record.
pub fn credential_key(credential: &Credential, kind: Kind) -> String {
    hash_key(kind, &credential.hash())
}

/// The same by hash.
pub fn hash_key(kind: Kind, hash: &str) -> String {
    match kind {
        Kind::Code => format!("oauth:code:{hash}"),
        Kind::Access => format!("oauth:token:{hash}"),
        Kind::Refresh => format!("oauth:refresh:{hash}"),
    }
}

/// Key of the counter of a code's uses.
pub fn code_uses_key(hash: &str) -> String {
    format!("oauth:code:{hash}:uses")
}

/// Read a record.
pub fn get<T: DeserializeOwned>(store: &dyn Store, key: &str) -> Result<Option<T>, StoreError> {
    let Some(bytes) = store.get(key)? else { return Ok(None) };
    // Only we write here, so this is damage or another version. Saying so is better than taking it for absent.
    serde_json::from_slice(&bytes).map(Some).map_err(|error| StoreError(format!("record under `{key}`: {error}")))
}

/// Write a record.
pub fn set<T: Serialize>(store: &dyn Store, key: &str, record: &T) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec(record).map_err(|error| StoreError(error.to_string()))?;
    store.set(key, &bytes)
}
