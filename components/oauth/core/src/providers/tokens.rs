//! The tokens of providers: stored sealed, one set for each user, and refreshed once however many ask for it.
//!
//! Only `increment` is atomic, so a refresh goes like this. The tokens have a generation. Whoever finds them too old counts
//! up the counter of an attempt at this generation; who comes out as first has the lease, says so in a record of its
//! own, asks the provider and writes the next generation. The others look again until it is there. A lease whose holder
//! has died is over after a time that is longer than any request; the next one is the next attempt, with the next counter.

use super::Endpoints;
use super::exchange::{self, Answer, ExchangeError};
use crate::Server;
use crate::credential::GrantId;
use crate::crypto;
use crate::events::Event;
use crate::records::{self, GrantRecord};
use serde::{Deserialize, Serialize};
use shared_ports::StoreError;
use std::time::Duration;

/// Tokens that end within this time are refreshed, in seconds: what asks for them has to use them yet.
const EARLY: u64 = 60;

/// How long a lease lasts, in seconds: longer than [`crate::fetched::TIMEOUT`] twice (discovery and the refresh itself).
const LEASE: u64 = 30;

/// How often somebody who waits looks again, and how many times: 25 seconds, less than a lease. So who has come while the
/// holder was at it never takes the lease over from him; that is for those who come later.
const LOOK: Duration = Duration::from_millis(200);
const LOOKS: u32 = 125;

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
struct Stored {
    generation: u64,
    provider: String,
    /// [`Secret`], sealed.
    secret: String,
    expires_at: Option<u64>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Secret {
    access_token: String,
    refresh_token: Option<String>,
    scope: String,
}

/// Who is refreshing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Lease {
    attempt: u64,
    at: u64,
    /// What became of it, if it is over without new tokens.
    failed: Option<Failed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Failed {
    LoginRequired,
    Unavailable(String),
}

/// Keep what a provider gave at a login.
pub fn store(server: &Server, user_hash: &str, provider: &str, answer: &Answer) -> Result<(), StoreError> {
    let before: Option<Stored> = records::get(server.store, &records::provider_key(user_hash))?;
    let generation = before.as_ref().map_or(0, |before| before.generation) + 1;
    write(server, server.now, user_hash, provider, generation, answer, None)
}

/// Forget what is kept for a user.
pub fn forget(server: &Server, user_hash: &str) -> Result<(), StoreError> {
    if let Some(stored) = records::get::<Stored>(server.store, &records::provider_key(user_hash))? {
        delete_leases(server, user_hash, stored.generation)?;
    }
    server.store.delete(&records::provider_key(user_hash))
}

/// The access token of the identity provider that the user of a grant came from; a new one if the old one has ended or is
/// about to. However many ask at the same time, the provider is asked once.
pub async fn refresh(server: &Server<'_>, grant_id: &str) -> Result<ProviderToken, RefreshError> {
    let id = GrantId::parse(grant_id).ok_or(RefreshError::NotFound)?;
    let grant: GrantRecord = records::get(server.store, &records::grant_key(id))?.ok_or(RefreshError::NotFound)?;
    let user_hash = &grant.user_hash;
    // The attempt that somebody else is at: whoever waits for it hears what came out of it.
    let mut awaited: Option<(u64, u64)> = None;
    for look in 0..=LOOKS {
        let waited = u64::from(look) * u64::try_from(LOOK.as_millis()).unwrap_or(u64::MAX) / 1000;
        let now = server.now.saturating_add(waited);
        let stored: Stored =
            records::get(server.store, &records::provider_key(user_hash))?.ok_or(RefreshError::NotFound)?;
        let fresh = stored.expires_at.is_none_or(|end| end > now.saturating_add(EARLY));
        let renewed = awaited.is_some_and(|(generation, _)| stored.generation > generation);
        if fresh || renewed {
            return open(server, user_hash, &stored).map(|secret| token(&stored, &secret));
        }
        let lease: Option<Lease> = records::get(server.store, &records::lease_key(user_hash, stored.generation))?;
        let attempt = match lease {
            None => 1,
            Some(Lease { attempt, failed: Some(failed), .. })
                if awaited.is_some_and(|awaited| awaited == (stored.generation, attempt)) =>
            {
                return Err(failed.into());
            }
            Some(lease) if lease.failed.is_some() || lease.at.saturating_add(LEASE) <= now => lease.attempt + 1,
            Some(lease) => {
                awaited = Some((stored.generation, lease.attempt));
                server.outside.sleep(LOOK).await;
                continue;
            }
        };
        if server.store.increment(&records::attempt_key(user_hash, stored.generation, attempt), 1)? == 1 {
            let lease = Lease { attempt, at: now, failed: None };
            records::set(server.store, &records::lease_key(user_hash, stored.generation), &lease)?;
            return lead(server, now, user_hash, &stored, lease).await;
        }
        awaited = Some((stored.generation, attempt));
        server.outside.sleep(LOOK).await;
    }
    // Whoever had the lease has not even written that he has it. So that the next one does not wait for him.
    if let Some((generation, attempt)) = awaited {
        let key = records::lease_key(user_hash, generation);
        let lease: Option<Lease> = records::get(server.store, &key)?;
        if lease.is_none_or(|lease| lease.attempt < attempt) {
            records::set(server.store, &key, &Lease { attempt, at: 0, failed: None })?;
        }
    }
    Err(RefreshError::Unavailable("another request is refreshing the tokens and does not come to an end".into()))
}

/// Ask the provider, as the one who has the lease.
async fn lead(
    server: &Server<'_>,
    now: u64,
    user_hash: &str,
    stored: &Stored,
    lease: Lease,
) -> Result<ProviderToken, RefreshError> {
    let result = ask(server, now, user_hash, stored).await;
    server.audit.record(&Event::ProviderRefreshed { user_hash, ok: result.is_ok() });
    match result {
        Ok(token) => {
            delete_leases(server, user_hash, stored.generation.saturating_sub(1))?;
            Ok(token)
        }
        Err(error) => {
            let failed = match &error {
                RefreshError::Unavailable(why) => Failed::Unavailable(why.clone()),
                RefreshError::LoginRequired | RefreshError::NotFound => Failed::LoginRequired,
            };
            let lease = Lease { failed: Some(failed), ..lease };
            records::set(server.store, &records::lease_key(user_hash, stored.generation), &lease)?;
            Err(error)
        }
    }
}

async fn ask(server: &Server<'_>, now: u64, user_hash: &str, stored: &Stored) -> Result<ProviderToken, RefreshError> {
    let name = &stored.provider;
    let provider = server.settings.providers.get(name).ok_or(RefreshError::NotFound)?;
    let secret = open(server, user_hash, stored)?;
    let refresh_token = secret.refresh_token.as_deref().ok_or(RefreshError::LoginRequired)?;
    let endpoints =
        Endpoints::of(server, name, provider).await.map_err(|error| RefreshError::Unavailable(error.to_string()))?;
    let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
    match exchange::tokens(server, &endpoints, provider, &fields).await {
        Ok(answer) => {
            write(server, now, user_hash, name, stored.generation + 1, &answer, Some(&secret))?;
            let expires_at = answer.expires_in.map(|seconds| now.saturating_add(seconds));
            let scopes = answer.scope.as_deref().unwrap_or(&secret.scope);
            Ok(ProviderToken {
                provider: name.clone(),
                scopes: scopes.split_whitespace().map(String::from).collect(),
                access_token: answer.access_token,
                expires_at,
            })
        }
        Err(ExchangeError::Refused(_)) => Err(RefreshError::LoginRequired),
        Err(ExchangeError::Failed(why)) => Err(RefreshError::Unavailable(why)),
    }
}

fn write(
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

fn open(server: &Server, user_hash: &str, stored: &Stored) -> Result<Secret, RefreshError> {
    let sealed = crypto::unbase64(&stored.secret).unwrap_or_default();
    // Sealed under a key that is gone: only a new login helps.
    let plain = server.settings.keys.rest.open(user_hash.as_bytes(), &sealed).ok_or(RefreshError::LoginRequired)?;
    serde_json::from_slice(&plain).map_err(|_| RefreshError::LoginRequired)
}

fn token(stored: &Stored, secret: &Secret) -> ProviderToken {
    ProviderToken {
        provider: stored.provider.clone(),
        access_token: secret.access_token.clone(),
        expires_at: stored.expires_at,
        scopes: secret.scope.split_whitespace().map(String::from).collect(),
    }
}

fn delete_leases(server: &Server, user_hash: &str, generation: u64) -> Result<(), StoreError> {
    let key = records::lease_key(user_hash, generation);
    if let Some(lease) = records::get::<Lease>(server.store, &key)? {
        for attempt in 1..=lease.attempt {
            server.store.delete(&records::attempt_key(user_hash, generation, attempt))?;
        }
        server.store.delete(&key)?;
    }
    Ok(())
}

impl From<Failed> for RefreshError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::LoginRequired => Self::LoginRequired,
            Failed::Unavailable(why) => Self::Unavailable(why),
        }
    }
}
