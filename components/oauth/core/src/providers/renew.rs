//! The tokens of providers are refreshed once, however many ask for it.
//!
//! Only `increment` is atomic, so a refresh goes like this. The tokens have a generation. Whoever finds them too old counts
//! up the counter of an attempt at this generation; who comes out as first has the lease, says so in a record of its
//! own, asks the provider and writes the next generation. The others look again until it is there. A lease whose holder
//! has died is over after a time that is longer than any request; the next one is the next attempt, with the next counter.

use super::exchange::{self, ExchangeError};
use super::tokens::{ProviderToken, RefreshError, Stored, forget, open, token, write};
use super::{Endpoints, standing};
use crate::credential::GrantId;
use crate::events::Event;
use crate::records::{self, GrantRecord};
use crate::{Server, users};
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

/// Errors by which a provider says that a refresh token is over (RFC 6749 section 5.2; OpenID Connect Core section 3.1.2.6;
/// the last one is GitHub's). Every other one is the operator's or the provider's trouble, and not the user's.
const OVER: [&str; 5] =
    ["invalid_grant", "interaction_required", "login_required", "consent_required", "bad_refresh_token"];

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

/// The access token of the identity provider that the user of a grant came from; a new one if the old one has ended or is
/// about to. However many ask at the same time, the provider is asked once.
pub async fn refresh(server: &Server<'_>, grant_id: &str) -> Result<ProviderToken, RefreshError> {
    let id = GrantId::parse(grant_id).ok_or(RefreshError::NotFound)?;
    let grant: GrantRecord = records::get(server.store, &records::grant_key(id))?.ok_or(RefreshError::NotFound)?;
    renew(server, &grant.user_hash, 0).await
}

/// The same by the user's hash. Tokens of generation `after`, or older, are refreshed in any case.
pub async fn renew(server: &Server<'_>, user_hash: &str, after: u64) -> Result<ProviderToken, RefreshError> {
    // The attempt that somebody else is at: whoever waits for it hears what came out of it.
    let mut awaited: Option<(u64, u64)> = None;
    for look in 0..=LOOKS {
        let waited = u64::from(look) * u64::try_from(LOOK.as_millis()).unwrap_or(u64::MAX) / 1000;
        let now = server.now.saturating_add(waited);
        let stored: Stored =
            records::get(server.store, &records::provider_key(user_hash))?.ok_or(RefreshError::NotFound)?;
        let good = stored.expires_at.is_none_or(|end| end > now.saturating_add(EARLY));
        let fresh = good && stored.generation > after;
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
            if !standing::renewed(server, user_hash, name, provider, &endpoints, &answer).await? {
                return Err(RefreshError::LoginRequired);
            }
            write(server, now, user_hash, name, stored.generation + 1, &answer, Some(&secret))?;
            // Deleted meanwhile: nothing of him is left behind.
            if !users::is_listed(server, user_hash)? {
                forget(server, user_hash)?;
                return Err(RefreshError::NotFound);
            }
            let expires_at = answer.expires_in.map(|seconds| now.saturating_add(seconds));
            let scopes = answer.scope.as_deref().unwrap_or(&secret.scope);
            Ok(ProviderToken {
                provider: name.clone(),
                scopes: scopes.split_whitespace().map(String::from).collect(),
                access_token: answer.access_token,
                expires_at,
            })
        }
        Err(ExchangeError::Refused(code)) if OVER.contains(&code.as_str()) => Err(RefreshError::LoginRequired),
        Err(error) => Err(RefreshError::Unavailable(error.to_string())),
    }
}

/// Delete what is kept of the leases of a generation.
pub(super) fn delete_leases(server: &Server, user_hash: &str, generation: u64) -> Result<(), StoreError> {
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
