//! What a provider says of somebody's roles and tenant: kept since the login, and heard again whenever his tokens there are
//! refreshed. Using a refresh token of ours is an occasion to do that, so that roles are no older than an access token,
//! and whoever has been locked out there is out here as well.
//!
//! A provider that gives neither a refresh token nor an address to ask cannot be heard again: what it said at the login holds
//! as long as the grant. One that does not answer changes nothing: its failure locks nobody out.

use super::exchange::{self, Answer};
use super::tokens::{self, RefreshError};
use super::{Endpoints, claims, renew, told};
use crate::Server;
use crate::crypto;
use crate::errors::Error;
use crate::events::Event;
use crate::people::{Person, Standing};
use crate::records;
use serde::{Deserialize, Serialize};
use shared_ports::StoreError;
use shared_settings::Provider;

/// What was heard is not asked for again within this time, in seconds: several grants of one user are refreshed in turn.
const HEARD: u64 = 300;

/// What is kept of it, sealed.
#[derive(Serialize, Deserialize)]
struct Said {
    subject: String,
    standing: Standing,
    /// When it was heard.
    at: u64,
}

/// What a provider says now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Nothing was ever kept: not a user of a provider, or one who came by an assertion.
    Nothing,
    /// This, now or the last time that it was heard.
    Says(Standing),
    /// That it does not let him in any more.
    Out,
}

/// Keep what a provider has said.
pub fn note(server: &Server, user_hash: &str, person: &Person) -> Result<(), StoreError> {
    let Person { subject, roles, tenant, .. } = person.clone();
    keep(server, user_hash, subject, Standing { roles, tenant })
}

fn keep(server: &Server, user_hash: &str, subject: String, standing: Standing) -> Result<(), StoreError> {
    let said = Said { subject, standing, at: server.now };
    let plain = serde_json::to_vec(&said).unwrap_or_default();
    let sealed = server.settings.keys.rest.seal(server.random(), &context(user_hash), &plain);
    server.store.set(&records::said_key(user_hash), crypto::base64(&sealed).as_bytes())
}

/// What was said the last time.
pub fn known(server: &Server, user_hash: &str) -> Result<Option<Standing>, StoreError> {
    Ok(read(server, user_hash)?.map(|said| said.standing))
}

/// Hear what the provider of a user says now, if it can be asked.
pub async fn hear(server: &Server<'_>, user_hash: &str) -> Result<Heard, StoreError> {
    let Some(before) = read(server, user_hash)? else { return Ok(Heard::Nothing) };
    let Some(held) = tokens::held(server, user_hash)? else { return Ok(Heard::Says(before.standing)) };
    let provider = server.settings.providers.get(&held.provider);
    let Some(provider) = provider.filter(|_| before.at.saturating_add(HEARD) <= server.now) else {
        return Ok(Heard::Says(before.standing));
    };
    let may_come_in = if held.refreshable {
        // New tokens come with news.
        !matches!(renew::renew(server, user_hash, held.generation).await, Err(RefreshError::LoginRequired))
    } else if held.is_good {
        let person = by_userinfo(server, &held.provider, provider, &held.access_token).await;
        take_in(server, user_hash, &before, person)?
    } else {
        true
    };
    if !may_come_in {
        return Ok(Heard::Out);
    }
    Ok(Heard::Says(read(server, user_hash)?.unwrap_or(before).standing))
}

/// Take in what came with new tokens. Whether the user may still come in.
pub async fn renewed(
    server: &Server<'_>,
    user_hash: &str,
    name: &str,
    provider: &Provider,
    endpoints: &Endpoints,
    answer: &Answer,
) -> Result<bool, StoreError> {
    let Some(before) = read(server, user_hash)? else { return Ok(true) };
    let person = match (&provider.issuer, &answer.id_token) {
        (Some(issuer), Some(_)) => {
            told::person(server, name, provider, endpoints, issuer, None, answer).await.map(Some)
        }
        _ => by_userinfo(server, name, provider, &answer.access_token).await,
    };
    take_in(server, user_hash, &before, person)
}

fn take_in(
    server: &Server,
    user_hash: &str,
    before: &Said,
    person: Result<Option<Person>, Error>,
) -> Result<bool, StoreError> {
    match person {
        Err(Error::NotAllowed | Error::ProviderRefused(_)) => return Ok(false),
        // Tokens of one user never begin to speak of another.
        Ok(Some(person)) if person.subject != before.subject => return Ok(false),
        Ok(Some(person)) => note(server, user_hash, &person)?,
        // It had an occasion and said nothing else.
        Ok(None) => keep(server, user_hash, before.subject.clone(), before.standing.clone())?,
        Err(error) => server.audit.record(&Event::Refused { why: &error.to_string(), ours: error.is_ours() }),
    }
    Ok(true)
}

/// Ask the address of the settings that says who somebody is, for providers that have no ID tokens.
async fn by_userinfo(
    server: &Server<'_>,
    name: &str,
    provider: &Provider,
    access_token: &str,
) -> Result<Option<Person>, Error> {
    match (&provider.issuer, &provider.userinfo_endpoint) {
        (None, Some(url)) => {
            let claims = exchange::userinfo(server, name, url, access_token).await?;
            claims::person(name, provider, &claims).map(Some)
        }
        _ => Ok(None),
    }
}

fn read(server: &Server, user_hash: &str) -> Result<Option<Said>, StoreError> {
    let Some(sealed) = server.store.get(&records::said_key(user_hash))? else { return Ok(None) };
    let open = || {
        let sealed = crypto::unbase64(std::str::from_utf8(&sealed).ok()?)?;
        serde_json::from_slice(&server.settings.keys.rest.open(&context(user_hash), &sealed)?).ok()
    };
    // Sealed with a key that is gone: then what the grant has from the login holds.
    Ok(open())
}

fn context(user_hash: &str) -> Vec<u8> {
    [b"said", user_hash.as_bytes()].concat()
}
