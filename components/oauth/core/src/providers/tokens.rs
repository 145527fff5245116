//! The tokens of providers, as they are stored: sealed, one set for each user.

use super::exchange::Answer;
use super::renew;
use crate::Server;
use crate::crypto;
use crate::records;
use serde::{Deserialize, Serialize};
use shared_ports::StoreError;

/// An access token of an identity provider, for its own services.
#[derive(Clone, PartialEq, Eq)]
pub struct ProviderToken {
    /// The provider's name in the settings.
    pub provider: String,
    /// The token. Secret.
    pub access_token: String,
    /// When it ends, if the provider says so: seconds since the Unix epoch.
    pub expires_at: Option<u64>,
    /// Scopes as the provider names them.
    pub scopes: Vec<String>,
}

impl std::fmt::Debug for ProviderToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ProviderToken({}, ends at {:?})", self.provider, self.expires_at)
    }
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    /// No such grant, or its user is not one of an identity provider.
    #[error("no tokens of an identity provider belong to this grant")]
    NotFound,
    /// The provider gives no new token without the person: a new login is needed.
    #[error("the user has to log in again")]
    LoginRequired,
    /// The store or the provider did not answer. For the log.
    #[error("{0}")]
    Unavailable(String),
}

impl From<StoreError> for RefreshError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    /// Counts up with each refresh and login.
    pub generation: u64,
    /// The provider's name in the settings.
    pub provider: String,
    /// [`Secret`], sealed.
    secret: String,
    /// When the access token ends.
    pub expires_at: Option<u64>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Secret {
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub scope: String,
}

/// Keep what a provider gave at a login.
pub fn store(server: &Server, user_hash: &str, provider: &str, answer: &Answer) -> Result<(), StoreError> {
    let before: Option<Stored> = records::get(server.store, &records::provider_key(user_hash))?;
    let generation = before.as_ref().map_or(0, |before| before.generation) + 1;
    write(server, server.now, user_hash, provider, generation, answer, None)
}

/// Tokens that are kept, as far as others have to know.
pub struct Held {
    /// Counts up with each refresh and login.
    pub generation: u64,
    /// The provider's name in the settings.
    pub provider: String,
    /// Whether there is a refresh token.
    pub refreshable: bool,
    /// Secret.
    pub access_token: String,
    /// Whether the access token has not ended.
    pub is_good: bool,
}

/// The tokens that are kept for a user.
pub fn held(server: &Server, user_hash: &str) -> Result<Option<Held>, StoreError> {
    let Some(stored) = records::get::<Stored>(server.store, &records::provider_key(user_hash))? else {
        return Ok(None);
    };
    let is_good = stored.expires_at.is_none_or(|end| end > server.now);
    Ok(open(server, user_hash, &stored).ok().map(|secret| Held {
        generation: stored.generation,
        provider: stored.provider,
        refreshable: secret.refresh_token.is_some(),
        access_token: secret.access_token,
        is_good,
    }))
}

/// Forget what is kept for a user.
pub fn forget(server: &Server, user_hash: &str) -> Result<(), StoreError> {
    server.store.delete(&records::said_key(user_hash))?;
    if let Some(stored) = records::get::<Stored>(server.store, &records::provider_key(user_hash))? {
        renew::delete_leases(server, user_hash, stored.generation)?;
    }
    server.store.delete(&records::provider_key(user_hash))
}

/// Write a set of tokens; `before` is the one that they came out of.
pub(super) fn write(
    server: &Server,
    now: u64,
    user_hash: &str,
    provider: &str,
    generation: u64,
    answer: &Answer,
    before: Option<&Secret>,
) -> Result<(), StoreError> {
    let secret = Secret {
        access_token: answer.access_token.clone(),
        // A provider that does not rotate says nothing about it: the old one stays good (RFC 6749 section 6).
        refresh_token: answer.refresh_token.clone().or_else(|| before.and_then(|before| before.refresh_token.clone())),
        scope: answer.scope.clone().or_else(|| before.map(|before| before.scope.clone())).unwrap_or_default(),
    };
    let plain = serde_json::to_vec(&secret).unwrap_or_default();
    let sealed = server.settings.keys.rest.seal(server.random(), user_hash.as_bytes(), &plain);
    let stored = Stored {
        generation,
        provider: provider.into(),
        secret: crypto::base64(&sealed),
        expires_at: answer.expires_in.map(|seconds| now.saturating_add(seconds)),
    };
    records::set(server.store, &records::provider_key(user_hash), &stored)
}

/// The secrets of a set.
pub(super) fn open(server: &Server, user_hash: &str, stored: &Stored) -> Result<Secret, RefreshError> {
    let sealed = crypto::unbase64(&stored.secret).unwrap_or_default();
    // Sealed under a key that is gone: only a new login helps.
    let plain = server.settings.keys.rest.open(user_hash.as_bytes(), &sealed).ok_or(RefreshError::LoginRequired)?;
    serde_json::from_slice(&plain).map_err(|_| RefreshError::LoginRequired)
}

/// A set as it is handed out.
pub(super) fn token(stored: &Stored, secret: &Secret) -> ProviderToken {
    ProviderToken {
        provider: stored.provider.clone(),
        access_token: secret.access_token.clone(),
        expires_at: stored.expires_at,
        scopes: secret.scope.split_whitespace().map(String::from).collect(),
    }
}
